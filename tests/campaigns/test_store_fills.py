"""Rows become calls in the hopper, each once, whichever process fills it."""

import pytest
from campaign_harness import Harness

from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.hopper import HopperFiller


def test_a_chunk_that_two_fillers_bring_is_called_once(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(700)
    (hopper,) = harness.pace(fill=False).hoppers
    harness.filler.fill(hopper)
    HopperFiller(harness.store, harness.settings).fill(hopper)
    assert harness.campaign(campaign).number("cur") == 700
    assert len(harness.ring_all()) == 700
    assert len({number for rung in harness.rung for number in rung.numbers}) == 700
    harness.check(campaign)


@pytest.mark.parametrize("act", ["pause", "cancel"])
def test_rows_on_their_way_into_the_hopper_are_not_called_when_it_is_too_late(
    redis_server: EmbeddedRedis, act: str
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(700)
    (hopper,) = harness.pace(fill=False).hoppers
    getattr(harness, act)(campaign)
    assert harness.filler.fill(hopper) == []
    assert harness.records(campaign) == {}
    harness.check(campaign)
