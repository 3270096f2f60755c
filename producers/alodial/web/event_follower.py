"""Reads the event stream once for all readers of ``GET /v1/events`` and hands each of them what its filter lets through.

Events come to the process by one read, are encoded once, and stay for a while in a window that all readers share: no reader
has a queue of its own. One that begins before the window, or falls out of it, reads the store for itself until it is back.
"""

import asyncio
from bisect import bisect_right
from collections import Counter
from typing import Final

from ..errors import StoreUnavailable
from ..store.client import AsyncStore
from ..store.events import Position, StreamEvent, events_after, newest, position_of, position_text, wait_for_events
from ..store.supervision import process_loops
from .event_reader import EventFilter, EventReader, StreamedEvent
from .problems import RETRY_AFTER, Refusal

MAX_READERS: Final = 1000

WAKE_INTERVAL: Final = 0.02
"""Seconds between two reads: a storm of events wakes a reader 50 times a second, not thousands."""

WAKE_PAUSE: Final = 0.0001
"""More seconds for each reader that was woken, which takes 0.02 ms: a storm with a thousand readers leaves time for requests."""

WAKE_COUNT: Final = 50
"""Readers that are woken before other requests get their turn."""

READ_COUNT: Final = 200
"""Events of one read, and at most of one block: about 100 kB."""

WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Of the events that are kept for all readers: some 16,000."""

OWN_READS: Final = 8
"""Readers behind the window that read the store at a time; a thousand that come back at once must not take all connections."""

PING_INTERVAL: Final = 15.0
"""Seconds without an event after which a comment is sent; proxies cut silent connections after 30."""

SEND_TIMEOUT: Final = 30.0
"""Seconds that a reader may take to receive one block; then it is disconnected and may resume."""


class EventFollower:
    """Follows the stream while there are readers, however many there are."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        # Redis has to answer before the socket's own timeout, which would look like an outage.
        self._block = min(1.0, store.settings.redis_timeout / 2)
        self._tasks: list[asyncio.Task[None]] = []
        self._own_reads = asyncio.Semaphore(OWN_READS)
        self._readers: set[EventReader] = set()
        self._by_key: Counter[str] = Counter()
        self.closing = False
        self._forget()

    def _forget(self) -> None:
        self._start: Position | None = None
        self._end: Position = (0, 0)
        self._events: list[StreamedEvent] = []
        self._places: list[Position] = []
        self._bytes = 0
        self._away = False
        self._waiting: dict[EventFilter, set[EventReader]] = {}
        self._behind: set[EventReader] = set()

    def join(self, reader: EventReader, limit: int = 0) -> None:
        """Adds a reader, which calls :meth:`leave` at its end.

        Raises Refusal 503 above MAX_READERS, 429 above the ``limit`` of its key (0 for none).
        """
        if limit and self._by_key[reader.key] >= limit:
            detail = f"This key has {limit} event streams open already."
            raise Refusal(429, "limit_reached", detail, headers={"Retry-After": RETRY_AFTER}, limit="event_streams")
        if self.closing or len(self._readers) >= MAX_READERS:
            detail = f"{MAX_READERS} readers follow already; come again later."
            raise Refusal(503, "overloaded", detail, headers={"Retry-After": RETRY_AFTER})
        self._readers.add(reader)
        self._by_key[reader.key] += 1
        if not self._tasks:
            loops = {"events.follower": self._follow, "events.readers": self._look_after}
            self._tasks = [asyncio.create_task(process_loops.run_async(*loop)) for loop in loops.items()]

    def leave(self, reader: EventReader) -> None:
        """Takes a reader away; after the last one nothing is read any more."""
        self._readers.discard(reader)
        self._by_key[reader.key] -= 1
        if not self._by_key[reader.key]:
            del self._by_key[reader.key]
        if not self._readers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._forget()

    def close(self) -> None:
        """Ends all readers; each may resume at another process."""
        self.closing = True
        for reader in self._readers:
            reader.wake()

    def covers(self, position: Position) -> bool:
        """Whether everything after a place is in the window."""
        return self._start is not None and self._start <= position

    async def next_block(self, reader: EventReader) -> bytes:
        """Returns what the reader is to be sent next, and moves its position there; empty when it is to ask again.

        Waits while it has everything.
        """
        if self._start is None or (self._away and not self.covers(reader.position)):
            return await self._wait(reader, self._behind)
        if not self.covers(reader.position):
            return await self._own_block(reader, self._start)
        first = bisect_right(self._places, reader.position)
        if events := self._events[first : first + READ_COUNT]:
            return self._block_of(reader, events)
        readers = self._waiting.setdefault(reader.filter, set())
        try:
            return await self._wait(reader, readers)
        finally:
            if not readers and self._waiting.get(reader.filter) is readers:
                del self._waiting[reader.filter]

    async def _wait(self, reader: EventReader, readers: set[EventReader]) -> bytes:
        readers.add(reader)
        try:
            return await reader.wait()
        finally:
            readers.discard(reader)

    async def _own_block(self, reader: EventReader, start: Position) -> bytes:
        async with self._own_reads:
            if self._away:
                return b""
            try:
                rows = await self._store.call(events_after, position_text(reader.position), READ_COUNT)
            except StoreUnavailable:
                self._away = True
                return b""
        if rows:
            return self._block_of(reader, [StreamedEvent(row) for row in rows])
        # Nothing is left between its place and where the window began before this was read.
        reader.position = max(reader.position, start)
        return b""

    def _block_of(self, reader: EventReader, events: list[StreamedEvent]) -> bytes:
        reader.position = events[-1].position
        if block := reader.filter.block(events):
            return block
        silent = asyncio.get_running_loop().time() - reader.sent
        return reader.ping() if silent > PING_INTERVAL else b""

    async def _follow(self) -> float:
        rows: list[StreamEvent] = []
        try:
            if self._start is None:
                self._end = position_of(await self._store.call(newest))
                self._start = self._end
            else:
                rows = await self._store.call(wait_for_events, position_text(self._end), READ_COUNT, self._block)
        except StoreUnavailable:
            self._away = True
            raise
        self._away = False
        for reader in self._behind:
            reader.wake()
        try:
            woken = await self._hand_out([StreamedEvent(row) for row in rows]) if rows else 0
        except Exception:
            # These events are not read again: whoever was not reached looks for them in the window, and not after a comment.
            for reader in set[EventReader]().union(*self._waiting.values()):
                reader.wake()
            raise
        return WAKE_INTERVAL + WAKE_PAUSE * woken

    async def _hand_out(self, events: list[StreamedEvent]) -> int:
        """Keeps new events in the window and wakes the readers that wait for them; returns how many these are."""
        self._keep(events)
        first, last, woken = events[0].position, events[-1].position, 0
        for event_filter, readers in list(self._waiting.items()):
            block = event_filter.block(events)
            for reader in list(readers):
                # Those that came here meanwhile have seen the window.
                if not reader.is_waiting or reader.position >= last:
                    continue
                if reader.position >= first:
                    reader.wake()  # its place was read after these events had been; it takes the rest from the window
                    continue
                reader.position = last
                if not block:
                    continue
                reader.wake(block)
                woken += 1
                if woken % WAKE_COUNT == 0:
                    await asyncio.sleep(0)
        return woken

    def _keep(self, events: list[StreamedEvent]) -> None:
        self._events += events
        self._places += [event.position for event in events]
        self._end = self._places[-1]
        self._bytes += sum(len(event.block) for event in events)
        if self._bytes <= WINDOW_BYTES:
            return
        # Half of it at once: taking events from the front of a list moves all others.
        dropped = len(self._events) // 2
        self._start = self._places[dropped - 1]
        self._bytes -= sum(len(event.block) for event in self._events[:dropped])
        del self._events[:dropped], self._places[:dropped]

    async def _look_after(self) -> float:
        """Sends comments to readers without an event, and cuts those off that take too long for what they were sent."""
        now = asyncio.get_running_loop().time()
        for reader in self._readers:
            if reader.sending and now - reader.sending > SEND_TIMEOUT:
                reader.cut()
            elif reader.is_waiting and now - reader.sent > PING_INTERVAL:
                reader.wake(reader.ping())
        return 1.0
