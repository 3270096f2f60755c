"""Bugs planted in the scripts that shorten lists and the event stream: the tests of each find them."""

from collections.abc import Callable

import pytest
import test_event_trim as event_trim
import test_list_trim as list_trim
from changed_script import changed, places

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store.client import Store

EVENTS: dict[str, tuple[str, str, Callable[[Store], None]]] = {
    "a group that has not read is passed over": (
        "if before(first, needed) then needed = first end",
        "",
        lambda store: event_trim.test_what_a_group_has_not_acknowledged_is_kept_however_much_it_is(store, 0, 0),
    ),
    "what a member has not acknowledged is passed over": (
        "if pending[1] > 0 and before(pending[2], first) then first = pending[2] end",
        "",
        lambda store: event_trim.test_what_a_group_has_not_acknowledged_is_kept_however_much_it_is(store, 300, 120),
    ),
    "what is dropped is not counted": (
        "redis.call('INCRBY', P .. 'events:lost', dropped)",
        "",
        event_trim.test_unread_events_that_are_too_old_are_dropped_counted_and_their_group_is_named,
    ),
    "nothing is too old": (
        "if parts(oldest) < ms - max_age then",
        "if false then",
        event_trim.test_unread_events_that_are_too_old_are_dropped_counted_and_their_group_is_named,
    ),
    "nothing is too much": (
        "if length - removed - dropped > max_length then",
        "if false then",
        event_trim.test_unread_events_above_the_bound_of_memory_are_dropped_oldest_first,
    ),
    "the last node is never cut": (
        "removed = removed + redis.call('XTRIM', EVENTS, 'MINID', cut)",
        "",
        event_trim.test_without_an_unread_group_the_stream_is_as_long_as_what_is_kept,
    ),
}

LISTS: dict[str, tuple[str, str, str, Callable[[CallQueue, Settings], None]]] = {
    "a call of a far day stays at the end": (
        "enqueue",
        "if not at or at > ms - RETAIN then break end",
        "if true then break end",
        lambda queue, _: list_trim.test_a_call_of_a_far_day_keeps_no_list_from_being_trimmed(queue),
    ),
    "old calls change their order": (
        "enqueue",
        "redis.call('RPOPLPUSH', key, old)",
        "redis.call('RPUSH', old, redis.call('RPOP', key))",
        lambda queue, _: list_trim.test_a_call_of_a_far_day_keeps_no_list_from_being_trimmed(queue),
    ),
    "old calls that are gone stay": (
        "enqueue",
        "redis.call('LREM', old, -1, x)",
        "local _ = x",
        lambda queue, _: list_trim.test_old_calls_leave_their_list_too_when_they_are_gone(queue),
    ),
    "a list's life is cut by the next call": (
        "enqueue",
        "if length == count or redis.call('PTTL', key) < life then",
        "if true then",
        list_trim.test_a_list_lives_as_long_as_the_calls_in_it_can,
    ),
    "a list lives no longer for a far day": (
        "enqueue",
        "math.max(0, tonumber(due) - ms)",
        "0",
        list_trim.test_a_list_lives_as_long_as_the_calls_in_it_can,
    ),
    "the sweeper takes out calls that are there": (
        "tidy",
        "'c:' .. x) == 1 then",
        "'c:' .. x) == 2 then",
        list_trim.test_the_list_of_all_calls_loses_what_redis_forgot_and_nothing_else,
    ),
    "the sweeper never looks again": (
        "tidy",
        "ms - tonumber(through) < again",
        "true",
        list_trim.test_the_list_of_all_calls_loses_what_redis_forgot_and_nothing_else,
    ),
    "the sweeper skips what comes after its first step": (
        "tidy",
        "finished and 'through:' .. int(ms) or rows[#rows][1]",
        "'through:' .. int(ms)",
        lambda queue, _: list_trim.test_a_long_list_is_run_through_bit_by_bit(queue),
    ),
}

FOUND = (AssertionError, IndexError, KeyError, TypeError)


def plant(store: Store, script: str, old: str, new: str) -> None:
    kept = store._scripts[script]
    # What a script's own work and what comes after it need may stand in it twice (script_parts.py).
    assert places(kept, old) in (1, 2), "the place of the bug has changed"
    store._scripts = dict(store._scripts) | {script: changed(kept, old, new)}


@pytest.mark.parametrize("name", EVENTS)
def test_a_bug_in_trimming_the_event_stream_is_found(store: Store, name: str) -> None:
    old, new, test = EVENTS[name]
    plant(store, "trim", old, new)
    with pytest.raises(FOUND):
        test(store)


queue = list_trim.queue


@pytest.mark.parametrize("name", LISTS)
def test_a_bug_in_trimming_lists_is_found(queue: CallQueue, settings: Settings, name: str) -> None:
    script, old, new, test = LISTS[name]
    plant(queue.store, script, old, new)
    with pytest.raises(FOUND):
        test(queue, settings)
