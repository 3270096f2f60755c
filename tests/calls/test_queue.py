"""Both queues offer the same operations; the asynchronous one opens a single thread-side store and closes it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alodial import AsyncCallQueue, CallFilter, CallQueue, InvalidCall, NotFound, QueuedCall, TwoWayCall
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
ROWS = [{"phone": "+998994412860"}, {"phone": "+998977076909"}, {"phone": "+998977076908"}]
CAMPAIGN = {"name": "Spring", "call": {"kind": "two-way", "callfrom": "712037006"}}


def _public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_queues_have_the_same_methods() -> None:
    assert _public(CallQueue) - {"close"} == _public(AsyncCallQueue) - {"aclose", "thread_store", "in_thread"}


@pytest.mark.parametrize("call", ["994412860", None, ["994412860"]])
def test_what_is_no_call_is_refused_with_an_example_of_a_call(settings: Settings, call: Any) -> None:
    with CallQueue(settings=settings) as queue, pytest.raises(InvalidCall) as refusal:
        queue.enqueue(call)
    assert str(refusal.value).startswith('the call: must be an object (give an object such as {"callfrom"')


@pytest.mark.parametrize("call", [CALL, {"callfrom": "712037006", "callto": ["994412860"]}, "994412860"])
def test_a_single_call_for_enqueue_many_is_an_error_and_not_taken_for_a_list(settings: Settings, call: Any) -> None:
    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            await queue.enqueue_many(call)

    with CallQueue(settings=settings) as queue, pytest.raises(TypeError, match="give a single call to enqueue"):
        queue.enqueue_many(call)
    with pytest.raises(TypeError, match="give a single call to enqueue"):
        asyncio.run(work())


@pytest.mark.parametrize("wanted", [{}, {"state": "completed"}, "completed"])
def test_calls_are_chosen_by_a_filter_and_a_mapping_is_an_error(settings: Settings, wanted: Any) -> None:
    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            for method in (queue.calls, queue.count, queue.cancel_all, queue.redial_all):
                with pytest.raises(TypeError, match="such as CallFilter"):
                    await method(wanted)

    asyncio.run(work())
    with CallQueue(settings=settings) as queue:
        for method in (queue.calls, queue.count, queue.cancel_all, queue.redial_all):
            with pytest.raises(TypeError, match="such as CallFilter"):
                method(wanted)
        for act in (queue.cancel_all, queue.redial_all):  # all calls would be too many to be meant by nothing
            with pytest.raises(TypeError, match="such as CallFilter"):
                act(None)  # type: ignore[arg-type]


def test_an_extid_enqueued_as_a_number_is_looked_up_as_a_number(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        call = queue.enqueue({"callfrom": "712037006", "callto": ["994412860"], "extid": 190019})
        assert queue.get(190019).id == call.id  # type: ignore[arg-type]


def test_settings_in_the_place_of_the_address_are_an_error_that_says_how_to_give_them(settings: Settings) -> None:
    with pytest.raises(TypeError, match=r"name them: settings=Settings\(\.\.\.\)"):
        CallQueue(settings)  # type: ignore[arg-type]


def test_an_event_reaches_each_group_and_is_acknowledged_when_the_next_is_asked_for(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        calls = [queue.enqueue(CALL) for _ in range(3)]
        reading = queue.events("billing", block=0)
        assert next(reading).subject == calls[0].id
        reading.close()  # type: ignore[attr-defined]  # it is a generator
        others = [event.subject for event in queue.events("shipping", block=0)]
        assert others == [call.id for call in calls]
        assert queue.store.redis.xpending("alodial:events", "billing")["pending"] == 3
        assert list(queue.events("billing", block=0.01)) == []


def test_the_asynchronous_queue_delivers_events_and_ends_when_none_comes(settings: Settings) -> None:
    async def work() -> tuple[list[str], list[str]]:
        async with AsyncCallQueue(settings=settings) as queue:
            calls = [await queue.enqueue(CALL) for _ in range(3)]
            seen = [event.subject async for event in queue.events("billing", block=0.2)]
            assert [event async for event in queue.events("billing", block=0)] == []
            return [call.id for call in calls], seen

    wanted, seen = asyncio.run(work())
    assert seen == wanted


def test_bulk_actions_are_limited_and_say_that_there_is_more(settings: Settings) -> None:
    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            await queue.enqueue_many([CALL] * 5)
            first = await queue.cancel_all(CallFilter(state="queued"), limit=2)
            assert (first.done, first.more) == (2, True)
            rest = await queue.cancel_all(CallFilter(state="queued"))
            assert (rest.done, rest.more) == (3, False)
            again = await queue.redial_all(CallFilter(state="canceled"), actor="Aziza", limit=4)
            assert (again.done, again.more) == (4, True)

    asyncio.run(work())


def test_campaigns_lists_and_endpoints_are_awaited_and_share_one_thread_store(settings: Settings) -> None:
    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            campaign = await queue.submit_campaign(ROWS, CAMPAIGN)
            assert (await queue.campaigns.get(campaign.id)).id == campaign.id
            assert [row.id for row in (await queue.campaigns.list()).campaigns] == [campaign.id]
            assert len([row async for row in queue.campaigns.rows(campaign.id)]) == len(ROWS)
            with pytest.raises(NotFound):
                await queue.campaigns.pause("nowhere", actor="Aziza")
            assert await queue.dnc.add(["994412860"], actor="Aziza") == 1
            assert await queue.dnc.add("977076909") == 1
            assert await queue.dnc.remove("977076909") == 1
            assert [entry.number async for entry in queue.dnc.every()] == ["+998994412860"]
            assert await queue.endpoints.list() == []
            stores = {id(getattr(s.blocking, "_store", None)) for s in (queue.dnc, queue.endpoints)}
            assert stores == {id(queue.thread_store)}

    asyncio.run(work())


def test_blocking_work_runs_outside_the_event_loop_and_the_store_is_closed_with_the_queue(settings: Settings) -> None:
    closed: list[str] = []

    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            thread = await queue.in_thread(lambda _store: threading.get_ident())
            assert thread != threading.get_ident()
            close = queue.thread_store.close

            def noted() -> None:
                closed.append("closed")
                close()

            queue.thread_store.close = noted  # type: ignore[method-assign]  # to see it
        assert closed == ["closed"]

    asyncio.run(work())


def test_a_queue_that_needs_no_threads_opens_no_thread_store(settings: Settings) -> None:
    async def work() -> dict[str, Any]:
        async with AsyncCallQueue(settings=settings) as queue:
            await queue.get((await queue.enqueue(CALL)).id)
            await queue.resume()
            return queue.__dict__

    assert "thread_store" not in asyncio.run(work())


def test_many_calls_are_stored_once_and_in_order_though_connections_break_between_chunks(
    redis_server: EmbeddedRedis, settings: Settings
) -> None:
    def calls() -> Iterator[TwoWayCall]:
        with redis_server.client() as client:
            for number in range(2_000):
                # Within a chunk and at its border: an answer under way is lost, or the next chunk cannot be sent.
                if number in (0, 300, 750, 751, 1_250):
                    client.client_kill_filter(_type="normal", skipme=True)
                yield TwoWayCall(callfrom="712037006", callto=["994412860"], reference=f"order-{number}")

    with CallQueue(settings=settings) as queue:
        rows = queue.enqueue_many(calls())
        stored = [queue.get(row.id) for row in rows[::250] if isinstance(row, QueuedCall)]
        assert [record.reference for record in stored] == [f"order-{number}" for number in range(0, 2_000, 250)]
        assert len({row.id for row in rows if isinstance(row, QueuedCall)}) == 2_000
        assert queue.count(limit=5_000).number == 2_000


def test_a_group_of_readers_without_a_name_is_refused(queue: CallQueue) -> None:
    with pytest.raises(InvalidCall, match="group: is missing"):
        next(queue.events(group=""))
