"""Redis' clock as seen from here, so that a request can say until when it may be carried out."""

import time

FRESH_FOR = 60.0
"""Seconds until the clock is read again; two clocks part by some milliseconds in that time."""


class ServerClock:
    """Learns Redis' time and tells it between two readings by our own monotonic clock, which nobody sets."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._learned = float("-inf")

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self._learned < FRESH_FOR

    def learn(self, server_ms: int) -> None:
        now = time.monotonic()
        self._ahead, self._learned = server_ms - now * 1000, now

    def deadline(self, seconds: float) -> int:
        """Redis' Unix ms so many seconds from now."""
        return int((time.monotonic() + seconds) * 1000 + self._ahead)
