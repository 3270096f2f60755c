"""Rows become calls of the hopper, each once, whoever brings them."""

import pytest
from campaign_harness import Desk

from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.hopper import HopperFiller


def test_a_chunk_that_two_fillers_bring_is_called_once(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(700)
    (hopper,) = desk.pace(fill=False).hoppers
    desk.filler.fill(hopper)
    HopperFiller(desk.store, desk.settings).fill(hopper)
    assert desk.campaign(campaign).number("cur") == 700
    assert len(desk.ring_all()) == 700
    assert len({number for rung in desk.rung for number in rung.numbers}) == 700
    desk.check(campaign)


@pytest.mark.parametrize("act", ["pause", "cancel"])
def test_rows_on_their_way_into_the_hopper_stay_away_when_it_is_too_late(redis_server: EmbeddedRedis, act: str) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(700)
    (hopper,) = desk.pace(fill=False).hoppers
    getattr(desk, act)(campaign)
    assert desk.filler.fill(hopper) == []
    assert desk.records(campaign) == {}
    desk.check(campaign)
