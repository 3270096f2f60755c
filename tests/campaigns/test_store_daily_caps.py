"""Daily caps on calls and minutes, of a campaign and of the account: held at arm, made real by the result."""

from typing import Any

import pytest
from campaign_harness import Desk, phone

from alodial.store import call_transitions, keys
from alodial.store.call_transitions import RESERVE_SECONDS
from alodial.testing.redis_server import EmbeddedRedis


def used(desk: Desk, scope: str) -> tuple[int, int, int]:
    """Calls, seconds and calls under way of the only day that was used so far."""
    (name,) = desk.store.redis.keys(f"{keys.PREFIX}use:{scope}:*")
    found: Any = desk.store.redis.hgetall(name)
    return tuple(int(found.get(field, 0)) for field in (b"c", b"s", b"o"))  # type: ignore[return-value]  # three of them


def test_a_campaign_stops_at_its_calls_of_the_day_and_goes_on_tomorrow(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(7, daily={"calls": 3})
    assert len(desk.ring_all()) == 3
    desk.until("2027-01-15 23:59:59.999")
    assert desk.ring_all() == []
    assert desk.pace().accounts == [], "it waits for its midnight, nobody is rung for it"
    desk.until("2027-01-16 00:00")
    assert len(desk.ring_all()) == 3
    desk.until("2027-01-17 00:00")
    assert len(desk.ring_all()) == 1
    desk.check(campaign)


@pytest.mark.parametrize("scope", ["campaign", "account"])
def test_calls_claimed_before_the_day_was_full_are_not_armed_beyond_it(redis_server: EmbeddedRedis, scope: str) -> None:
    desk = Desk(redis_server, daily_calls=0 if scope == "campaign" else 2)
    campaign = desk.submit(5, daily={"calls": 2} if scope == "campaign" else None)
    desk.pace()
    calls = desk.claim(5).calls
    assert desk.arm(*calls) == ["armed", "armed", "hold", "hold", "hold"]
    for call in calls[2:]:
        desk.settle(call, "release")
    desk.check(campaign)
    assert desk.claim(5).calls == []


@pytest.mark.parametrize("outcome", ["retry", "rejected", "auth", "release"])
def test_a_post_that_rang_nobody_leaves_the_day_as_it_was(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    desk = Desk(redis_server, daily_calls=9, daily_minutes=60)
    campaign = desk.submit(2, daily={"calls": 9, "minutes": 60})
    desk.pace()
    desk.post(desk.take(), outcome, delay=1)
    assert used(desk, "@default") == used(desk, campaign) == (0, 0, 0)
    desk.check(campaign)


def test_an_unconfirmed_call_keeps_what_is_held_for_it(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, daily_minutes=60)
    desk.submit(1)
    desk.pace()
    desk.post(desk.take(), "unconfirmed")
    assert used(desk, "@default") == (1, RESERVE_SECONDS, 1)


def test_the_real_talk_replaces_what_was_held(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, daily_minutes=60)
    campaign = desk.submit(2, daily={"minutes": 60, "reserve_minutes": 5})
    desk.pace()
    call = desk.take()
    desk.post(call)
    assert (used(desk, campaign), used(desk, "@default")) == ((1, 300, 1), (1, RESERVE_SECONDS, 1))
    desk.result(call.extid, talk=47)
    assert used(desk, campaign) == used(desk, "@default") == (1, 47, 0)
    desk.result(call.extid, "busy", talk=500)
    assert used(desk, campaign) == (1, 47, 0), "a second result of the same call is no second talk"
    assert desk.campaign(campaign).counts["talk"] == 47


def test_each_attempts_result_settles_its_own_talk(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, unconfirmed_redial_delay=1)
    call = {"kind": "ivr", "ivrid": 7, "fromline": "712037006", "on_unconfirmed": "redial"}
    campaign = desk.submit(1, call=call, daily={"minutes": 60, "reserve_minutes": 5})
    desk.pace()
    first = desk.take()
    assert desk.post(first, "unconfirmed") == "scheduled"
    desk.later(1)
    desk.pace()
    second = desk.take()
    assert desk.post(second) == "submitted"
    assert used(desk, campaign) == (2, 600, 2)
    desk.result(first.extid, "busy", talk=10)
    assert used(desk, campaign) == (2, 310, 1)
    desk.result(second.extid, talk=400)
    assert used(desk, campaign) == (2, 410, 0)
    desk.check(campaign)


@pytest.mark.parametrize("scope", ["campaign", "account"])
def test_minutes_that_were_only_held_are_used_the_same_day(redis_server: EmbeddedRedis, scope: str) -> None:
    desk = Desk(redis_server, daily_minutes=0 if scope == "campaign" else 6)
    campaign = desk.submit(40, daily={"minutes": 6} if scope == "campaign" else None)
    desk.pace()
    calls = desk.claim(5).calls
    assert desk.arm(*calls)[:3] == ["armed", "armed", "hold"], "two times three minutes fill the day"
    for call in calls[2:]:
        desk.settle(call, "release")
    for call in calls[:2]:
        desk.settle(call)
    assert desk.claim(5).calls == []
    for call in calls[:2]:
        desk.result(call.extid, talk=20)
    for _ in range(60):
        desk.later(5)
        desk.ring_all(talk=20)
    talked = 20 * len(desk.rung)
    assert 6 * 60 - RESERVE_SECONDS - 20 < talked <= 6 * 60
    desk.check(campaign)


def test_a_full_day_of_the_account_lets_no_call_of_any_kind_out_until_its_midnight(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, daily_calls=2, timezone="Asia/Tashkent")
    desk.store.redis.zadd(keys.days("@"), {str(at): at for at in (1_799_953_200_000, 1_800_039_600_000)})
    desk.submit(5)
    assert len(desk.ring_all()) == 2
    desk.enqueue(phone(90), phone(91), priority="u")
    claim = desk.claim(5)
    assert (claim.status, claim.calls) == ("hold", [])
    desk.at_ms(1_800_039_600_000)
    assert len(desk.ring_all()) == 2
    assert desk.clock().isoformat() == "2027-01-16T00:00:00+05:00"


def test_talk_after_midnight_belongs_to_the_day_of_its_call(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(2, daily={"minutes": 6})
    desk.until("2027-01-15 23:59:59")
    desk.pace()
    call = desk.take()
    desk.post(call)
    desk.until("2027-01-16 00:05")
    desk.result(call.extid, talk=300)
    assert used(desk, campaign) == (1, 300, 0)
    assert len(desk.ring_all()) == 1
