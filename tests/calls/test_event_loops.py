"""One AsyncCallQueue serves several event loops: after one another, of several threads at once, and each call is stored once."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis.asyncio as aioredis

from alodial import AsyncCallQueue, CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store.connect import connect_async

LOOPS = 8


def _call(extid: int) -> TwoWayCall:
    return TwoWayCall(callfrom="712037006", callto=["994412860"], extid=str(extid))


def _stored(settings: Settings) -> int:
    with CallQueue(settings=settings) as queue:
        return queue.count().number


@pytest.mark.timeout(20)
def test_loops_one_after_another_store_each_call_once(settings: Settings) -> None:
    queue = AsyncCallQueue(settings=settings)
    for number in range(1, LOOPS + 1):
        assert asyncio.run(
            queue.enqueue({"callfrom": {"phone": "712037006"}, "callto": [{"phone": "994412860"}]})
        ).created
        assert _stored(settings) == number


@pytest.mark.timeout(20)
def test_loops_of_several_threads_store_each_call_once(settings: Settings) -> None:
    queue = AsyncCallQueue(settings=settings)
    ready = threading.Barrier(LOOPS)

    async def place(thread: int) -> int:
        await asyncio.to_thread(ready.wait)
        rows = await asyncio.gather(*(queue.enqueue(_call(1 + thread * 100 + i)) for i in range(20)))
        return sum(row.created for row in rows)

    with ThreadPoolExecutor(LOOPS) as pool:
        created = list(pool.map(lambda thread: asyncio.run(place(thread)), range(LOOPS)))
    assert created == [20] * LOOPS
    assert _stored(settings) == 20 * LOOPS


@pytest.mark.timeout(20)
def test_a_loop_that_is_entered_again_and_again_keeps_its_connections(settings: Settings) -> None:
    """As a framework's own ``async_to_sync`` with a loop that it keeps, beside loops that it throws away."""
    queue = AsyncCallQueue(settings=settings)
    kept = asyncio.new_event_loop()
    try:
        before = kept.run_until_complete(_clients(queue))
        for number in range(1, 4):
            kept.run_until_complete(queue.enqueue(_call(number)))
            asyncio.run(queue.enqueue(_call(100 + number)))
        assert kept.run_until_complete(_clients(queue)) == before + 2  # for scripts, and to wake the workers
    finally:
        kept.run_until_complete(kept.shutdown_asyncgens())
        kept.close()
    assert _stored(settings) == 6


async def _clients(queue: AsyncCallQueue) -> int:
    listed: Any = await queue.store.redis.client_list()
    return len(listed)


@pytest.mark.timeout(20)
def test_a_loop_that_was_closed_without_its_generators_leaves_no_open_connection(settings: Settings) -> None:
    queue = AsyncCallQueue(settings=settings)
    for number in range(1, 4):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(queue.enqueue(_call(number)))
        loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loop's owner left its transports open: Python says so
        asyncio.run(queue.get("1"))
        del loop
        gc.collect()
    assert len(queue.store._clients._by_loop) <= 1


@pytest.mark.timeout(20)
def test_closing_the_queue_closes_the_connections_of_loops_that_still_run(settings: Settings) -> None:
    queue = AsyncCallQueue(settings=settings)
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()

    def on_other(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, other).result(5)

    async def connections() -> tuple[int, "aioredis.Redis"]:
        client = queue.store.redis
        return len(_connections(client)), client

    try:
        on_other(queue.enqueue(_call(1)))
        before, client = on_other(connections())
        asyncio.run(queue.aclose())
        assert before >= 1
        assert on_other(_disconnected(client))
        assert on_other(queue.enqueue(_call(2))).created  # a closed queue opens again, as it always did
    finally:
        on_other(queue.aclose())
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()


def _connections(client: "aioredis.Redis") -> list[Any]:
    pool = client.connection_pool
    return [*pool._available_connections, *pool._in_use_connections]


async def _disconnected(client: "aioredis.Redis") -> bool:
    for _ in range(100):
        if not any(connection.is_connected for connection in _connections(client)):
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.timeout(20)
def test_a_client_that_a_test_brings_is_used_as_it_is(settings: Settings) -> None:
    async def work() -> bool:
        from alodial.store.client import AsyncStore  # noqa: PLC0415  # for this test alone

        mine = connect_async(settings.redis_url.get_secret_value())
        store = AsyncStore(settings, client=mine)
        try:
            return store.redis is mine
        finally:
            await store.aclose()

    assert asyncio.run(work())
