"""The limits of API keys that the store counts, for single calls and for rows of campaigns alike."""

import json
from typing import Any

import pytest
from campaign_harness import Harness, phone

from alodial.errors import LimitReached
from alodial.store import call_transitions, overview
from alodial.store.call_transitions import NewCall
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import new_ids

keys = Keys()

HOUR = 3600


def quota(daily: int = 0, waiting: int = 0, size: int = 0, rate: float = 0, name: str = "shop") -> str:
    return f"{name} {daily};{waiting} {size} {round(1_000_000 / rate) if rate else 0}"


def place(harness: Harness, limits: str, *numbers: str, **more: Any) -> tuple[str, str]:
    """Places a call by a key with these limits; answers its extid and outcome, or the limit's name in place of it."""
    call_id, extid = new_ids()
    body = json.dumps({"callto": (numbers or (phone(900),))[0], "ivrid": 1}, separators=(",", ":"))
    call = NewCall(extid, call_id, body, quota=limits, **more)
    _, [row] = harness.store.run(call_transitions.enqueue([call], harness.settings))
    return extid, row.id if row.outcome == "limit" else row.outcome


def held(harness: Harness, name: str = "shop") -> dict[str, int]:
    rows: Any = harness.store.redis.hgetall(f"{keys.PREFIX}held:{name}")
    return {key.decode(): int(value) for key, value in rows.items() if key in (b"c", b"b")}


