"""Gathers the requests of many coroutines into one round trip.

While one flush is under way the next items gather, so that a batch is as large as the load makes it and a single item
does not wait: no timer, no tuning.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ..errors import StoreUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Coalescer(Generic[Item, Answer]):
    """``flush`` gets at most ``limit`` items and returns their answers in order; its error goes to each of them.

    ``isolate``, for a flush that may be run twice: after an error other than StoreUnavailable each item runs alone, so
    that an item which breaks the flush does not fail the others. ``pause`` is in seconds between two flushes under
    load, so that more go together; a single item does not wait for it. ``gather`` is in seconds before the first flush of
    a burst, unless ``complete`` says of the number of items that wait that no other is to come.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int = 256,
        isolate: bool = False,
        pause: float = 0,
        gather: float = 0,
        complete: Callable[[int], bool] = lambda _waiting: False,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._isolate = isolate
        self._pause = pause
        self._gather = gather
        self._complete = complete
        self._gathered = asyncio.Event()
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """Returns the item's answer. Raises what ``flush`` raised."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        if self._gather and self._complete(len(self._waiting)):
            self._gathered.set()
        return await future

    async def _work(self) -> None:
        try:
            if self._gather:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._gather):
                        await self._gathered.wait()
            while self._waiting:
                batch = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                await self._run(batch)
                if self._pause and self._waiting:
                    await asyncio.sleep(self._pause)
        finally:
            self._task = None
            self._gathered.clear()

    async def _run(self, batch: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._flush([item for item, _ in batch])
            if len(answers) != len(batch):
                raise ValueError(f"{len(batch)} items got {len(answers)} answers")
        except BaseException as exc:
            if (
                self._isolate
                and len(batch) > 1
                and isinstance(exc, Exception)
                and not isinstance(exc, StoreUnavailable)
            ):
                for entry in batch:
                    await self._run([entry])
                return
            for _, future in batch:
                if not future.done():
                    if isinstance(exc, Exception):
                        future.set_exception(exc)
                    else:
                        future.cancel()
            if not isinstance(exc, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
