"""The Dramatiq actors: they bind ids to the log, call a plain function and let nothing escape."""

from collections.abc import Callable

import dramatiq
import structlog
from structlog.contextvars import bound_contextvars

from alodial.errors import StoreUnavailable
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE

from .collect import collect
from .runtime import Runtime

log = structlog.get_logger("alodial.actors")


def declare(runtime: Runtime) -> None:
    """Declares both actors on the runtime's broker. A second declaration replaces the first."""

    def submit_calls(account: str) -> None:
        """Submits an account's ready calls until there is nothing to take."""
        with bound_contextvars(account=account):
            _run("submit", lambda: runtime.on_loop(runtime.engine.attend(account)))

    def collect_results() -> None:
        """Applies the inbox's results to their calls."""
        _run("collect", lambda: collect(runtime.store, runtime.settings, runtime.name))

    dramatiq.actor(broker=runtime.broker, queue_name=SUBMIT_QUEUE, actor_name=SUBMIT_QUEUE)(submit_calls)
    dramatiq.actor(broker=runtime.broker, queue_name=COLLECT_QUEUE, actor_name=COLLECT_QUEUE)(collect_results)


def _run(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except StoreUnavailable as exc:
        # The pacer logs it once, and wakes the actor again when the store is back.
        log.debug("actor.store_unavailable", actor=name, error=str(exc))
    except Exception:  # Dramatiq never retries a wake-up: the work itself is in the store
        log.exception("actor.failed", actor=name)
