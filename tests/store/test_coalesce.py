"""Many coroutines submit at once, one round trip answers, and each gets its own answer or its own error."""

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


def test_items_submitted_while_a_flush_is_under_way_go_together_in_the_next() -> None:
    async def work() -> None:
        flush = Flush()
        batcher = Coalescer(flush, limit=4)
        flush.gate.clear()
        first = asyncio.create_task(batcher.submit(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [asyncio.create_task(batcher.submit(n)) for n in range(1, 8)]
        await asyncio.sleep(0)
        flush.gate.set()
        assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10, 12, 14]
        assert flush.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]

    asyncio.run(work())


@pytest.mark.parametrize("isolate", [False, True])
def test_an_item_that_breaks_the_flush_fails_the_others_only_where_they_cannot_run_alone(isolate: bool) -> None:
    async def work() -> None:
        batcher = Coalescer(Flush(), isolate=isolate)
        answers = await asyncio.gather(*(batcher.submit(n) for n in (1, -1, 2)), return_exceptions=True)
        assert [isinstance(answer, ValueError) for answer in answers] == [not isolate, True, not isolate]
        assert await batcher.submit(5) == 10

    asyncio.run(work())


def test_a_store_that_is_away_is_not_tried_for_each_item_alone() -> None:
    async def work() -> None:
        flush = Flush()
        flush.away = True
        batcher = Coalescer(flush, isolate=True)
        answers = await asyncio.gather(*(batcher.submit(n) for n in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
        assert len(flush.batches) == 1

    asyncio.run(work())


def test_a_cancelled_submit_does_not_disturb_the_others() -> None:
    async def work() -> None:
        flush = Flush()
        flush.gate.clear()
        batcher = Coalescer(flush)
        tasks = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        flush.gate.set()
        assert (await tasks[0], await tasks[2]) == (0, 4)

    asyncio.run(work())


def test_a_flush_that_answers_too_little_is_an_error_for_all_and_leaves_none_waiting() -> None:
    async def short(items: Sequence[int]) -> Sequence[int]:
        return list(items[1:])

    async def work() -> None:
        batcher = Coalescer(short)
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError] * 3

    asyncio.run(work())


def test_a_flush_that_is_cancelled_leaves_nobody_waiting_and_the_next_one_works() -> None:
    async def work() -> None:
        flush = Flush()
        flush.gate.clear()
        batcher = Coalescer(flush)
        waiting = [asyncio.create_task(batcher.submit(n)) for n in range(2)]
        while not flush.batches:
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task(), *waiting}:
            task.cancel()
        async with asyncio.timeout(15):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2
        flush.gate.set()
        assert await batcher.submit(3) == 6

    asyncio.run(work())


def test_a_burst_goes_as_soon_as_its_last_item_has_come_and_the_next_burst_gathers_anew() -> None:
    async def work() -> None:
        flush = Flush()
        batcher = Coalescer(flush, gather=60, complete=lambda waiting: waiting == 3)
        for _ in range(2):
            async with asyncio.timeout(15):
                assert await asyncio.gather(*(batcher.submit(n) for n in range(3))) == [0, 2, 4]
        single = asyncio.create_task(batcher.submit(5))
        await asyncio.sleep(0.05)
        assert flush.batches == [[0, 1, 2], [0, 1, 2]], "one item of three waits for the others"
        single.cancel()

    asyncio.run(work())
