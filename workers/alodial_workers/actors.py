"""The Dramatiq actors: shells that bind ids to the log, call a plain function and let nothing escape."""

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
    """Declares both actors on the runtime's broker. Declared twice, the later runtime is used."""

    def submit_calls(account: str) -> None:
        """Attends to an account's ready calls until there is nothing to take."""
        with bound_contextvars(account=account):
            _shell("submit", lambda: runtime.on_loop(runtime.engine.attend(account)))

    def collect_results() -> None:
        """Gives the inbox's results to their calls."""
        _shell("collect", lambda: collect(runtime.store, runtime.settings, runtime.name))

    dramatiq.actor(broker=runtime.broker, queue_name=SUBMIT_QUEUE, actor_name=SUBMIT_QUEUE)(submit_calls)
    dramatiq.actor(broker=runtime.broker, queue_name=COLLECT_QUEUE, actor_name=COLLECT_QUEUE)(collect_results)


def _shell(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except StoreUnavailable as exc:
        # The pacer says it once and rings again when the store is back.
        log.debug("actor.store_unavailable", actor=name, error=str(exc))
    except Exception:  # a doorbell is never retried by Dramatiq: the truth is in the store
        log.exception("actor.failed", actor=name)
