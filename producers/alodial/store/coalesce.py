"""Gathers what many coroutines ask at the same time into one round trip.

While one flush is under way the next items gather, so a batch is as large as the load makes it and a lone item waits
for nobody: no timer, no tuning.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ..errors import StoreUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Coalescer(Generic[Item, Answer]):
    """``flush`` gets at most ``most`` items and returns their answers in order; its error goes to each of them.

    With ``apart``, for a flush that may be run twice, an error that is not the store's absence makes each item run
    alone, so that one which breaks the flush does not take the others with it. ``pause`` is how many seconds are left
    between two flushes under load, so that more go together; a lone item does not wait for it.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int = 256,
        apart: bool = False,
        pause: float = 0,
    ) -> None:
        self._flush = flush
        self._most = limit
        self._apart = apart
        self._pause = pause
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """The item's answer. Raises what ``flush`` raised."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._run(batch)
                if self._pause and self._waiting:
                    await asyncio.sleep(self._pause)
        finally:
            self._task = None

    async def _run(self, batch: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._flush([item for item, _ in batch])
            if len(answers) != len(batch):
                raise ValueError(f"{len(batch)} items got {len(answers)} answers")
        except BaseException as exc:
            if self._apart and len(batch) > 1 and isinstance(exc, Exception) and not isinstance(exc, StoreUnavailable):
                for one in batch:
                    await self._run([one])
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
