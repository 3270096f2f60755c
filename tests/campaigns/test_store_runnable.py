"""Only campaigns that may be called now are looked at: others cost nothing and keep nobody from going, however many they are."""

from collections.abc import Callable
from typing import Any

import pytest
from campaign_harness import Harness

from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

KINDS = ("g", "gc", "gq", "rows", "cal", "day", "out", "gchan", "zones")
FAIR = f"{keys.PREFIX}fair:default:n"
FULL = f"{keys.PREFIX}full:default:n"


def copies(harness: Harness, campaign: str, count: int) -> list[str]:
    """Campaigns like this one, made as quickly as 5,000 of them need; their calls have records of their own."""
    client: Any = harness.store.redis
    ids = [f"{campaign[:-6]}{n:06}" for n in range(count)]
    ready = harness.ready(campaign)
    with client.pipeline(transaction=False) as pipe:
        for n, id in enumerate(ids):
            for kind in KINDS:
                pipe.copy(f"{keys.PREFIX}{kind}:{campaign}", f"{keys.PREFIX}{kind}:{id}")
            pipe.sadd(keys.CAMPAIGNS_LIVE, id)
            pipe.delete(keys.campaign_ready(id))
            for at, x in enumerate(ready):
                extid = str(10_000_000 + 1000 * n + at)
                pipe.copy(keys.record(x), keys.record(extid))
                pipe.hset(keys.record(extid), mapping={"g": id, "id": f"call-{extid}"})
                pipe.rpush(keys.campaign_ready(id), extid)
        pipe.delete(f"{keys.PREFIX}patrol")  # so that the pacer finds them
        pipe.execute()
    return ids


def commands(harness: Harness, act: Callable[[], object]) -> int:
    """How many commands Redis ran for this, those inside of scripts counted."""

    def count() -> int:
        stats: Any = harness.store.redis.info("commandstats")
        return sum(row["calls"] for name, row in stats.items() if name not in ("cmdstat_info", "cmdstat_config"))

    before = count()
    act()
    return count() - before


def settled(harness: Harness) -> None:
    """Paces until each campaign was looked at."""
    client: Any = harness.store.redis
    while harness.pace(fill=False).next_due == 0 or int(client.hget(f"{keys.PREFIX}patrol", "at")) <= harness.ms:
        pass


@pytest.mark.parametrize("held_by", ["channels", "pace", "hours"])
def test_who_may_not_go_keeps_nobody_from_going(redis_server: EmbeddedRedis, held_by: str) -> None:
    harness = Harness(redis_server)
    limits: dict[str, Any] = {"channels": {"channels": 1}, "pace": {"pace": 0.01}, "hours": {}}[held_by]
    held = harness.submit(2, "held", **limits)
    harness.pace()
    first = harness.take()
    assert harness.post(first) == "submitted"
    ids = copies(harness, held, 1205)
    client: Any = harness.store.redis
    with client.pipeline(transaction=False) as pipe:
        for n, id in enumerate(ids):
            if held_by == "hours":
                pipe.delete(keys.calendar(id))
            pipe.zadd(FAIR, {id: n / 10_000})
        pipe.execute()
    harness.result(first.extid)
    harness.cancel(held)
    unlimited = harness.submit(3, "unlimited")
    harness.pace()
    client.zadd(FAIR, {unlimited: 5})
    taken = []
    for _ in range(12):
        claim = harness.claim(3 - len(taken))
        taken += [call.campaign for call in claim.calls]
        if len(taken) == 3:
            break
        assert claim.status == "ok", "come again: not all were looked at"
        assert claim.wait == 0
    assert taken == [unlimited] * 3


def test_a_channel_that_is_free_brings_back_who_waited_for_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    held = harness.submit(3, "held", channels=1)
    harness.pace()
    for end in ("result", "rejected", "retry", "release"):
        call = harness.take()
        assert harness.claim(5).status == "cap"
        assert harness.store.redis.sismember(FULL, held)
        if end == "result":
            assert harness.post(call) == "submitted"
            harness.result(call.extid)
        elif end == "release":
            harness.settle(call, "release")
        else:
            harness.post(call, end, delay=900)  # type: ignore[arg-type]  # one of the outcomes
        assert not harness.store.redis.sismember(FULL, held)
        if end == "rejected":
            harness.front.add(held, ["+998901112233", "+998901112244"], actor="test")
            harness.pace()
    assert harness.take().record == call.record
    harness.check(held)


