"""Calls whose worker died between claim and arm: handed out alone, and only blamed for deaths that they caused."""

import pytest
from campaign_harness import Harness, phone

from alodial.store import call_transitions
from alodial.store.call_transitions import POISON_AFTER, Claim, Claimed
from alodial.testing.redis_server import EmbeddedRedis


def die(harness: Harness) -> None:
    """Whoever held calls is gone: their leases run out and the sweeper comes."""
    harness.later(call_transitions.lease_seconds(harness.settings) + 1)
    for _ in range(3):
        harness.sweep()


def confirm(harness: Harness, call: Claimed) -> bool:
    return harness.store.run(call_transitions.confirm(call))


def singles(harness: Harness, count: int) -> list[str]:
    return [harness.enqueue(phone(n), phone(n + 5000)) for n in range(count)]


def test_a_crash_loop_fails_no_call_that_was_claimed_beside_others(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    extids = singles(harness, 300)
    for _ in range(4):
        for _ in range(4):
            harness.claim(128)
        die(harness)
    assert {harness.state(x) for x in extids} == {"queued"}
    harness.check()
    rung: list[str] = []
    while claim := harness.claim(128).calls:
        for call in claim:
            assert harness.post(call) == "submitted"
            rung.append(call.record)
    assert sorted(rung) == sorted(extids)
    harness.check()


def test_a_suspect_comes_alone_until_it_has_been_armed(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    first, second, third = sorted(singles(harness, 2), reverse=True) + singles(harness, 1)
    assert len(harness.claim(2).calls) == 2
    die(harness)
    (alone,) = harness.claim(10).calls
    assert (alone.record, alone.suspect) == (first, True)
    assert harness.post(alone, "retry", delay=1) == "scheduled"
    (other,) = harness.claim(10).calls
    assert (other.record, other.suspect) == (second, True)
    assert harness.post(other) == "submitted"
    (fresh,) = harness.claim(10).calls
    assert (fresh.record, fresh.suspect) == (third, False)
    harness.later(1)
    harness.pace()
    (again,) = harness.claim(10).calls
    assert (again.record, again.suspect) == (first, False), "its worker lived: it is no suspect any more"


def test_a_suspect_behind_others_waits_for_the_next_claim(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(4)
    harness.pace()
    (call,) = harness.claim(1).calls
    die(harness)
    harness.enqueue(phone(8), phone(9), priority="u")
    urgent, suspect, rest = harness.claim(10).calls, harness.claim(10).calls, harness.claim(10).calls
    assert [len(calls) for calls in (urgent, suspect, rest)] == [1, 1, 3]
    assert suspect[0].record == call.record
    harness.check(campaign)


def test_only_the_deaths_of_workers_that_had_it_alone_and_said_so_make_a_call_poison(
    redis_server: EmbeddedRedis,
) -> None:
    harness = Harness(redis_server)
    both = singles(harness, 2)
    for _ in range(5):
        harness.claim(2)
        harness.claim(2)
        die(harness)
    bad = harness.take().record
    (good,) = {*both} - {bad}
    harness.later(call_transitions.lease_seconds(harness.settings) + 1)
    harness.sweep()
    for death in range(1, POISON_AFTER + 1):
        call = harness.take()
        assert call.record == bad
        assert confirm(harness, call)
        die(harness)
        assert harness.state(bad) == ("failed" if death == POISON_AFTER else "queued")
    assert harness.reason(bad) == "poison"
    assert harness.post(harness.take()) == "submitted"
    assert harness.state(good) == "submitted"
    harness.check()


def test_a_call_that_somebody_else_has_by_now_cannot_be_confirmed(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    (extid,) = singles(harness, 1)
    harness.take()
    die(harness)
    slow = harness.take()
    die(harness)
    other = harness.take()
    assert not confirm(harness, slow)
    assert confirm(harness, other)
    assert confirm(harness, other), "asked again, because the answer was lost"
    assert harness.post(other) == "submitted"
    assert not confirm(harness, other)
    assert harness.state(extid) == "submitted"


@pytest.mark.parametrize("room", [1, 3, 10])
def test_a_claim_repeated_with_its_token_gives_the_same_calls(redis_server: EmbeddedRedis, room: int) -> None:
    harness = Harness(redis_server, calls_per_second=100, max_concurrent_calls=20)
    campaign = harness.submit(3, channels=2)
    singles(harness, 5)
    harness.pace()
    op = call_transitions.claim(
        harness.settings, "default", harness.limits, epoch="epoch", room=room, horizon=0.05, attend=0
    )
    first = harness.store.run(op)
    assert harness.store.run(op) == first
    harness.later(0.02)
    again = harness.store.run(op)
    assert [call.record for call in again.calls] == [call.record for call in first.calls]
    assert [call.slot for call in again.calls] == [call.slot for call in first.calls]
    held = {call.record for call in first.calls}
    assert not held & {call.record for call in harness.claim(10, 0.05).calls}, "somebody else's claim takes others"
    harness.check(campaign)


def test_a_repeated_claim_leaves_out_what_was_armed_canceled_or_taken_away(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    extids = singles(harness, 4)
    op = call_transitions.claim(harness.settings, "default", harness.limits, epoch="epoch", room=9, horizon=0, attend=0)
    calls = harness.store.run(op).calls
    harness.arm(calls[0])
    harness.store.run(call_transitions.cancel([extids[1]]))
    harness.settle(calls[2], "release")
    assert [call.record for call in harness.store.run(op).calls] == [extids[3]]


def test_what_a_claim_took_can_be_put_back_by_its_token(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, max_concurrent_calls=10)
    campaign = harness.submit(3, priority="bulk")
    harness.pace()
    extids = singles(harness, 4)
    asked = {"epoch": "epoch", "horizon": 0, "attend": 0}
    op = call_transitions.claim(harness.settings, "default", harness.limits, room=5, token="t", **asked)  # type: ignore[arg-type]  # a dict of several types
    assert len(harness.store.run(op).calls) == 5
    back = call_transitions.claim(harness.settings, "default", harness.limits, room=0, token="t", **asked)  # type: ignore[arg-type]  # as above
    for _ in range(2):
        assert harness.store.run(back) == Claim("ok", 0, [])
    harness.check(campaign)
    calls = harness.claim(10).calls
    assert [call.record for call in calls[:4]] == extids
    assert not any(call.suspect for call in calls)
    assert len(calls) == 7
