"""Follows the event stream once for all readers of ``GET /v1/events``."""

import asyncio
from collections import Counter

from ..store.client import AsyncStore
from ..store.events import newest, wait_for_event
from ..store.supervision import process_loops
from .problems import RETRY_AFTER, Refusal

MAX_READERS = 100

WAKE_INTERVAL = 0.02
"""Seconds between two wake-ups of all readers: a storm of events costs each of them 50 reads a second, not thousands."""


class EventFollower:
    """Waits at the end of the stream on one connection and wakes all readers, however many there are."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        # Redis has to answer before the socket's own timeout, which would look like an outage.
        self._block = min(1.0, store.settings.redis_timeout / 2)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._position = ""
        self.closing = False
        self.readers = 0
        self._by_key: Counter[str] = Counter()

    def join(self, key: str = "", limit: int = 0) -> None:
        """Adds a reader of a key, which calls ``leave`` at its end.

        Raises Refusal 503 above MAX_READERS, 429 above the ``limit`` of the key (0 for none).
        """
        if limit and self._by_key[key] >= limit:
            detail = f"This key has {limit} event streams open already."
            raise Refusal(429, "limit_reached", detail, headers={"Retry-After": RETRY_AFTER}, limit="event_streams")
        if self.closing or self.readers >= MAX_READERS:
            detail = f"{MAX_READERS} readers follow already; come again later."
            raise Refusal(503, "overloaded", detail, headers={"Retry-After": RETRY_AFTER})
        self.readers += 1
        self._by_key[key] += 1
        if self._task is None:
            self._position = ""
            self._task = asyncio.create_task(process_loops.run_async("events.follower", self._follow))

    def leave(self, key: str = "") -> None:
        self.readers -= 1
        self._by_key[key] -= 1
        if not self._by_key[key]:
            del self._by_key[key]
        if self.readers == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    def news(self) -> asyncio.Event:
        """Returns the event that is set once the stream has grown; get it before reading, so that no wake-up is lost."""
        return self._news

    def _wake(self) -> None:
        woken, self._news = self._news, asyncio.Event()
        woken.set()

    def close(self) -> None:
        """Ends all readers; each may resume at another process."""
        self.closing = True
        self._wake()

    async def _follow(self) -> float:
        if not self._position or await self._store.call(wait_for_event, self._position, self._block):
            self._position = await self._store.call(newest)
            self._wake()
        return WAKE_INTERVAL