def test_a_channel_that_an_earlier_version_frees_brings_back_who_waited_for_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    held = harness.submit(3, "held", channels=1)
    harness.pace()
    harness.take()
    assert harness.claim(5).status == "cap"
    harness.store.redis.delete(f"{keys.PREFIX}gchan:{held}")
    assert harness.claim(5).status == "cap"
    harness.later(61)
    harness.pace()
    assert [call.campaign for call in harness.claim(1).calls] == [held]


def test_a_campaign_with_nothing_ready_does_not_say_that_channels_are_full(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(1, "held", channels=1)
    harness.pace()
    assert len(harness.claim(5).calls) == 1
    assert harness.claim(5).status == "empty"


def test_a_resumed_campaign_goes_on_at_once(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3)
    harness.pace()
    harness.pause(campaign)
    assert harness.claim(5).calls == []
    harness.resume(campaign)
    assert len(harness.claim(5).calls) == 3


def test_a_hopper_is_filled_when_it_runs_low_and_not_before(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=5)
    harness.limits = harness.limits.model_copy(update={"calls_per_second": 0})
    campaign = harness.submit(200)  # whose hopper holds 50
    for _ in range(3):
        harness.pace()
    assert len(harness.ready(campaign)) == 50
    harness.claim(25)
    assert harness.pace().hoppers == []
    harness.claim(1)
    (hopper,) = harness.pace().hoppers
    assert (hopper.campaign, hopper.room) == (campaign, 26)
    assert len(harness.ready(campaign)) == 50


def test_a_hopper_whose_filler_died_is_filled_by_another(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3)
    assert [hopper.campaign for hopper in harness.pace(fill=False).hoppers] == [campaign]
    assert harness.pace(fill=False).hoppers == [], "it is being filled"
    harness.later(2.1)
    assert [hopper.campaign for hopper in harness.pace().hoppers] == [campaign]
    assert len(harness.claim(5).calls) == 3


def test_campaigns_with_nothing_to_do_cost_a_step_nothing(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    running = harness.submit(40, "running")
    paused = harness.submit(40, "paused", paused=True)
    far = harness.submit(40, "far", starts_at="2027-01-20T09:00:00+05:00")
    harness.pace()
    settled(harness)
    harness.claim(1)
    before = [commands(harness, harness.pace), commands(harness, lambda: harness.claim(1))]
    for id in (paused, far):
        copies(harness, id, 1000)
    settled(harness)
    assert [commands(harness, harness.pace), commands(harness, lambda: harness.claim(1))] == before
    # Those that run and are full do not cost more either: one call more or less is looked at.
    for id in copies(harness, running, 500):
        harness.store.redis.zadd(FAIR, {id: 0})
    settled(harness)
    assert commands(harness, harness.pace) <= before[0] + 20
    assert commands(harness, lambda: harness.claim(1)) <= before[1] + 50


def test_a_step_looks_at_so_many_campaigns_and_the_next_begins_at_once(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    far = harness.submit(2, "far", starts_at="2027-01-20T09:00:00+05:00")
    harness.pace()
    ids = copies(harness, far, 700)
    settled(harness)
    harness.until("2027-01-20 09:00")
    steps = 0
    while harness.pace(fill=False).next_due == 0:
        steps += 1
        assert steps < 50
    assert steps >= 3
    assert {harness.campaign(id).state for id in ids} == {"running"}


def test_campaigns_of_an_earlier_version_are_called_on(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    ready = harness.submit(2, "ready")
    harness.pace()
    full = harness.submit(2, "full", channels=1)
    harness.pace()
    calls = harness.claim(3).calls
    assert sorted(call.campaign for call in calls) == sorted([ready, ready, full])
    harness.submit(2, "not begun")
    harness.submit(2, "far", starts_at="2027-01-20T09:00:00+05:00")
    # What that version kept: no such indexes, and who has no channel among those that may go.
    client: Any = harness.store.redis
    client.delete(f"{keys.PREFIX}wake", f"{keys.PREFIX}hungry", f"{keys.PREFIX}patrol", FULL)
    client.hdel(keys.account("default"), "low")
    client.zadd(FAIR, {full: 0})
    for call in calls:
        harness.post(call)
        harness.result(call.extid)
    rung = harness.ring_all()
    assert len(rung) == 3, "the row that waited for a channel, and both that were not in a hopper"
    harness.until("2027-01-20 09:00")
    assert len(harness.ring_all()) == 2