def test_rows_count_for_the_calls_of_a_day_and_the_others_wait_for_tomorrow(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(daily=3)
    campaign = harness.submit(4, quota=limits)
    assert place(harness, limits)[1] == "created"
    harness.pace()
    assert place(harness, limits)[1] == "daily_calls"
    assert place(harness, quota(daily=3, name="crm"))[1] == "created"
    assert len([call for call in harness.ring_all() if call.campaign]) == 2
    harness.later(1)
    harness.pace()
    assert harness.pace().hoppers == [], "nobody tries again before tomorrow"
    harness.until("2027-01-16 05:00")  # midnight in UTC, as nobody has written the installation's days
    assert len(harness.ring_all()) == 2
    assert place(harness, limits)[1] == "created"
    harness.check(campaign)


def test_so_many_calls_and_rows_of_a_key_may_wait(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(waiting=501)
    first, _ = place(harness, limits)
    with pytest.raises(LimitReached) as refused:
        harness.submit(501, "too many", quota=limits)
    assert refused.value.limit == "waiting_calls"
    assert held(harness)["c"] == 1, "what was refused takes no room"
    assert harness.store.redis.zcard(keys.CAMPAIGNS) == 0
    campaign = harness.submit(500, quota=limits)
    assert place(harness, limits)[1] == "waiting_calls"
    assert place(harness, quota(waiting=1, name="crm"))[1] == "created"
    harness.store.run(call_transitions.cancel([first]))
    assert place(harness, limits)[1] == "created"
    assert place(harness, limits)[1] == "waiting_calls"
    harness.cancel(campaign)
    harness.clean()
    assert held(harness)["c"] == 1
    harness.check(campaign)


def test_bytes_of_a_key_count_until_its_records_are_gone(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, call_retention=172800)
    limits = quota(size=2500)
    first, _ = place(harness, limits)
    second, _ = place(harness, limits)
    assert place(harness, limits)[1] == "stored_bytes"
    harness.store.run(call_transitions.cancel([first, second]))
    assert place(harness, limits)[1] == "stored_bytes", "an ended call is there as long as its record"
    harness.later(4 * 24 * HOUR)
    assert place(harness, limits)[1] == "created"


def test_bytes_of_a_campaign_count_until_it_is_gone(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(size=2000)
    campaign = harness.submit(1, quota=limits)

    def refused() -> bool:
        try:
            harness.submit(1, "another", quota=limits)
        except LimitReached as exc:
            return exc.limit == "stored_bytes"
        return False

    assert refused()
    harness.cancel(campaign)
    assert refused()
    harness.store.redis.delete(keys.campaign(campaign))
    assert not refused()
    assert held(harness)["c"] == 1


def test_idempotency_keys_of_one_call_take_bytes_and_end_with_them(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(size=4000)
    call_id, extid = new_ids()
    for n in range(60):
        call = NewCall(extid, call_id, "{}", digest="same", key=f"{n:032}", quota=limits)
        _, [row] = harness.store.run(call_transitions.enqueue([call], harness.settings))
        assert row.outcome in ("created", "same")
    assert len(harness.store.redis.keys(f"{keys.PREFIX}k:*")) < 40
    assert 3500 < held(harness)["b"] <= 4000


def test_copies_of_a_do_not_call_list_take_bytes(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, quota=quota(size=5000))
    for _ in range(2):
        harness.forbid(*(phone(n) for n in range(10)), scope=campaign)
    assert 2000 < held(harness)["b"] < 4000, "each number once"
    harness.front.clone(campaign, actor="test")
    with pytest.raises(LimitReached, match="stored_bytes"):
        harness.front.clone(campaign, actor="test")


def test_a_flood_of_one_key_keeps_no_other_waiting(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(rate=2)
    flood = [place(harness, limits, phone(n))[0] for n in range(100)]
    other, _ = place(harness, quota(rate=2, name="crm"))
    urgent, _ = place(harness, limits, priority="u")
    harness.pace()
    assert [call.record for call in harness.claim(10).calls] == [urgent, flood[0], other]
    for _ in range(5):
        harness.later(1)
        harness.pace()
        assert len(harness.claim(10).calls) == 2
    late, _ = place(harness, "")
    assert harness.claim(10).calls[0].record == late


def test_calls_of_a_key_for_one_moment_come_one_after_another(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(rate=2)
    evening = harness.ms + 10 * HOUR * 1000
    for n in range(20):
        place(harness, limits, phone(n), not_before=evening)
    assert place(harness, limits)[1] == "created"
    assert len(harness.claim(10).calls) == 1, "later calls take no turn of now"
    harness.at_ms(evening)
    ready = []
    for _ in range(5):
        harness.pace()
        ready.append(len(harness.claim(30).calls))
        harness.later(1)
    assert ready == [1, 2, 2, 2, 2]


def test_rows_and_calls_of_a_key_share_its_rate(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(rate=2)
    campaign = harness.submit(100, quota=limits)
    assert len(harness.ring_all()) == 5, "those of two seconds"
    extid, _ = place(harness, limits)
    assert harness.state(extid) == "scheduled"
    for _ in range(10):
        harness.later(1)
        harness.ring_all()
    assert 24 <= len(harness.rung) <= 26
    assert harness.state(extid) == "completed"
    harness.check(campaign)


def test_a_retry_and_a_clone_have_the_limits_of_their_campaign(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(daily=2, waiting=3)
    campaign = harness.submit(2, quota=limits)
    harness.ring_all("busy")
    copy = harness.front.clone(campaign, actor="operator")
    with pytest.raises(LimitReached, match="waiting_calls"):
        harness.front.retry_failed(campaign, actor="operator")
    harness.resume(copy.id)
    assert harness.ring_all() == [], "the day's calls are used up"


REDIAL = '{"max_attempts":5,"delays":{"busy":[60]}}'


def test_redials_count_for_the_calls_of_a_day_and_the_others_wait_for_tomorrow(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(daily=3)
    single, _ = place(harness, limits, redial=REDIAL)
    campaign = harness.submit(1, quota=limits, redial={"max_attempts": 5, "delays": {"busy": [60]}})
    assert len(harness.ring_all("busy")) == 2
    harness.later(61)
    assert len(harness.ring_all("busy")) == 1, "the third call of the day"
    assert place(harness, limits)[1] == "daily_calls"
    harness.later(HOUR)
    assert harness.ring_all("busy") == []
    harness.until("2027-01-16 05:00")
    assert len(harness.ring_all()) == 2
    assert harness.state(single) == "completed"
    harness.check(campaign)


def test_a_redial_waits_for_its_keys_turn_once(redis_server: EmbeddedRedis) -> None:
    harness, limits = Harness(redis_server), quota(rate=0.5)
    for n in range(4):
        place(harness, limits, phone(n), redial=REDIAL)
        harness.ring_all("busy")
        harness.later(2)
    harness.later(120)
    ready = []
    for _ in range(8):
        ready.append(len(harness.ring_all()))
        harness.later(1)
    assert ready == [1, 0, 1, 0, 1, 0, 1, 0]


def test_a_limit_that_is_lowered_binds_campaigns_that_run(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(4, quota="shop 100 0 0 0 0;0 0 0", owner="shop")
    lowered = f"{quota(daily=1, waiting=4)}\tshop 1 3600 0 0"
    harness.store.redis.hset(keys.KEYS_LIMITS, "shop", lowered)
    (call,) = harness.ring_all()
    assert harness.records(campaign)[call.record]["kc"] == "shop 1 3600 0 0"
    harness.front.clone(campaign, actor="shop")
    with pytest.raises(LimitReached, match="waiting_calls"):
        harness.front.clone(campaign, actor="shop")
    harness.store.redis.hset(keys.KEYS_LIMITS, "shop", "\t")
    harness.later(24 * HOUR)
    assert len(harness.ring_all()) == 3, "limits that are lifted"


def test_calls_of_tenants_go_in_turns_however_many_of_them_wait(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)

    def by(owner: str, count: int, **more: Any) -> list[str]:
        return [place(harness, "", phone(n), owner=owner, tenant="1", **more)[0] for n in range(count)]

    def claim(count: int) -> list[str]:
        return [call.record for _ in range(count) for call in harness.claim(1).calls]

    flood = by("shop", 200)
    single, several = by("crm", 1), by("bank", 3)
    assert claim(3) == [flood[0], single[0], several[0]]
    own = [place(harness, "")[0] for _ in range(2)]
    urgent = by("shop", 1, priority="u")
    assert claim(5) == [urgent[0], own[0], flood[1], own[1], several[1]]
    assert claim(3) == [flood[2], several[2], flood[3]]
    harness.submit(1)
    harness.pace()
    campaigns_call, following = claim(2)
    assert harness.records()[campaigns_call].get("g"), "a campaign's call goes between two of tenants"
    assert following == flood[4]
    assert harness.store.call(overview.read, harness.settings).ready == 195
    assert [call.record for call in harness.claim(300).calls] == flood[5:]
    assert harness.claim(1).status == "empty"
