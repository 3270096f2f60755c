"""Redis' clock goes back: no campaign waits for it, and the step that makes it good does not grow with their number."""

from typing import Any

from campaign_harness import Harness
from test_store_runnable import commands

from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

HOUR = 3600


def pass_by(harness: Harness, seconds: float) -> None:
    """Time in which no pacer looks."""
    harness.now += round(seconds * 1_000_000)
    harness.store.set_clock(harness.now, attended=False)


def goes_back(harness: Harness) -> None:
    pass_by(harness, -HOUR)


def a_while(harness: Harness, seconds: float) -> None:
    """As pacers see it: they look four times a second."""
    for _ in range(round(seconds * 4)):
        harness.pace()
        pass_by(harness, 0.25)


def test_a_pace_holds_nothing_for_an_hour_when_the_clock_goes_back_an_hour(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(4, pace=0.5)
    harness.pace()
    harness.ring()
    goes_back(harness)
    a_while(harness, 1)
    assert not harness.claim().calls, "a call in two seconds"
    a_while(harness, 3)
    harness.ring()


def test_whoever_waited_for_a_slot_goes_on_when_the_clock_goes_back(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(4, pace=0.5)
    harness.pace()
    harness.ring()
    assert harness.claim().status == "paced"
    goes_back(harness)
    a_while(harness, 1)
    assert not harness.claim().calls
    a_while(harness, 3)
    harness.ring()


def test_a_hopper_that_ran_low_is_filled_when_the_clock_goes_back(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.filler.rooms = lambda: {"default": 2}  # type: ignore[method-assign]
    harness.submit(4)
    harness.pace()
    assert len(harness.claim(2).calls) == 2
    goes_back(harness)
    a_while(harness, 3)
    assert len(harness.claim(2).calls) == 2


def test_a_share_of_channels_is_free_after_its_own_time_when_the_clock_goes_back(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, max_concurrent_calls=10, channel_timeout=60)
    harness.submit(3, channels=1)
    harness.pace()
    harness.post(harness.take())  # its result is lost
    assert harness.claim().status == "cap"
    goes_back(harness)
    a_while(harness, 30)
    assert not harness.claim().calls, "it may talk still"
    a_while(harness, 61)
    assert harness.claim().calls, "and not an hour later"


def test_a_clock_that_goes_back_costs_the_same_however_many_campaigns_there_are(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    client: Any = harness.store.redis

    def cost(campaigns: int) -> int:
        client.sadd(keys.CAMPAIGNS_LIVE, *(f"none-{n}" for n in range(campaigns)))
        harness.pace()
        goes_back(harness)
        return commands(harness, harness.pace)

    few = cost(1000)
    assert cost(4000) < few + 300, "the patrol looks at about a hundred a step, two hundred at most"
