"""Requests a second for each key, and wrong keys for each address: bounded in memory, whoever asks."""

import math
import time
from collections import OrderedDict

MOST = 10_000
"""Names that are remembered; the one that was asked for longest ago is forgotten, with its debts."""


class RateLimiter:
    """A token bucket for each name: ``rate`` a second, ``burst`` at once. A rate of 0 lets everything through."""

    def __init__(self, rate: float, burst: float, limit: int = MOST) -> None:
        self._rate = rate
        self._burst = burst
        self._most = limit
        self._ready: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, now: float | None = None) -> float:
        """0 when one more may pass, else in how many seconds it may."""
        if not self._rate:
            return 0.0
        at = time.monotonic() if now is None else now
        # When the bucket is full again; a start costs 1 / rate of that time.
        full = max(self._ready.get(name, 0.0), at)
        wait = full + 1 / self._rate - at - self._burst / self._rate
        if wait > 1e-9:
            return wait
        self._ready[name] = full + 1 / self._rate
        self._ready.move_to_end(name)
        if len(self._ready) > self._most:
            self._ready.popitem(last=False)
        return 0.0

    def waits(self, name: str, now: float | None = None) -> float:
        """As :meth:`take`, without taking one."""
        if not self._rate:
            return 0.0
        at = time.monotonic() if now is None else now
        full = max(self._ready.get(name, 0.0), at)
        return max(0.0, full + 1 / self._rate - at - self._burst / self._rate)


def retry_after(seconds: float) -> str:
    """Whole seconds, at least one."""
    return str(max(1, math.ceil(seconds)))
