"""Weights, pace and channels: how campaigns share what an account has."""

from collections import Counter

import pytest
from campaign_harness import Harness, phone

from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


def shares(harness: Harness, calls: int, *, room: int = 1) -> Counter[str]:
    """Which campaigns the next calls belong to; each is answered at once."""
    seen: Counter[str] = Counter()
    while seen.total() < calls:
        harness.pace()
        claimed = harness.claim(min(room, calls - seen.total())).calls
        if not claimed:
            break
        for call in claimed:
            assert harness.post(call) == "submitted"
            harness.result(call.extid)
        seen.update(call.campaign for call in claimed)
    return seen


@pytest.mark.parametrize("room", [1, 7, 40])
def test_weights_of_3_and_1_share_3_to_1_whatever_a_claim_takes(redis_server: EmbeddedRedis, room: int) -> None:
    harness = Harness(redis_server, calls_per_second=5)
    harness.limits = harness.limits.model_copy(update={"calls_per_second": 0})
    heavy, light = harness.submit(700, "heavy", weight=3), harness.submit(400, "light", weight=1)
    seen = shares(harness, 400, room=room)
    assert seen[heavy] / seen[light] == pytest.approx(3, rel=0.05)
    harness.check(heavy, light)


def test_a_paused_campaign_costs_the_others_nothing_and_goes_on_where_it_was(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=5)
    harness.limits = harness.limits.model_copy(update={"calls_per_second": 0})
    heavy, light = harness.submit(900, "heavy", weight=3), harness.submit(500, "light", weight=1)
    third = harness.submit(200, "third", weight=4)
    before = shares(harness, 80)
    harness.pause(third)
    front = harness.ready(third)
    while_paused = shares(harness, 400)
    assert while_paused[third] == 0
    assert while_paused[heavy] / while_paused[light] == pytest.approx(3, rel=0.05)
    assert harness.ready(third) == front, "untouched"
    rung = len([row for row in harness.rung if row.campaign == third])
    assert rung == before[third]
    harness.resume(third)
    after = shares(harness, 160)
    assert after[third] == pytest.approx(80, rel=0.06), "its share, and nothing for the time that it was away"
    mine = [row.numbers[0] for row in harness.rung if row.campaign == third]
    assert mine == [phone(n) for n in range(len(mine))], "row by row, none skipped and none twice"
    harness.check(heavy, light, third)


