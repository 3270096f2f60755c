"""Events are read from a place on, without an end where that is wanted, and a group gives its members up cleanly."""

import asyncio
import threading

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import events
from alodial.store.client import AsyncStore, Store
from alodial.store.events import BATCH, EVENT_BYTES
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

CALL = {"callfrom": "712037006", "callto": ["994412860"]}


def test_more_events_than_a_batch_are_read_in_order_and_reading_ends(store: Store) -> None:
    expected = [str(n) for n in range(BATCH + 3)]
    with store.redis.pipeline() as pipe:
        for event in expected:
            pipe.xadd(keys.EVENTS, {"event": event})
        pipe.execute()
    assert list(events.read_events(store, "0", follow=False)) == expected


def test_following_from_now_on_gives_later_events_only(queue: CallQueue) -> None:
    queue.enqueue(CALL)
    seen: list[str] = []
    entered = threading.Event()

    def follow() -> None:
        entered.set()
        for event in events.read_events(queue.store, "now", follow=True):
            seen.append(event)
            return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert entered.wait(15)
    later = []
    while follower.is_alive() and len(later) < 300:  # the first ones may come before the follower knows its place
        later.append(queue.enqueue(CALL).id)
        follower.join(0.05)
    assert any(id in seen[0] for id in later)


def test_a_reader_leaves_its_group_unless_others_still_need_what_it_took(store: Store) -> None:
    store.call(events.create_group, "shipping", "0")
    store.redis.xadd(keys.EVENTS, {"event": "{}"})
    assert len(store.call(events.read_group, "shipping", "busy", 0.01)) == 1
    assert store.call(events.read_group, "shipping", "idle", 0.01) == []
    for reader in ("busy", "idle"):
        store.call(events.leave_group, "shipping", reader)
    rows = store.redis.xinfo_consumers(keys.EVENTS, "shipping")
    assert [row["name"] for row in rows] == [b"busy"]  # type: ignore[union-attr]  # a blocking client's


def test_in_an_event_loop_a_reader_leaves_its_group_in_the_same_way(settings: Settings) -> None:
    async def work() -> None:
        own = AsyncStore(settings)
        await own.call(events.create_group_async, "shipping", "0")
        await own.redis.xadd(keys.EVENTS, {"event": "{}"})
        assert len(await own.call(events.read_group_async, "shipping", "busy", 0.01)) == 1
        assert await own.call(events.read_group_async, "shipping", "idle", 0.01) == []
        for reader in ("busy", "idle"):
            await own.call(events.leave_group_async, "shipping", reader)
        assert [row["name"] for row in await own.redis.xinfo_consumers(keys.EVENTS, "shipping")] == [b"busy"]
        await own.aclose()

    asyncio.run(work())


def test_a_place_before_the_oldest_event_is_lost_and_one_in_an_empty_stream_is_not(settings: Settings) -> None:
    async def work() -> None:
        own = AsyncStore(settings)
        assert await own.call(events.lost_after, "5-0") == ""
        await own.redis.xadd(keys.EVENTS, {"event": "{}"}, id="7-0")
        assert await own.call(events.lost_after, "5-0") == "7-0"
        assert await own.call(events.lost_after, "7") == ""
        assert await own.call(events.lost_after, "9-0") == ""
        await own.aclose()

    asyncio.run(work())


def test_where_memory_may_not_be_asked_for_the_stream_is_kept_by_the_usual_size_of_an_event(
    settings: Settings, redis_server: EmbeddedRedis, store: Store
) -> None:
    store.redis.xadd(keys.EVENTS, {"event": "{}" * 400})
    measured = store.call(events.length_within, 10_000_000)
    store.redis.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-memory")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    try:
        url = type(settings.redis_url)(f"redis://app:secret@127.0.0.1:{redis_server.port}/0")
        limited = Store(settings.model_copy(update={"redis_url": url}))
        assert limited.call(events.length_within, 10_000_000) == 10_000_000 // EVENT_BYTES != measured
        limited.close()
    finally:
        store.redis.execute_command("ACL", "DELUSER", "app")  # type: ignore[no-untyped-call]  # as above
