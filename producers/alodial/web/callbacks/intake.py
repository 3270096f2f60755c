"""Keeps what AloVoice sends before it is answered: in Redis, or on disk while Redis is away, always in order."""

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from ...settings import Settings
from ...store.client import AsyncStore
from ...store.coalesce import Coalescer
from ...store.inbox import RawResult, drained, put, put_spooled
from ...wakeup import Waker
from .spool import Head, Spool, SpoolFull

PUT_TIMEOUT = 2.0
"""Seconds after which a silent Redis counts as away: AloVoice waits for its 200 meanwhile."""

GATHER = 0.003
"""Seconds between two writes under load: at 3,000 callbacks a second nine share a round trip, which costs as much as five
of them."""

WAITING_BYTES = 64 * 1024 * 1024
"""Bodies in memory that wait for Redis or the disk; above it the next ones are refused, and memory stays flat."""

TELL_EVERY = 10.0
"""Seconds between two log lines about a full spool: at thousands of refusals a second they would fill the disk too."""

log = structlog.get_logger("alodial.intake")


class Overloaded(Exception):
    """Nothing was kept: the caller shall come again."""


class CallbackIntake:
    """Stores raw bodies for many requests at once.

    One flush is under way at a time, so bodies reach Redis or the disk in the order in which they came. While anything
    waits on disk, new bodies go behind it.
    """

    def __init__(self, settings: Settings, store: AsyncStore, waker: Waker) -> None:
        self._store = store
        self._doorbell = waker
        self._batcher: Coalescer[RawResult, bool] = Coalescer(self._flush, pause=GATHER)
        self._held = 0
        self._told_full = -TELL_EVERY
        # A thread of its own: fsync must not wait behind threads that hang on Redis.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="alodial-spool")
        self._ringer = ThreadPoolExecutor(1, thread_name_prefix="alodial-doorbell")
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.spool = Spool(Path(settings.spool_dir), settings.spool_max_bytes)

    async def keep(self, item: RawResult) -> bool:
        """Kept in Redis or on disk when this returns; True when it went to the disk. Raises Overloaded."""
        size = len(item.body)
        if self._held + size > WAITING_BYTES:
            raise Overloaded("more callbacks wait than memory may hold")
        self._held += size
        try:
            return await self._batcher.submit(item)
        except SpoolFull as exc:
            raise Overloaded(str(exc)) from None
        finally:
            self._held -= size

    async def _flush(self, items: Sequence[RawResult]) -> list[bool]:
        if self.spool.unread == 0:
            try:
                async with asyncio.timeout(PUT_TIMEOUT):
                    ring = await self._store.call(put, items)
            except Exception as exc:  # whatever Redis has, the body is kept
                log.error("callback.spooled", error=type(exc).__name__, callbacks=len(items))
            else:
                if ring:
                    self._ringer.submit(self._doorbell.collect)
                return [False] * len(items)
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self.spool.append, items)
        except SpoolFull as exc:
            now = asyncio.get_running_loop().time()
            if now - self._told_full >= TELL_EVERY:
                self._told_full = now
                log.error("spool.overflowed", reason=str(exc))
            raise
        self._work.set()
        return [True] * len(items)

    def start(self) -> None:
        self._task = asyncio.create_task(self._drain())

    async def aclose(self) -> None:
        """Waits for nothing on disk: the next process adopts it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.get_running_loop().run_in_executor(self._disk, self.spool.close)
        self._disk.shutdown()
        self._ringer.shutdown(wait=False, cancel_futures=True)

    async def _drain(self) -> None:
        """Works off the disk, oldest first; looks now and then for what a dead process left."""
        wait, told = 0.1, False
        first = True
        while True:
            try:
                self._work.clear()  # before looking: what is written from here on wakes the wait below
                await self._on_disk_adopt(now=first)
                first = False
                count = 0
                while (head := await self._head()) is not None:
                    count += await self._move(head)
                    wait = 0.1
                if count:
                    log.info("spool.drained", callbacks=count)
                told = False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), 10)
            except Exception as exc:  # Redis is still away, or the disk is: tried again for ever
                if not told:
                    log.error("spool.drain_failed", error=type(exc).__name__, bytes=self.spool.unread)
                told = True
                await asyncio.sleep(wait)
                wait = min(wait * 2, 2.0)

    async def _on_disk_adopt(self, *, now: bool) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, lambda: self.spool.adopt(now=now))

    async def _head(self) -> Head | None:
        return await asyncio.get_running_loop().run_in_executor(self._disk, self.spool.head)

    async def _move(self, head: Head) -> int:
        """One piece from the disk into Redis. The mark in Redis tells whether an earlier try had arrived after all."""
        name = head.segment.name
        async with asyncio.timeout(PUT_TIMEOUT):
            there = await self._store.call(drained, name)
        if there < head.end:
            if there > head.segment.read:
                # A try with another cut had arrived: go on behind it.
                head = Head(head.segment, there, [])
            else:
                async with asyncio.timeout(PUT_TIMEOUT):
                    await self._store.call(put_spooled, name, head.end, head.items)
                self._ringer.submit(self._doorbell.collect)
        await asyncio.get_running_loop().run_in_executor(self._disk, self.spool.done, head)
        return len(head.items)
