"""Token buckets by name, such as an API key or an address, in bounded memory. ``auth.py`` sets the rates of keys."""

import math
import time
from collections import OrderedDict

MAX_NAMES = 10_000
"""Names that are kept; above it the one that passed longest ago is dropped with its bucket."""


class RateLimiter:
    """A token bucket for each name: ``rate`` a second, ``burst`` at once. A rate of 0 lets everything through.

    ``now`` is in seconds of the monotonic clock, which is the default.
    """

    def __init__(self, rate: float, burst: float, limit: int = MAX_NAMES) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when a bucket is full again; a token takes 1 / rate

    def take(self, name: str, now: float | None = None, cost: float = 1) -> float:
        """Takes ``cost`` tokens and returns 0, or returns in how many seconds there is one. A bucket may owe the rest."""
        at = time.monotonic() if now is None else now
        wait = self.wait(name, at)
        if self._rate and not wait:
            self._take(name, at, cost)
        return wait

    def owe(self, name: str, cost: float, now: float | None = None) -> None:
        """Takes ``cost`` tokens in any case, for what is under way already: the next :meth:`take` waits for them."""
        if self._rate:
            at = time.monotonic() if now is None else now
            self._take(name, at, cost)

    def _take(self, name: str, at: float, cost: float) -> None:
        self._full_at[name] = max(self._full_at.get(name, 0.0), at) + cost / self._rate
        self._full_at.move_to_end(name)
        if len(self._full_at) > self._limit:
            self._full_at.popitem(last=False)

    def wait(self, name: str, now: float | None = None) -> float:
        """Returns in how many seconds there is a token, 0 for now, without taking it."""
        if not self._rate:
            return 0.0
        at = time.monotonic() if now is None else now
        wait = max(self._full_at.get(name, 0.0), at) + (1 - self._burst) / self._rate - at
        return wait if wait > 1e-9 else 0.0


def retry_after(seconds: float) -> str:
    """Returns whole seconds, at least 1, for the header ``Retry-After``."""
    return str(max(1, math.ceil(seconds)))
