"""Keeps callbacks before they are answered: in Redis, or on disk while Redis is away, always in order of arrival."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from ...errors import StoreUnavailable
from ...settings import Settings
from ...store.client import AsyncStore
from ...store.coalesce import Coalescer
from ...store.inbox import RawResult, confirm_spooled, drained, put, put_spooled
from ...store.refused_callbacks import count_refused
from ...store.supervision import process_loops
from ...wakeup import Waker
from .spool import ADOPT_EVERY, Head, Spool, SpoolFull, unwritable

PUT_TIMEOUT = 2.0
"""Seconds after which a silent Redis counts as away: AloVoice waits for its 200 meanwhile."""

WRITE_INTERVAL = 0.003
"""Seconds between two writes under load: at 3,000 callbacks a second, nine share a round trip that costs as much as five
of them."""

WAITING_BYTES = 64 * 1024 * 1024
"""Bodies in memory that wait for Redis or the disk; above it new bodies are refused, so that memory stays flat."""

REFUSED_INTERVAL = 1.0
"""Seconds between two counts of refused callbacks: a scanner costs Redis no more than that."""

CHECK_EVERY = 60.0
"""Seconds between two checks whether the spool's folder can be written."""

FULL_LOG_INTERVAL = 10.0
"""Seconds between two log lines about a full spool: at thousands of refusals a second they would fill the disk too."""

log = structlog.get_logger("alodial.intake")

T = TypeVar("T")


class Overloaded(Exception):
    """Nothing was kept; the sender must send it again."""


class CallbackIntake:
    """Stores the raw bodies of many requests at once.

    One flush is under way at a time, so bodies reach Redis or the disk in the order of their arrival. While any body is
    on disk, new ones go to the disk behind it.
    """

    def __init__(self, settings: Settings, store: AsyncStore, waker: Waker) -> None:
        self._store = store
        self._waker = waker
        self._coalescer: Coalescer[RawResult, bool] = Coalescer(self._flush, pause=WRITE_INTERVAL)
        self._waiting_bytes = 0
        self._full_logged_at = -FULL_LOG_INTERVAL
        # A thread of its own: fsync must not wait behind threads that hang on Redis.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="alodial-spool")
        self._wake_thread = ThreadPoolExecutor(1, thread_name_prefix="alodial-wakeup")
        self._appended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._folder = settings.spool_folder
        self.spool = Spool(self._folder, settings.spool_max_bytes)
        self.spool_problem = ""
        self._refused: dict[str, int] = {}
        self._counting: asyncio.Task[None] | None = None

    def count_refused(self, reason: str) -> None:
        """Counts a callback that was refused because of its address, in the store within a moment."""
        self._refused[reason] = self._refused.get(reason, 0) + 1
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._store_refused())

    async def _store_refused(self) -> None:
        while self._refused:
            refused, self._refused = self._refused, {}
            try:
                async with asyncio.timeout(PUT_TIMEOUT):
                    await self._store.call(count_refused, refused)
            except Exception as exc:  # while Redis is away everything else says so
                log.debug("callback.refusals_uncounted", error=type(exc).__name__)
            await asyncio.sleep(REFUSED_INTERVAL)

    async def keep(self, item: RawResult) -> bool:
        """Keeps one body in Redis, or on disk and returns True. Raises Overloaded when neither takes it."""
        size = len(item.body)
        if self._waiting_bytes + size > WAITING_BYTES:
            raise Overloaded("more callbacks wait than memory may hold")
        self._waiting_bytes += size
        try:
            return await self._coalescer.submit(item)
        except SpoolFull as exc:
            raise Overloaded(str(exc)) from None
        finally:
            self._waiting_bytes -= size

    async def _flush(self, items: Sequence[RawResult]) -> list[bool]:
        if self.spool.unread == 0:
            try:
                async with asyncio.timeout(PUT_TIMEOUT):
                    wake = await self._store.call(put, items, self._store.confirmation)
            except Exception as exc:  # whatever Redis has, the body is kept
                log.error("callback.spooled", error=type(exc).__name__, callbacks=len(items))
            else:
                if wake:
                    self._wake_thread.submit(self._waker.collect)
                return [False] * len(items)
        try:
            await self._on_disk(self.spool.append, items)
        except SpoolFull as exc:
            now = asyncio.get_running_loop().time()
            if now - self._full_logged_at >= FULL_LOG_INTERVAL:
                self._full_logged_at = now
                log.error("spool.overflowed", reason=str(exc))
            raise
        self._appended.set()
        return [True] * len(items)

    def start(self) -> None:
        """Starts to move bodies from the disk into Redis."""
        self._task = asyncio.create_task(self._drain())

    async def aclose(self) -> None:
        """Stops and leaves what is on disk: the next process adopts it."""
        if self._counting is not None:
            self._counting.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._on_disk(self.spool.close)
        self._disk.shutdown()
        self._wake_thread.shutdown(wait=False, cancel_futures=True)

    async def _drain(self) -> None:
        """Moves bodies from the disk into Redis, oldest first, for ever; adopts the segments of dead processes."""
        wait, logged = 0.1, False
        first, checked = True, 0.0
        while True:
            try:
                self._appended.clear()  # first, so that a body appended from here on ends the wait below
                await self._on_disk(functools.partial(self.spool.adopt, now=first))
                if first or time.monotonic() - checked > CHECK_EVERY:
                    checked = time.monotonic()
                    await self._check_folder()
                first = False
                count = 0
                while (head := await self._on_disk(self.spool.head)) is not None:
                    count += await self._move(head)
                    wait = 0.1
                if count:
                    log.info("spool.drained", callbacks=count)
                logged = False
                process_loops.succeeded("spool.drain")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._appended.wait(), ADOPT_EVERY)
            except Exception as exc:  # Redis or the disk is still away
                if not logged:
                    log.error("spool.drain_failed", error=type(exc).__name__, bytes=self.spool.unread)
                logged = True
                if isinstance(exc, StoreUnavailable | TimeoutError):
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, 2.0)
                else:  # no outage of Redis: somebody must see it
                    await asyncio.sleep(process_loops.failed("spool.drain", exc))

    async def _check_folder(self) -> None:
        """Finds out whether callbacks could be kept on disk, before Redis is away; logs it when that changes."""
        problem = await self._on_disk(functools.partial(unwritable, self._folder, make=True))
        if problem and not self.spool_problem:
            hint = "make ALODIAL_SPOOL_DIR a folder that this user may write"
            log.error("spool.not_writable", problem=problem, hint=hint)
        elif self.spool_problem and not problem:
            log.info("spool.writable")
        self.spool_problem = problem

    async def _on_disk(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *args)

    async def _move(self, head: Head) -> int:
        """Moves the bodies of one head into Redis and returns how many. Redis keeps the position up to which a segment
        was stored, which shows whether an earlier attempt without an answer was stored after all."""
        name = head.segment.name
        async with asyncio.timeout(PUT_TIMEOUT):
            position = await self._store.call(drained, name)
        if position < head.end:
            if position > head.segment.read:
                # An earlier attempt stored a part of this head: go on behind that part.
                head = Head(head.segment, position, [])
            else:
                async with asyncio.timeout(PUT_TIMEOUT):
                    await self._store.call(put_spooled, name, head.end, head.items)
                self._wake_thread.submit(self._waker.collect)
        if (wait := self._store.confirmation) is not None:
            async with asyncio.timeout(PUT_TIMEOUT):
                await self._store.call(confirm_spooled, name, wait)
        await self._on_disk(self.spool.done, head)
        return len(head.items)
