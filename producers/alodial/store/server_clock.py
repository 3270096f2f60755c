"""Redis' clock: the only one by which the store decides anything."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import redis
import redis.asyncio as aioredis

FRESH_FOR = 60.0
"""Seconds until the clock is read again; two clocks part by some milliseconds in that time."""


def to_ms(answer: Sequence[Any]) -> int:
    """The answer of Redis' ``TIME`` (seconds, microseconds) as Unix ms."""
    seconds, micros = answer
    return int(seconds) * 1000 + int(micros) // 1000


def server_ms(client: "redis.Redis") -> int:
    """Redis' time now, Unix ms."""
    return to_ms(client.time())


async def server_ms_async(client: "aioredis.Redis") -> int:
    """As :func:`server_ms`."""
    return to_ms(await client.time())


class ServerClock:
    """Estimates Redis' time between two readings by the local monotonic clock, which nobody sets."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._learned = float("-inf")

    @property
    def fresh(self) -> bool:
        """Whether the last reading is younger than a minute."""
        return time.monotonic() - self._learned < FRESH_FOR

    def learn(self, server_ms: int) -> None:
        """Takes a reading: Redis' time now, Unix ms."""
        now = time.monotonic()
        self._ahead, self._learned = server_ms - now * 1000, now

    def now(self) -> datetime:
        """Redis' time now; this machine's own as long as Redis' is not known."""
        if self._learned == float("-inf"):
            return datetime.now(UTC)
        return datetime.fromtimestamp(self.deadline(0) / 1000, UTC)

    def deadline(self, seconds: float) -> int:
        """Redis' Unix ms so many seconds from now."""
        return int((time.monotonic() + seconds) * 1000 + self._ahead)
