"""A campaign's end that is moved holds for every row, also for those that are calls already."""

from datetime import UTC, datetime, timedelta

import pytest
from campaign_harness import Harness, phone

from alodial.campaigns.errors import CampaignNotAllowed
from alodial.testing.redis_server import EmbeddedRedis

REDIAL = {"max_attempts": 3, "delays": {"busy": [1800]}}


def moment(harness: Harness, minutes: float) -> datetime:
    return datetime.fromtimestamp(harness.ms / 1000, UTC) + timedelta(minutes=minutes)


def test_a_later_end_reaches_the_hopper_and_redials(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3, ends_at=moment(harness, 40).isoformat(), redial=REDIAL)
    harness.pace()
    first = harness.ring("busy")
    second = harness.take()  # claimed under the old end
    harness.front.change(campaign, actor="test", ends_at=moment(harness, 200))
    harness.later(30 * 60)
    harness.pace()
    harness.settle(second, "release")
    rung = harness.ring_all("busy")
    assert len(rung) == 3
    # Past the old end: what waits is not swept away, and redials go on.
    harness.later(20 * 60)
    harness.sweep()
    harness.pace()
    assert {record["s"] for record in harness.records(campaign).values()} == {"scheduled"}
    harness.later(60 * 60)
    assert len(harness.ring_all("answered")) == 3
    assert harness.campaign(campaign).state == "completed"
    assert first.record in {row.record for row in harness.rung}
    harness.check(campaign)


def test_a_hopper_outlives_the_old_end(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(4, ends_at=moment(harness, 10).isoformat())
    harness.pace()
    harness.front.change(campaign, actor="test", ends_at=moment(harness, 60))
    harness.later(15 * 60)
    harness.sweep()
    assert len(harness.ring_all()) == 4
    harness.check(campaign)


def test_an_end_that_is_taken_away_holds_nobody_back(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2, ends_at=moment(harness, 10).isoformat())
    harness.pace()
    harness.front.change(campaign, actor="test", ends_at=None)
    harness.later(3600)
    harness.sweep()
    assert len(harness.ring_all()) == 2
    harness.check(campaign)


def test_a_rows_own_limit_stays_when_the_end_is_moved(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(
        [{"phone": phone(0), "expires_at": moment(harness, 20).isoformat()}, {"phone": phone(1)}],
        ends_at=moment(harness, 10).isoformat(),
    )
    harness.pace()
    harness.front.change(campaign, actor="test", ends_at=moment(harness, 60))
    harness.later(25 * 60)
    harness.sweep()
    harness.ring_all()
    assert [row.numbers for row in harness.rung] == [(phone(1),)]
    harness.check(campaign)


@pytest.mark.parametrize("paced", [True, False])
def test_an_end_that_has_passed_cannot_be_moved(redis_server: EmbeddedRedis, paced: bool) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3, ends_at=moment(harness, 10).isoformat())
    harness.pace()
    call = harness.take()
    assert harness.post(call) == "submitted"  # so that the campaign is not over yet
    harness.later(11 * 60)
    if paced:
        harness.pace()
    for later in (moment(harness, 60), None):
        with pytest.raises(CampaignNotAllowed, match="retry the campaign"):
            harness.front.change(campaign, actor="test", ends_at=later)
    assert harness.front.change(campaign, actor="test", pace=3).request["policy"]["pace"] == 3
    harness.sweep()
    harness.pace()
    harness.result(call.extid, "busy")
    harness.pace()
    assert harness.campaign(campaign).state == "completed"
    assert harness.front.retry_failed(campaign, actor="test").rows["good"] == 3


def test_an_earlier_end_still_ends_the_rows(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3, ends_at=moment(harness, 60).isoformat())
    harness.pace()
    harness.front.change(campaign, actor="test", ends_at=moment(harness, 10))
    harness.later(11 * 60)
    assert harness.ring_all() == []
    harness.pace()
    harness.claim(10)
    assert {record["s"] for record in harness.records(campaign).values()} == {"expired"}


@pytest.mark.parametrize("paced", [True, False])
def test_rows_cannot_be_added_after_the_end(redis_server: EmbeddedRedis, paced: bool) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2, ends_at=moment(harness, 10).isoformat())
    harness.pace()
    assert harness.post(harness.take()) == "submitted"  # so that the campaign is not over yet
    harness.later(11 * 60)
    if paced:
        harness.pace()
    with pytest.raises(CampaignNotAllowed, match="the end of campaign 'campaign' has passed"):
        harness.front.add(campaign, [phone(7)], actor="test")
    assert harness.campaign(campaign).number("tot") == 2
