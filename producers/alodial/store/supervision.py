"""Keeps the loops of a process alive: a failed round is logged, counted, and repeated after a growing pause.

A loop that ends with its first unexpected error strands whatever it cares for until somebody restarts the process, and
nothing shows it. ``failing`` is what the heartbeat carries to ``alodial doctor`` and ``status``.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from ..errors import StoreUnavailable
from .counters import LOOP_FAILURES, Counters, process_counters
from .logger import LibraryLogger

log = LibraryLogger("alodial.loops")

T = TypeVar("T")

FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
"""Seconds until a failed round is repeated: doubled from the first to the longest."""

FORGET_AFTER: Final = 90.0
"""Seconds after which a part that is not tried any more does not count as failing."""

AWAY_PAUSE: Final = 1.0
"""Seconds between rounds while the store is away, which is no failure of the loop."""


@dataclass(slots=True)
class LoopFailure:
    """A loop whose last round failed: since when (monotonic), how many rounds in a row, and with which error."""

    since: float
    rounds: int
    error: str
    retry_at: float


class Supervisor:
    """Runs rounds of named loops. Safe in threads."""

    def __init__(self, counters: Counters = process_counters) -> None:
        self._counters = counters
        self._failures: dict[str, LoopFailure] = {}

    def failing(self) -> dict[str, str]:
        """Returns the loops whose last round failed, each with the name of its error."""
        now = time.monotonic()
        # A part that is not tried again has nothing to do any more, such as a campaign that has ended.
        over = [name for name, failure in list(self._failures.items()) if now - failure.retry_at > FORGET_AFTER]
        for name in over:
            self._failures.pop(name, None)
        return {name: failure.error for name, failure in list(self._failures.items())}

    def attempt(self, name: str, step: Callable[[], T], *, label: str = "") -> T | None:
        """Runs one round of a part of a loop; None when it failed, or failed so short a time ago that it still pauses.

        ``label`` is its name in the metrics, where there may be thousands of such parts. Raises StoreUnavailable.
        """
        failure = self._failures.get(name)
        if failure is not None and time.monotonic() < failure.retry_at:
            return None
        try:
            answer = step()
        except StoreUnavailable:
            raise
        except Exception as exc:  # whatever it is, the loop and its other parts go on
            self.failed(name, exc, label)
            return None
        self.succeeded(name)
        return answer

    def run(self, name: str, step: Callable[[], float], ended: threading.Event) -> None:
        """Repeats ``step`` until ``ended`` is set; it returns the seconds to the next round."""
        while not ended.is_set():
            try:
                pause = step()
                self.succeeded(name)
            except StoreUnavailable:
                pause = AWAY_PAUSE
            except Exception as exc:  # as above
                pause = self.failed(name, exc)
            ended.wait(pause)

    async def run_async(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        """As :meth:`run`, on an event loop, until it is canceled."""
        while True:
            try:
                pause = await step()
                self.succeeded(name)
            except StoreUnavailable:
                pause = AWAY_PAUSE
            except Exception as exc:  # as above
                pause = self.failed(name, exc)
            await asyncio.sleep(pause)

    def failed(self, name: str, exc: Exception, label: str = "", *, logged: bool = True) -> float:
        """Records a failed round and returns the seconds until the next. ``logged`` is False for the loop of the log itself."""
        now = time.monotonic()
        failure = self._failures.setdefault(name, LoopFailure(now, 0, "", now))
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(failure.rounds, 16))
        failure.rounds += 1
        failure.error, failure.retry_at = type(exc).__name__, now + pause
        # Short of memory or descriptors, counting and logging may fail too; the loop must outlive that as well.
        with contextlib.suppress(Exception):
            self._counters.count(LOOP_FAILURES, label or name)
        if logged:
            with contextlib.suppress(Exception):
                log.error(
                    "loop.failed", loop=name, error=failure.error, rounds=failure.rounds, retry_in=pause, exc_info=exc
                )
        return pause

    def succeeded(self, name: str) -> None:
        """Records a round that went well."""
        if self._failures and (failure := self._failures.pop(name, None)) is not None:
            with contextlib.suppress(Exception):
                log.info(
                    "loop.recovered", loop=name, rounds=failure.rounds, seconds=round(time.monotonic() - failure.since)
                )


process_loops: Final = Supervisor()
"""The supervisor of this process."""


class SupervisedThread(threading.Thread):
    """A daemon thread that runs a supervised loop until ``stop``. ``step`` returns the seconds to the next round."""

    def __init__(self, name: str, step: Callable[[], float], supervisor: Supervisor = process_loops) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._supervisor = supervisor
        self.ended = threading.Event()

    def run(self) -> None:
        self._supervisor.run(self.name, self._step, self.ended)

    def stop(self, timeout: float = 0.0) -> None:
        """Ends the loop and waits at most ``timeout`` seconds for its round under way."""
        self.ended.set()
        if timeout and self.is_alive():
            self.join(timeout)
