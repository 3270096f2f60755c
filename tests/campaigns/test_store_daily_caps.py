"""Daily caps on calls and minutes, of a campaign and of the account: held at arm, made real by the result."""

from typing import Any

import pytest
from campaign_harness import Harness, phone

from alodial.store import call_transitions
from alodial.store.call_transitions import RESERVE_SECONDS, Applying
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


def used(harness: Harness, scope: str) -> tuple[int, int, int]:
    """Calls, seconds and calls under way of the only day that was used so far."""
    (name,) = harness.store.redis.keys(f"{keys.PREFIX}use:{scope}:*")
    found: Any = harness.store.redis.hgetall(name)
    return tuple(int(found.get(field, 0)) for field in (b"c", b"s", b"o"))  # type: ignore[return-value]  # three of them


def test_a_campaign_stops_at_its_calls_of_the_day_and_goes_on_tomorrow(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(7, daily={"calls": 3})
    assert len(harness.ring_all()) == 3
    harness.until("2027-01-15 23:59:59.999")
    assert harness.ring_all() == []
    assert harness.pace().accounts == [], "it waits for its midnight, no worker is woken for it"
    harness.until("2027-01-16 00:00")
    assert len(harness.ring_all()) == 3
    harness.until("2027-01-17 00:00")
    assert len(harness.ring_all()) == 1
    harness.check(campaign)


@pytest.mark.parametrize("scope", ["campaign", "account"])
def test_calls_claimed_before_the_day_was_full_are_not_armed_beyond_it(redis_server: EmbeddedRedis, scope: str) -> None:
    harness = Harness(redis_server, daily_calls=0 if scope == "campaign" else 2)
    campaign = harness.submit(5, daily={"calls": 2} if scope == "campaign" else None)
    harness.pace()
    calls = harness.claim(5).calls
    assert harness.arm(*calls) == ["armed", "armed", "hold", "hold", "hold"]
    for call in calls[2:]:
        harness.settle(call, "release")
    harness.check(campaign)
    assert harness.claim(5).calls == []


@pytest.mark.parametrize("outcome", ["retry", "rejected", "auth", "release"])
def test_a_post_that_rang_nobody_leaves_the_day_as_it_was(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    harness = Harness(redis_server, daily_calls=9, daily_minutes=60)
    campaign = harness.submit(2, daily={"calls": 9, "minutes": 60})
    harness.pace()
    harness.post(harness.take(), outcome, delay=1)
    assert used(harness, "@default") == used(harness, campaign) == (0, 0, 0)
    harness.check(campaign)


def test_an_unconfirmed_call_keeps_what_is_held_for_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, daily_minutes=60)
    harness.submit(1)
    harness.pace()
    harness.post(harness.take(), "unconfirmed")
    assert used(harness, "@default") == (1, RESERVE_SECONDS, 1)


def test_the_real_talk_replaces_what_was_held(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, daily_minutes=60)
    campaign = harness.submit(2, daily={"minutes": 60, "reserve_minutes": 5})
    harness.pace()
    call = harness.take()
    harness.post(call)
    assert (used(harness, campaign), used(harness, "@default")) == ((1, 300, 1), (1, RESERVE_SECONDS, 1))
    harness.result(call.extid, talk=47)
    assert used(harness, campaign) == used(harness, "@default") == (1, 47, 0)
    harness.result(call.extid, "busy", talk=500)
    assert used(harness, campaign) == (1, 47, 0), "a second result of the same call is no second talk"
    assert harness.campaign(campaign).counts["talk"] == 47


def test_each_attempts_result_settles_its_own_talk(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, unconfirmed_redial_delay=1)
    call = {"kind": "ivr", "ivrid": 7, "fromline": "712037006", "on_unconfirmed": "redial"}
    campaign = harness.submit(1, call=call, daily={"minutes": 60, "reserve_minutes": 5})
    harness.pace()
    first = harness.take()
    assert harness.post(first, "unconfirmed") == "scheduled"
    harness.later(1)
    harness.pace()
    second = harness.take()
    assert harness.post(second) == "submitted"
    assert used(harness, campaign) == (2, 600, 2)
    harness.result(first.extid, "busy", talk=10)
    assert used(harness, campaign) == (2, 310, 1)
    harness.later(300)
    harness.result(second.extid, talk=400)
    assert used(harness, campaign) == (2, 410, 0)
    harness.check(campaign)


def test_a_result_with_an_impossible_time_does_not_use_up_the_day(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, daily_minutes=60)
    campaign = harness.submit(9, daily={"minutes": 60})
    harness.pace()
    calls = harness.claim(2).calls
    for call in calls:
        harness.post(call)
    harness.later(40)
    applied = harness.result(calls[0].extid, talk=1_800_000_000)
    assert (applied.outcome, applied.talk) == ("completed", 40 + 180)
    assert used(harness, campaign) == used(harness, "@default") == (2, 220 + RESERVE_SECONDS, 1)
    assert harness.campaign(campaign).counts["talk"] == 220
    record = harness.store.redis.hget(keys.record(calls[0].record), "tc1")
    assert record == b"220", "the record says what was counted"
    harness.later(600)
    assert harness.result(calls[1].extid, talk=620).talk == 620, "a long talk counts whole"
    assert len(harness.ring_all()) == 7


def test_a_result_that_waited_counts_by_its_arrival(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, daily_minutes=60)
    harness.submit(1)
    harness.pace()
    call = harness.take()
    harness.post(call)
    arrived = harness.ms + 10_000
    harness.later(7000)
    item = Applying(call.extid, "{}", "d", "answered", 5000, arrived)
    assert harness.store.run(call_transitions.apply_results([item]))[0].talk == 190


@pytest.mark.parametrize("scope", ["campaign", "account"])
def test_minutes_that_were_only_held_are_used_the_same_day(redis_server: EmbeddedRedis, scope: str) -> None:
    harness = Harness(redis_server, daily_minutes=0 if scope == "campaign" else 6)
    campaign = harness.submit(40, daily={"minutes": 6} if scope == "campaign" else None)
    harness.pace()
    calls = harness.claim(5).calls
    assert harness.arm(*calls)[:3] == ["armed", "armed", "hold"], "two times three minutes fill the day"
    for call in calls[2:]:
        harness.settle(call, "release")
    for call in calls[:2]:
        harness.settle(call)
    assert harness.claim(5).calls == []
    for call in calls[:2]:
        harness.result(call.extid, talk=20)
    for _ in range(60):
        harness.later(5)
        harness.ring_all(talk=20)
    talked = 20 * len(harness.rung)
    assert 6 * 60 - RESERVE_SECONDS - 20 < talked <= 6 * 60
    harness.check(campaign)


def test_a_full_day_of_the_account_lets_no_call_of_any_kind_out_until_its_midnight(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, daily_calls=2, timezone="Asia/Tashkent")
    harness.store.redis.zadd(keys.days("@"), {str(at): at for at in (1_799_953_200_000, 1_800_039_600_000)})
    harness.submit(5)
    assert len(harness.ring_all()) == 2
    harness.enqueue(phone(90), phone(91), priority="u")
    claim = harness.claim(5)
    assert (claim.status, claim.calls) == ("hold", [])
    harness.at_ms(1_800_039_600_000)
    assert len(harness.ring_all()) == 2
    assert harness.clock().isoformat() == "2027-01-16T00:00:00+05:00"


def test_talk_after_midnight_belongs_to_the_day_of_its_call(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2, daily={"minutes": 6})
    harness.until("2027-01-15 23:59:59")
    harness.pace()
    call = harness.take()
    harness.post(call)
    harness.until("2027-01-16 00:05")
    harness.result(call.extid, talk=300)
    assert used(harness, campaign) == (1, 300, 0)
    assert len(harness.ring_all()) == 1