def test_a_campaign_that_ran_dry_comes_back_to_its_share_and_no_more(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    heavy, light = harness.submit(700, "heavy", weight=3), harness.submit(500, "light", weight=1)
    harness.pace()
    waiting = harness.ready(heavy)
    harness.store.redis.ltrim(keys.campaign_ready(heavy), 0, 29)
    assert shares(harness, 200) == {heavy: 30, light: 170}
    harness.store.redis.rpush(keys.campaign_ready(heavy), *waiting[30:])
    harness.store.redis.zadd(f"{keys.PREFIX}wake", {heavy: 1})
    assert shares(harness, 200, room=5)[heavy] == pytest.approx(150, rel=0.05)


def test_a_campaign_that_its_channels_held_back_saves_up_no_share(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    held, other = harness.submit(300, "held", channels=1), harness.submit(600, "other")
    harness.pace()
    first = next(call for call in harness.claim(2).calls if call.campaign == held)
    harness.post(first)
    assert shares(harness, 300)[held] == 0
    harness.front.change(held, actor="test", channels=None)
    assert shares(harness, 100)[held] == pytest.approx(50, abs=3)
    assert shares(harness, 100)[other] == pytest.approx(50, abs=3)


def test_a_campaign_never_holds_more_than_its_channels(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, max_concurrent_calls=10)
    shared, free = harness.submit(50, "shared", channels=3), harness.submit(50, "free")
    harness.pace()
    held = []
    while calls := harness.claim(4).calls:
        held += calls
        for call in calls:
            assert harness.post(call) == "submitted"
    assert Counter(call.campaign for call in held) == {shared: 3, free: 7}
    assert harness.claim(4).status == "cap"
    ended = next(call for call in held if call.campaign == shared)
    harness.result(ended.extid)
    again = harness.claim(4).calls
    assert len(again) == 1
    for outcome in ("retry", "rejected"):
        one = next(call for call in held if call.campaign == shared and call is not ended)
        held.remove(one)
        harness.result(one.extid)
        call = next(call for call in harness.claim(1).calls)
        harness.post(call, outcome, delay=900)  # type: ignore[arg-type]  # one of the outcomes
        assert harness.store.redis.zscore(f"{keys.PREFIX}gchan:{shared}", call.record) is None
    used = harness.store.redis.zcard(f"{keys.PREFIX}gchan:{shared}")
    assert used <= 3


def test_only_its_own_channels_full_is_a_cap_and_not_empty(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(5, channels=1)
    harness.pace()
    first, then = harness.claim(5), harness.claim(5)
    assert (first.status, len(first.calls)) == ("cap", 1)
    assert (then.status, then.calls) == ("cap", [])


def test_a_pace_holds_a_campaign_back_and_a_change_works_at_once(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    slow = harness.submit(200, "slow", pace=0.1)
    harness.pace()
    assert len(harness.claim(10).calls) == 1
    paced = harness.claim(10)
    assert (paced.status, paced.wait, paced.calls) == ("paced", 10, [])
    harness.front.change(slow, actor="test", pace=10)
    taken = 0
    for _ in range(50):
        harness.later(0.1)
        taken += len(harness.claim(10).calls)
    assert 48 <= taken <= 51, "ten a second from now on, not once the old pause is over"
    harness.front.change(slow, actor="test", pace=None)
    assert len(harness.claim(50).calls) == 50


def test_a_change_that_leaves_the_pace_alone_starts_no_call_early(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    slow = harness.submit(20, "slow", pace=0.1)
    harness.pace()
    assert len(harness.claim(10).calls) == 1
    harness.front.change(slow, actor="test", weight=5)
    again = harness.claim(10)
    assert (again.status, again.calls) == ("paced", [])


def test_a_pace_holds_when_the_hopper_runs_dry_again_and_again(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    paced = harness.submit(400, "paced", pace=40)
    harness.pace()
    rows = harness.ready(paced)
    harness.store.redis.delete(keys.campaign_ready(paced))
    taken = 0
    for turn in range(200):  # a second, in which two calls are ready every 5 ms
        harness.store.redis.rpush(keys.campaign_ready(paced), rows[turn % len(rows)])
        harness.store.redis.zadd(f"{keys.PREFIX}wake", {paced: 1})
        harness.pace(fill=False)
        taken += len(harness.claim(2, 0.05).calls)
        harness.later(0.005)
    assert taken <= 40 * 1.05 + 1 + 40 * 0.05


def test_campaigns_of_tenants_share_by_tenant_and_inside_of_one_by_weight(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    many = [harness.submit(60, f"shop {n}", owner="shop", tenant=True, weight=100) for n in range(12)]
    heavy, light = (harness.submit(300, f"crm {w}", owner="crm", tenant=True, weight=w) for w in (3, 1))
    own = harness.submit(300, "own")
    for room in (1, 7):
        seen = shares(harness, 160, room=room)
        assert (seen[own], seen[heavy] + seen[light]) == (pytest.approx(80, abs=1), pytest.approx(40, abs=1))
        assert seen[heavy] == pytest.approx(30, abs=2)
        assert {seen[campaign] for campaign in many} <= {2, 3, 4, 5}
    harness.cancel(own)
    assert shares(harness, 100)[heavy] == pytest.approx(37.5, abs=2), "half of it all"
    harness.check(own, heavy, light, *many)
    assert set(harness.store.redis.lrange(f"{keys.PREFIX}turns:default:n", 0, -1)) == {b"shop", b"crm"}


def test_a_tenant_gets_no_more_by_campaigns_of_a_row_or_by_single_calls(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    other = harness.submit(200, "other", owner="crm", tenant=True)
    rows = {harness.submit(1, f"row {n}", owner="shop", tenant=True) for n in range(30)}
    singles = {harness.enqueue(phone(900), phone(901), owner="shop", tenant="1") for _ in range(30)}
    harness.pace()
    calls = harness.claim(80).calls
    assert Counter(call.campaign for call in calls)[other] == 40
    assert {call.record for call in calls if not call.campaign} == singles, "before the campaigns of the same tenant"
    assert len(rows & {call.campaign for call in calls}) == 10


def test_a_tenant_whose_campaign_waits_for_its_pace_or_channels_comes_back_to_its_turn(
    redis_server: EmbeddedRedis,
) -> None:
    harness = Harness(redis_server)
    slow = harness.submit(20, "slow", owner="shop", tenant=True, pace=1)
    narrow = harness.submit(20, "narrow", owner="crm", tenant=True, channels=1)
    harness.pace()
    first = harness.claim(9)
    assert Counter(call.campaign for call in first.calls) == {slow: 1, narrow: 1}
    assert not harness.store.redis.exists(f"{keys.PREFIX}turns:default:n"), "nothing waits for a turn"
    for call in first.calls:
        assert harness.post(call) == "submitted"
    for _ in range(4):
        harness.enqueue(phone(900), phone(901))
    harness.later(1)
    assert [call.campaign for call in harness.claim(2).calls] == ["", slow], "between single calls of the installation"
    harness.result(next(call.extid for call in first.calls if call.campaign == narrow))
    assert [call.campaign for call in harness.claim(2).calls] == ["", narrow]


def test_a_paused_campaign_of_a_tenant_leaves_the_turns_and_its_copy_is_the_tenants(
    redis_server: EmbeddedRedis,
) -> None:
    harness = Harness(redis_server)
    paused = harness.submit(5, "paused", owner="shop", tenant=True)
    harness.pace()
    harness.pause(paused)
    assert harness.claim(5).status == "empty"
    copy = harness.front.clone(paused, actor="test")
    harness.resume(copy.id)
    for _ in range(2):
        harness.resume(paused)
        harness.pace()
        assert harness.store.redis.lrange(f"{keys.PREFIX}turns:default:n", 0, -1) == [b"shop"]
        assert {call.campaign for call in harness.claim(2).calls} == {paused, copy.id}
    assert harness.store.redis.zcard(f"{keys.PREFIX}fair:default:n") == 0


def test_no_priority_of_a_tenant_keeps_others_waiting(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)

    def by(owner: str, priority: str, count: int) -> list[str]:
        tenant = "1" if owner else ""
        return [
            harness.enqueue(phone(900), phone(901), owner=owner, tenant=tenant, priority=priority) for _ in range(count)
        ]

    def order(count: int) -> list[str]:
        return [call.record for call in harness.claim(count).calls]

    flood, normal, own = by("shop", "u", 40), by("shop", "n", 5), by("", "n", 2)
    bulk = by("crm", "b", 2)
    assert order(1) == flood[:1]
    assert order(5) == [own[0], flood[1], own[1], flood[2], bulk[0]]
    urgent = by("", "u", 1)
    assert order(4) == [flood[3], urgent[0], flood[4], bulk[1]], "the installation's urgent calls wait for one call"
    assert order(36) == [*flood[5:], normal[0]], "the tenant's own calls in the order of their priorities"


def test_single_calls_go_before_campaigns_and_urgent_before_all(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    normal, bulk = harness.submit(2, "normal"), harness.submit(2, "bulk", priority="bulk")
    harness.pace()
    single = harness.enqueue(phone(900), phone(901))
    urgent = harness.enqueue(phone(902), phone(903), priority="u")
    order = harness.claim(6).calls
    assert [call.record for call in order[:2]] == [urgent, single]
    assert [call.campaign for call in order[2:]] == [normal, normal, bulk, bulk]
