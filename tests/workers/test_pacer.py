"""When a pacer looks: often while there is work, seldom while there is none, and soon again once there is."""

import pytest

from alodial import CallQueue, TwoWayCall
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, redis_checks, workers
from alodial.store.counters import Counters
from alodial.store.supervision import Supervisor
from alodial.wakeup import Waker
from alodial_workers import pacer as pacer_module
from alodial_workers.hopper import HopperFiller
from alodial_workers.pacer import CALM_TICK, FILL_TICK, TICK, Pacer
from waiting import wait_until

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
CAMPAIGN = {
    "name": "spring",
    "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"},
    "policy": {"hours": {"windows": "daily 00:00-24:00"}},
}


def pacer_of(queue: CallQueue, settings: Settings, *, works: bool = False) -> Pacer:
    filler = HopperFiller(queue.store, settings)
    return Pacer(queue.store, Waker(settings), filler, Supervisor(Counters()), works=lambda: works)


def test_a_pacer_looks_seldom_until_calls_are_ready_or_its_process_works(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        assert pacer_of(queue, settings).tick() == CALM_TICK
        assert pacer_of(queue, settings, works=True).tick() == TICK
        pacer = pacer_of(queue, settings)
        queue.enqueue(CALL)
        assert pacer.tick() == TICK
        queue.store.redis.flushdb()
        assert pacer.tick() == TICK, "what failed just now comes back soon"


def test_the_pacers_of_several_workers_share_the_looks(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        for number in range(2):
            queue.store.call(workers.write_heartbeat, workers.Heartbeat(f"w{number}", 0, 1, "host", 0))
        assert pacer_of(queue, settings, works=True).tick() == 2 * TICK
        for number in range(50):
            queue.store.call(workers.write_heartbeat, workers.Heartbeat(f"w{number}", 0, 1, "host", 0))
        assert pacer_of(queue, settings, works=True).tick() == CALM_TICK


def test_a_pacer_that_fills_a_hopper_looks_again_soon(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        queue.submit_campaign([{"phone": "994412860"}], CAMPAIGN)
        pacer = pacer_of(queue, settings)
        assert pacer.tick() == FILL_TICK
        assert pacer.tick() == TICK


@pytest.mark.parametrize(("rate", "most"), [(0, 1000), (2, 3000)])
def test_other_workers_are_called_for_help_every_second_and_seldom_where_only_the_rate_is_in_the_way(
    settings: Settings, rate: float, most: int
) -> None:
    limits = AccountSettings(calls_per_second=rate, max_concurrent_calls=0)
    with CallQueue(settings=settings) as queue:
        queue.enqueue_many([CALL] * 9)
        epoch = redis_checks.epoch(queue.store.redis, queue.store.keys)
        queue.store.run(
            call_transitions.claim(settings, "default", limits, epoch=epoch, room=2, horizon=0.05, attend=5)
        )
        assert queue.store.run(call_transitions.pace({"default": 50})).accounts == ["default"]
        assert most - 1000 < queue.store.redis.pttl("alodial:{dial}:help:default") <= most
        assert queue.store.run(call_transitions.pace({"default": 50})).accounts == []


def test_a_pacer_looks_soon_once_its_process_is_given_work(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacer_module, "CALM_TICK", 3600.0)
    with CallQueue(settings=settings) as queue:
        pacer = pacer_of(queue, settings)
        pacer.start()
        wait_until(lambda: pacer._rests)
        looks = 0
        tick = pacer.tick

        def counted() -> float:
            nonlocal looks
            looks += 1
            return tick()

        monkeypatch.setattr(pacer, "tick", counted)
        pacer.rouse()
        wait_until(lambda: looks > 1)
        pacer.stop(15)
        assert not pacer.is_alive()
