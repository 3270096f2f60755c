"""Many ask at once, one round trip answers, and each gets its own answer or its own error."""

import asyncio
from collections.abc import Sequence

import pytest

from alodial.errors import StoreUnavailable
from alodial.store.coalesce import Coalescer


class Flush:
    """Doubles numbers; a negative one breaks the flush, and so does a store that is away."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable("away")
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [item * 2 for item in items]


def test_what_is_asked_while_a_flush_is_under_way_goes_together_in_the_next() -> None:
    async def work() -> None:
        flush = Flush()
        batcher = Coalescer(flush, limit=4)
        flush.gate.clear()
        first = asyncio.create_task(batcher.ask(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [asyncio.create_task(batcher.ask(n)) for n in range(1, 8)]
        await asyncio.sleep(0)
        flush.gate.set()
        assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10, 12, 14]
        assert flush.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]

    asyncio.run(work())


@pytest.mark.parametrize("apart", [False, True])
def test_one_item_that_breaks_the_flush_takes_the_others_along_only_where_they_cannot_run_alone(apart: bool) -> None:
    async def work() -> None:
        batcher = Coalescer(Flush(), apart=apart)
        said = await asyncio.gather(*(batcher.ask(n) for n in (1, -1, 2)), return_exceptions=True)
        assert [isinstance(answer, ValueError) for answer in said] == [not apart, True, not apart]
        assert await batcher.ask(5) == 10

    asyncio.run(work())


def test_a_store_that_is_away_is_not_asked_for_each_item_alone() -> None:
    async def work() -> None:
        flush = Flush()
        flush.away = True
        batcher = Coalescer(flush, apart=True)
        said = await asyncio.gather(*(batcher.ask(n) for n in range(5)), return_exceptions=True)
        assert [type(answer) for answer in said] == [StoreUnavailable] * 5
        assert len(flush.batches) == 1

    asyncio.run(work())


def test_an_item_whose_asker_has_gone_disturbs_nobody() -> None:
    async def work() -> None:
        flush = Flush()
        flush.gate.clear()
        batcher = Coalescer(flush)
        tasks = [asyncio.create_task(batcher.ask(n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        flush.gate.set()
        assert (await tasks[0], await tasks[2]) == (0, 4)

    asyncio.run(work())


def test_a_flush_that_answers_too_little_is_an_error_for_all_and_leaves_nobody_waiting() -> None:
    async def short(items: Sequence[int]) -> Sequence[int]:
        return list(items[1:])

    async def work() -> None:
        batcher = Coalescer(short)
        async with asyncio.timeout(5):
            said = await asyncio.gather(*(batcher.ask(n) for n in range(3)), return_exceptions=True)
        assert [type(answer) for answer in said] == [ValueError] * 3

    asyncio.run(work())
