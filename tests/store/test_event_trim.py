"""The event stream: shortened to what is kept, never silently past what a group has not read."""

import time

import pytest

from alodial.store import events
from alodial.store.client import Store
from alodial.store.events import trim
from alodial.store.keys import Keys

keys = Keys()

DAY = 86_400_000
WEEK = 7 * 86_400.0


def fill(store: Store, count: int, *, age_ms: int = 0) -> None:
    """Appends events that were written ``age_ms`` ago, one a millisecond."""
    first = int(time.time() * 1000) - age_ms - count
    with store.redis.pipeline(transaction=False) as pipe:
        for n in range(count):
            pipe.xadd(keys.EVENTS, {"event": f'{{"id":"{n}"}}' + "x" * 400}, id=f"{first + n}-0")
        pipe.execute()


def group(store: Store, name: str, reads: int, *, acknowledges: int = 0) -> None:
    """A group of readers from the oldest event on that took ``reads`` events and acknowledged the first of them."""
    events.create_group(store.redis, keys, name, "0")
    if reads:
        rows = store.redis.xreadgroup(name, "reader", {keys.EVENTS: ">"}, count=reads)
        for position, _ in rows[0][1][:acknowledges]:  # type: ignore[index]
            store.redis.xack(keys.EVENTS, name, position)


def length(store: Store) -> int:
    return int(store.redis.xlen(keys.EVENTS))


def test_without_an_unread_group_the_stream_is_as_long_as_what_is_kept(store: Store) -> None:
    fill(store, 1000)
    group(store, "billing", 1000, acknowledges=1000)
    trimmed = store.run(trim(150))
    assert (trimmed.removed, trimmed.held, trimmed.dropped) == (850, False, 0)
    assert length(store) == 150
    assert store.run(trim(150)).removed == 0


def test_a_step_bounds_what_one_run_removes(store: Store) -> None:
    fill(store, 2000)
    assert 0 < store.run(trim(100, step=500)).removed <= 500
    while store.run(trim(100, step=500)).removed:
        pass
    assert length(store) == 100


@pytest.mark.parametrize(("reads", "acknowledges"), [(0, 0), (300, 0), (300, 120)])
def test_what_a_group_has_not_acknowledged_is_kept_however_much_it_is(
    store: Store, reads: int, acknowledges: int
) -> None:
    fill(store, 1000)
    group(store, "quick", 1000, acknowledges=1000)
    group(store, "slow", reads, acknowledges=acknowledges)
    trimmed = store.run(trim(100, max_age=WEEK, max_length=5000))
    assert (trimmed.held, trimmed.dropped, trimmed.groups) == (True, 0, ["slow"])
    assert length(store) == 1000 - acknowledges
    unread = events.read_unread(store.redis, keys, int(time.time() * 1000))
    assert unread is not None
    assert (unread.group, unread.count, unread.max_count) == ("slow", 1000 - acknowledges, 5000)


def test_unread_events_that_are_too_old_are_dropped_counted_and_their_group_is_named(store: Store) -> None:
    fill(store, 300, age_ms=8 * DAY)
    fill(store, 700)
    group(store, "dead", 0)
    group(store, "quick", 1000, acknowledges=1000)
    dropped = 0
    while (trimmed := store.run(trim(100, max_age=WEEK))).dropped:
        assert trimmed.groups == ["dead"]
        dropped += trimmed.dropped
    assert dropped == 300
    assert length(store) == 700
    assert store.redis.get(keys.EVENTS_LOST) == b"300"
    rows = store.redis.xreadgroup("dead", "reader", {keys.EVENTS: ">"}, count=1000)
    assert len(rows[0][1]) == 700  # type: ignore[index]


def test_unread_events_above_the_bound_of_memory_are_dropped_oldest_first(store: Store) -> None:
    fill(store, 1000)
    group(store, "dead", 250)
    lost = 0
    while (trimmed := store.run(trim(100, max_length=600))).dropped:
        lost += trimmed.dropped
    assert 600 <= length(store) <= 700  # whole nodes of the stream go
    assert lost == 1000 - length(store) == int(store.redis.get(keys.EVENTS_LOST) or 0)
    # What it took and lost holds back nothing any more.
    assert store.redis.xpending(keys.EVENTS, "dead")["pending"] == 0


def test_old_events_among_those_kept_are_no_loss(store: Store) -> None:
    fill(store, 90, age_ms=30 * DAY)
    group(store, "dead", 0)
    assert store.run(trim(100, max_age=WEEK)).dropped == 0
    assert length(store) == 90


def test_a_group_that_has_caught_up_is_no_trouble_any_more(store: Store) -> None:
    fill(store, 500)
    group(store, "slow", 0)
    store.run(trim(100))
    assert events.read_unread(store.redis, keys, 0) is not None
    group(store, "slow", 500, acknowledges=500)
    assert store.run(trim(100)).held is False
    assert events.read_unread(store.redis, keys, 0) is None


def test_the_bound_of_memory_is_measured_in_events(store: Store) -> None:
    assert events.length_within(store.redis, keys, 1_000_000) == 2000
    fill(store, 5000)
    assert 1000 < events.length_within(store.redis, keys, 1_000_000) < 2500
