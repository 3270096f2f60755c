"""Redis away, or its clock set: nobody's lease runs out for it, and no account is held for it."""

import pytest
from test_late_information import Late

from alodial.store import call_transitions
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


class Clock(Late):
    """As Late; time may also pass while no pacer looks."""

    def jump(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000)
        self.store.set_clock(self.now, attended=False)


@pytest.fixture
def clock(redis_server: EmbeddedRedis) -> Clock:
    clock = Clock(redis_server, calls_per_second=5, burst=5)
    clock.pace()
    return clock


@pytest.mark.parametrize("first", ["sweep", "pace"])
@pytest.mark.parametrize("seconds", [15, 90, 86_400])
def test_a_call_under_way_keeps_its_lease_while_redis_is_away_or_its_clock_jumps(
    clock: Clock, seconds: int, first: str
) -> None:
    [extid] = clock.enqueue(on_unconfirmed="redial")
    call = clock.out()
    clock.jump(seconds)
    getattr(clock, first)()
    clock.pace()
    clock.sweep()
    assert clock.of(extid, "s") == ["submitting"]
    assert clock.says(call, "retry", delay=1) == "scheduled", "a refusal that was known all the time is not thrown away"


def test_a_call_whose_worker_died_is_recovered_after_the_rest_of_its_lease(clock: Clock) -> None:
    [extid] = clock.enqueue()
    clock.out()
    clock.later(10)
    clock.jump(60)
    assert clock.pace().step == 60
    for _ in range(6):
        clock.later(1)
        clock.pace()
        clock.sweep()
    assert clock.of(extid, "s") == ["unconfirmed"], "15 s in which somebody looked"


def test_workers_that_live_three_seconds_recover_a_call_all_the_same(clock: Clock) -> None:
    [extid] = clock.enqueue()
    clock.out()
    lives = 0
    while clock.of(extid, "s") == ["submitting"]:
        lives += 1
        clock.jump(10)
        clock.pace()
        for _ in range(3):
            clock.sweep()
            clock.later(1)
            clock.pace()
    assert lives <= 6


def test_results_are_not_overdue_before_a_spool_had_time_to_drain(clock: Clock) -> None:
    [extid] = clock.enqueue()
    clock.says(clock.out(), "taken")
    clock.jump(clock.settings.result_timeout + 1)
    clock.pace()
    clock.sweep()
    assert clock.of(extid, "s") == ["submitted"]
    clock.later(61)
    clock.sweep()
    assert clock.of(extid, "s") == ["timed_out"]


def test_a_clock_that_goes_back_an_hour_holds_nothing_for_an_hour(redis_server: EmbeddedRedis) -> None:
    clock = Clock(redis_server, calls_per_second=5, max_concurrent_calls=20, channel_timeout=60)
    clock.pace()
    clock.enqueue(20)
    held = clock.claim(room=2, horizon=1).calls
    assert clock.arm(held[0]).outcome == "armed"
    item = call_transitions.Settling(held[0].record, held[0].token, "retry", 1, 2, "{}", "http_429", 1)
    clock.store.run(call_transitions.settle(clock.settings, clock.limits, [item]))
    clock.store.redis.set(f"{keys.PREFIX}bell:default", "1")
    clock.jump(-3600)
    step = clock.pace()
    assert step.step == -3600
    assert not clock.store.redis.exists(f"{keys.PREFIX}bell:default"), "it would be taken for attended for an hour"
    clock.later(2.5)
    claim = clock.claim(room=5, horizon=1)
    assert claim.calls, claim
    assert clock.arm(claim.calls[0], clock.now).outcome == "armed"
    # Nobody else's lease lasts an hour either: the call that was claimed before is given back in time.
    for _ in range(20):
        clock.later(1)
        clock.pace()
        clock.sweep()
    assert clock.of(held[1].record, "s", "tok")[0] == "queued"
    assert clock.store.redis.zscore(keys.LEASE, held[1].record) is None
    clock.later(61)
    assert clock.claim(room=20, horizon=1).status != "cap", "channels are free after their own time"


def test_a_small_correction_of_the_clock_changes_nothing(clock: Clock) -> None:
    [extid] = clock.enqueue()
    clock.out()
    before = clock.store.redis.zscore(keys.LEASE, extid)
    clock.jump(-0.9)
    assert clock.pace().step == 0
    clock.jump(1.9)
    assert clock.pace().step == 0
    assert clock.store.redis.zscore(keys.LEASE, extid) == before
