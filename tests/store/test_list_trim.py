"""Lists of calls follow their calls: what Redis forgot leaves them, and a call of a far day holds nothing back."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from store_harness import ClockedStore

from alodial import CallFilter, CallQueue
from alodial.settings import Settings
from alodial.store.campaigns import forget_gone
from alodial.store.keys import Keys
from alodial.store.list_trim import tidy, trim_lists

keys = Keys()

DAY = 86_400_000
PHONE = "+998901200000"
CALL = {"callto": PHONE, "ivrid": 7, "fromline": "712037006", "reference": "same"}
LIST = keys.by_number(PHONE, initiator=False)


@pytest.fixture
def queue(settings: Settings) -> Iterator[CallQueue]:
    """A queue on a store whose clock the test sets, from now on."""
    store = ClockedStore(settings)
    store.begin(time.time_ns() // 1000)
    with CallQueue(settings=settings, store=store) as queue:
        yield queue


def after(queue: CallQueue, days: float) -> None:
    """Lets the scripts' clock be ``days`` later than the real one."""
    assert isinstance(queue.store, ClockedStore)
    queue.store.set_clock(time.time_ns() // 1000 + int(days * DAY) * 1000)


def place(queue: CallQueue, count: int = 1, *, in_days: int = 0) -> list[str]:
    more = {"not_before": (datetime.now(UTC) + timedelta(days=in_days)).isoformat()} if in_days else {}
    return [queue.enqueue(CALL | more).extid for _ in range(count)]


def forget(queue: CallQueue, extids: list[str]) -> None:
    """As Redis does when a record's time is over."""
    queue.store.redis.delete(*map(keys.record, extids))


def phoned(queue: CallQueue, limit: int = 200) -> list[str]:
    return [row.extid for row in queue.calls(CallFilter(phone=PHONE), limit=limit).calls]


def until_trimmed(queue: CallQueue) -> list[str]:
    """Calls until one of those that look at the end of their list was among them."""
    placed = place(queue)
    while int(placed[-1][-2:]) % 16:
        placed += place(queue)
    return placed


def old_ones(queue: CallQueue) -> set[str]:
    """The list of old calls. New ones get there too: the clock by which ids are made is behind the scripts' in these tests."""
    return {extid.decode() for extid in queue.store.redis.lrange(LIST + keys.OLD, 0, -1)}


def test_a_call_of_a_far_day_keeps_no_list_from_being_trimmed(queue: CallQueue) -> None:
    far = place(queue, in_days=365)
    gone = place(queue, 25)
    late = place(queue, in_days=300)
    gone += place(queue, 25)
    forget(queue, gone)
    after(queue, 31)
    placed = until_trimmed(queue)
    assert queue.store.redis.llen(LIST) + queue.store.redis.llen(LIST + keys.OLD) < 30 + len(placed)
    for _ in range(4):
        placed += until_trimmed(queue)
    left = queue.store.redis.lrange(LIST, 0, -1) + queue.store.redis.lrange(LIST + keys.OLD, 0, -1)
    # Newest first, across both lists.
    assert [extid.decode() for extid in left] == [*reversed(placed), *late, *far]
    assert phoned(queue) == [*reversed(placed), *late, *far]


def test_pages_go_on_when_a_call_has_moved_to_the_old_ones(queue: CallQueue) -> None:
    old = place(queue, 6, in_days=365)
    page = queue.calls(CallFilter(phone=PHONE), limit=2)
    assert [row.extid for row in page.calls] == [old[5], old[4]]
    after(queue, 31)
    until_trimmed(queue)
    assert set(old) <= old_ones(queue)
    rest = queue.calls(CallFilter(phone=PHONE), cursor=page.cursor, limit=10)
    assert [row.extid for row in rest.calls] == list(reversed(old[:4]))


def test_old_calls_leave_their_list_too_when_they_are_gone(queue: CallQueue) -> None:
    old = place(queue, 20, in_days=200)
    after(queue, 40)
    until_trimmed(queue)
    assert set(old) <= old_ones(queue)
    forget(queue, old[1:])
    until_trimmed(queue)
    assert old_ones(queue).intersection(old) == {old[0]}


def test_a_list_lives_as_long_as_the_calls_in_it_can(queue: CallQueue, settings: Settings) -> None:
    retention = int(settings.call_retention * 1000)
    (extid,) = place(queue)
    assert retention < queue.store.redis.pttl(LIST) <= retention + 33 * DAY
    place(queue, in_days=200)
    assert queue.store.redis.pttl(LIST) > retention + 199 * DAY
    for calls in (1, 2):  # one that comes alone may be stored in fewer steps
        queue.enqueue_many([CALL] * calls)
        assert queue.store.redis.pttl(LIST) > retention + 199 * DAY
    assert extid in phoned(queue)


def test_the_list_of_all_calls_loses_what_redis_forgot_and_nothing_else(queue: CallQueue, settings: Settings) -> None:
    extids = place(queue, 60)
    far = place(queue, in_days=365)
    forget(queue, extids[:40])
    assert trim_lists(queue.store, settings) == 0  # nobody can be gone before the retention is over
    queue.store.redis.delete(f"{keys.PREFIX}tidied")
    after(queue, 31)
    young = place(queue)
    queue.store.redis.pexpire(LIST, DAY)
    assert trim_lists(queue.store, settings) == 40
    assert queue.store.redis.xlen(keys.INDEX) == 22
    everything = [row.extid for row in queue.calls(limit=200).calls]
    assert everything == [*young, *far, *reversed(extids[40:])]
    # A call that has waited longer than any list lives stays in those that find it.
    assert queue.store.redis.pttl(LIST) > settings.call_retention * 1000
    # Those that are there are looked at again in an hour, and not before.
    forget(queue, extids[40:])
    assert trim_lists(queue.store, settings) == 0
    after(queue, 32)
    assert trim_lists(queue.store, settings) == 20


def test_a_long_list_is_run_through_bit_by_bit(queue: CallQueue) -> None:
    extids = place(queue, 50)
    forget(queue, extids)
    after(queue, 31)
    removed = [queue.store.run(tidy("index", 20, age_ms=30 * DAY)) for _ in range(4)]
    assert [step.removed for step in removed] == [20, 20, 10, 0]
    assert [step.through for step in removed] == [False, False, True, True]


def test_campaigns_that_are_still_there_keep_no_later_one_in_the_list(queue: CallQueue) -> None:
    client = queue.store.redis
    kept, gone = [f"k{n:03}" for n in range(25)], ["g1", "g2"]
    for place_in_list, id in enumerate([*kept, *gone]):
        client.zadd(keys.CAMPAIGNS, {id: place_in_list})
        client.lpush(keys.campaign_calls(id), "1")
    for id in kept:
        client.hset(keys.campaign(id), "s", "completed")
    steps = [forget_gone(client, keys, limit=10) for _ in range(3)]
    assert steps == [0, 0, 2]
    assert client.zrange(keys.CAMPAIGNS, 0, -1) == [id.encode() for id in kept]
    assert not client.exists(*map(keys.campaign_calls, gone))
    client.delete(keys.campaign(kept[0]))
    assert [forget_gone(client, keys, limit=10) for _ in range(3)] == [1, 0, 0], "and from the beginning again"
    client.delete(keys.campaign(kept[11]))
    assert sum(forget_gone(client, keys, limit=10) for _ in range(4)) == 1
