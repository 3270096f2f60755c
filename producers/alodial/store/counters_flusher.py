"""Adds this process's counts to Redis' sums every few seconds, in a supervised thread."""

import contextlib

from .client import Store
from .counters import FLUSH_SECONDS, Counters, process_counters
from .supervision import SupervisedThread


class CountersFlusher(SupervisedThread):
    """Flushes the counters every few seconds until ``stop``, which flushes the rest."""

    def __init__(self, store: Store, counters: Counters = process_counters, every: float = FLUSH_SECONDS) -> None:
        super().__init__("counters", self._flush)
        self._store = store
        self._counters = counters
        self._every = every

    def _flush(self) -> float:
        self._store.call(self._counters.flush)
        return self._every

    def stop(self, timeout: float = 0.0) -> None:
        """Ends the thread after a last flush; what Redis does not take then is lost."""
        super().stop(timeout or self._every)
        with contextlib.suppress(Exception):
            # What a flush without an answer held, and what was counted since.
            while self._store.call(self._counters.flush):
                pass
