"""Weights, pace and channels: how campaigns share what an account has."""

from collections import Counter

import pytest
from campaign_harness import Desk, phone

from alodial.store import keys
from alodial.testing.redis_server import EmbeddedRedis


def shares(desk: Desk, calls: int, *, room: int = 1) -> Counter[str]:
    """Which campaigns the next calls belong to; each is answered at once."""
    seen: Counter[str] = Counter()
    while seen.total() < calls:
        desk.pace()
        claimed = desk.claim(min(room, calls - seen.total())).calls
        if not claimed:
            break
        for call in claimed:
            assert desk.post(call) == "submitted"
            desk.result(call.extid)
        seen.update(call.campaign for call in claimed)
    return seen


@pytest.mark.parametrize("room", [1, 7, 40])
def test_weights_of_3_and_1_share_3_to_1_whatever_a_claim_takes(redis_server: EmbeddedRedis, room: int) -> None:
    desk = Desk(redis_server, calls_per_second=5)
    desk.limits = desk.limits.model_copy(update={"calls_per_second": 0})
    heavy, light = desk.submit(700, "heavy", weight=3), desk.submit(400, "light", weight=1)
    seen = shares(desk, 400, room=room)
    assert seen[heavy] / seen[light] == pytest.approx(3, rel=0.05)
    desk.check(heavy, light)


def test_a_paused_campaign_costs_the_others_nothing_and_goes_on_where_it_was(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, calls_per_second=5)
    desk.limits = desk.limits.model_copy(update={"calls_per_second": 0})
    heavy, light = desk.submit(900, "heavy", weight=3), desk.submit(500, "light", weight=1)
    third = desk.submit(200, "third", weight=4)
    before = shares(desk, 80)
    desk.pause(third)
    front = desk.ready(third)
    while_paused = shares(desk, 400)
    assert while_paused[third] == 0
    assert while_paused[heavy] / while_paused[light] == pytest.approx(3, rel=0.05)
    assert desk.ready(third) == front, "untouched"
    rung = len([row for row in desk.rung if row.campaign == third])
    assert rung == before[third]
    desk.resume(third)
    after = shares(desk, 160)
    assert after[third] == pytest.approx(80, rel=0.06), "its share, and nothing for the time that it was away"
    mine = [row.numbers[0] for row in desk.rung if row.campaign == third]
    assert mine == [phone(n) for n in range(len(mine))], "row by row, none skipped and none twice"
    desk.check(heavy, light, third)


def test_a_campaign_that_ran_dry_comes_back_to_its_share_and_no_more(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    heavy, light = desk.submit(700, "heavy", weight=3), desk.submit(500, "light", weight=1)
    desk.pace()
    desk.store.redis.delete(f"{keys.PREFIX}fill:{heavy}")
    waiting = desk.ready(heavy)
    desk.store.redis.ltrim(keys.campaign_ready(heavy), 0, 29)
    assert shares(desk, 200) == {heavy: 30, light: 170}
    desk.store.redis.rpush(keys.campaign_ready(heavy), *waiting[30:])
    desk.store.redis.zadd(f"{keys.PREFIX}wake", {heavy: 1})
    assert shares(desk, 200, room=5)[heavy] == pytest.approx(150, rel=0.05)


def test_a_campaign_that_its_channels_held_back_saves_up_no_share(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    held, other = desk.submit(300, "held", channels=1), desk.submit(600, "other")
    desk.pace()
    first = next(call for call in desk.claim(2).calls if call.campaign == held)
    desk.post(first)
    assert shares(desk, 300)[held] == 0
    desk.front.change(held, actor="test", channels=None)
    assert shares(desk, 100)[held] == pytest.approx(50, abs=3)
    assert shares(desk, 100)[other] == pytest.approx(50, abs=3)


def test_a_campaign_never_holds_more_than_its_channels(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, max_concurrent_calls=10)
    shared, free = desk.submit(50, "shared", channels=3), desk.submit(50, "free")
    desk.pace()
    held = []
    while calls := desk.claim(4).calls:
        held += calls
        for call in calls:
            assert desk.post(call) == "submitted"
    assert Counter(call.campaign for call in held) == {shared: 3, free: 7}
    assert desk.claim(4).status == "cap"
    ended = next(call for call in held if call.campaign == shared)
    desk.result(ended.extid)
    again = desk.claim(4).calls
    assert len(again) == 1
    for outcome in ("retry", "rejected"):
        one = next(call for call in held if call.campaign == shared and call is not ended)
        held.remove(one)
        desk.result(one.extid)
        call = next(call for call in desk.claim(1).calls)
        desk.post(call, outcome, delay=900)  # type: ignore[arg-type]  # one of the outcomes
        assert desk.store.redis.zscore(f"{keys.PREFIX}gchan:{shared}", call.record) is None
    used = desk.store.redis.zcard(f"{keys.PREFIX}gchan:{shared}")
    assert used <= 3


def test_only_its_own_channels_full_is_a_cap_and_not_empty(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.submit(5, channels=1)
    desk.pace()
    first, then = desk.claim(5), desk.claim(5)
    assert (first.status, len(first.calls)) == ("cap", 1)
    assert (then.status, then.calls) == ("cap", [])


def test_a_pace_holds_a_campaign_back_and_a_change_works_at_once(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    slow = desk.submit(200, "slow", pace=0.1)
    desk.pace()
    assert len(desk.claim(10).calls) == 1
    paced = desk.claim(10)
    assert (paced.status, paced.wait, paced.calls) == ("paced", 10, [])
    desk.front.change(slow, actor="test", pace=10)
    taken = 0
    for _ in range(50):
        desk.later(0.1)
        taken += len(desk.claim(10).calls)
    assert 48 <= taken <= 51, "ten a second from now on, not once the old pause is over"
    desk.front.change(slow, actor="test", pace=None)
    assert len(desk.claim(50).calls) == 50


def test_a_change_that_leaves_the_pace_alone_starts_no_call_early(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    slow = desk.submit(20, "slow", pace=0.1)
    desk.pace()
    assert len(desk.claim(10).calls) == 1
    desk.front.change(slow, actor="test", weight=5)
    again = desk.claim(10)
    assert (again.status, again.calls) == ("paced", [])


def test_a_pace_holds_when_the_hopper_runs_dry_again_and_again(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    paced = desk.submit(400, "paced", pace=40)
    desk.pace()
    rows = desk.ready(paced)
    desk.store.redis.delete(keys.campaign_ready(paced))
    taken = 0
    for turn in range(200):  # a second, in which two calls are ready every 5 ms
        desk.store.redis.rpush(keys.campaign_ready(paced), rows[turn % len(rows)])
        desk.store.redis.zadd(f"{keys.PREFIX}wake", {paced: 1})
        desk.pace(fill=False)
        taken += len(desk.claim(2, 0.05).calls)
        desk.later(0.005)
    assert taken <= 40 * 1.05 + 1 + 40 * 0.05


def test_single_calls_go_before_campaigns_and_urgent_before_all(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    normal, bulk = desk.submit(2, "normal"), desk.submit(2, "bulk", priority="bulk")
    desk.pace()
    single = desk.enqueue(phone(900), phone(901))
    urgent = desk.enqueue(phone(902), phone(903), priority="u")
    order = desk.claim(6).calls
    assert [call.record for call in order[:2]] == [urgent, single]
    assert [call.campaign for call in order[2:]] == [normal, normal, bulk, bulk]
