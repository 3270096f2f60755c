"""Calendars follow their sources: they are made anew every day, and when settings or the campaign change."""

from collections import Counter
from datetime import date
from itertools import pairwise
from typing import Any

from campaign_harness import Harness, phone

from alodial.campaigns.calendar import renew_calendars
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

DAY = 86_400


def renew(harness: Harness, since: int = 0, **changed: Any) -> None:
    """What a worker's sweeper does, of a worker with these settings."""
    settings = harness.settings.model_copy(update=changed)
    renew_calendars(harness.store, settings, since)


def members(harness: Harness, name: str) -> list[bytes]:
    found: Any = harness.store.redis.zrange(name, 0, -1)
    return found


def test_hours_by_the_numbers_zone_are_renewed_past_day_39(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    hours = {"windows": "daily 09:00-18:00", "timezone": "number"}
    harness.until("2027-01-16 09:00")
    campaign = harness.submit(80, hours=hours, daily={"calls": 1})
    rung = 0
    for _ in range(80):
        renew(harness)
        harness.pace()
        rung += len(harness.ring_all("busy"))
        harness.later(DAY)
    assert rung == 80
    assert harness.store.redis.zcard(keys.calendar(campaign, "Asia/Tashkent")) < 100
    harness.check(campaign)


def test_zones_of_a_campaign_from_before_they_were_kept_are_found(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-16 09:00")
    campaign = harness.submit(2, hours={"windows": "daily 09:00-18:00", "timezone": "number"})
    harness.pace()
    harness.store.redis.delete(keys.campaign_zones(campaign), keys.calendar(campaign, "Asia/Tashkent"))
    assert not harness.claim(5).calls
    renew(harness)
    harness.later(3600)
    harness.pace()
    assert len(harness.ring_all()) == 2


def test_a_holiday_that_is_new_in_the_settings_reaches_a_live_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calling_hours="daily 09:00-18:00")
    harness.until("2027-01-16 10:00")
    campaign = harness.submit(5, hours=None)
    renew(harness, since=1)
    harness.pace()
    harness.ring()
    renew(harness, since=2, holidays=(date(2027, 1, 17),))
    harness.until("2027-01-17 10:00")
    renew(harness, since=2, holidays=(date(2027, 1, 17),))
    assert harness.ring_all() == []
    # A worker that was started earlier, with other settings, does not take it back.
    renew(harness, since=1)
    assert harness.ring_all() == []
    # One that was started later does.
    renew(harness, since=3)
    assert len(harness.ring_all()) == 4
    harness.check(campaign)


def test_courtesy_hours_and_hours_of_the_settings_reach_a_live_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calling_hours="daily 09:00-18:00")
    harness.until("2027-01-16 17:00")
    harness.submit(4, hours=None)
    renew(harness)
    renew(harness, courtesy_hours="daily 10:00-16:00")
    assert harness.ring_all() == []
    renew(harness, calling_hours="daily 09:00-21:00")
    assert len(harness.ring_all(limit=2)) >= 2
    harness.until("2027-01-16 23:00")
    renew(harness, calling_hours="daily 00:00-24:00")
    harness.submit(1, name="late", hours=None)
    renew(harness, calling_hours="daily 09:00-21:00")
    assert harness.ring_all() == []


def test_hours_that_open_earlier_wake_who_waits(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calling_hours="daily 09:00-18:00")
    harness.until("2027-01-16 17:00")
    harness.submit(2, hours=None)
    harness.pace()
    harness.until("2027-01-16 19:00")
    harness.pace()  # no round through all campaigns for the next five minutes
    assert not harness.claim(5).calls  # away until nine
    renew(harness, calling_hours="daily 09:00-23:00")
    assert len(harness.ring_all()) == 2


def test_another_time_zone_does_not_give_the_days_calls_twice(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calling_hours="daily 00:00-24:00", daily_calls=10)
    harness.until("2027-01-16 00:30")
    campaign = harness.submit(400, hours=None, daily={"calls": 6})
    renew(harness)
    start = harness.ms
    zones = {1: "UTC", 30: "Asia/Tashkent", 50: "America/New_York", 80: "UTC"}
    zone = "Asia/Tashkent"
    for hour in range(120):
        zone = zones.get(hour, zone)
        renew(harness, timezone=zone)
        days = sorted(int(day) for day in members(harness, keys.days(campaign)))
        assert all(later - earlier >= 72_000_000 for earlier, later in pairwise(days))
        harness.pace()
        harness.ring_all()
        harness.later(3600)
    by_span = Counter((row.at - start) // 72_000_000 for row in harness.rung)
    assert max(by_span.values()) <= 12  # 20 hours touch two days at most
    assert 4 * 6 <= len(harness.rung) <= 6 * 6


def test_calendars_are_written_once_a_day_and_not_every_minute(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(1, ends_at="2027-03-01T00:00:00+05:00")
    renew(harness)
    harness.store.ran.clear()
    renew(harness)
    assert harness.store.ran == []
    harness.later(DAY)
    renew(harness)
    assert harness.store.ran == ["calendar", "calendar"]


def test_a_campaign_that_cannot_be_read_does_not_close_the_others(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    broken = harness.submit(1, name="broken")
    whole = harness.submit([phone(7)], name="whole")
    harness.store.redis.hset(keys.campaign(broken), "req", "{")
    harness.later(DAY)
    renew(harness)
    assert harness.campaign(whole).fields["cf"].split()[1] == str(harness.ms // 86_400_000)


def test_rows_that_wait_for_their_zones_hours_learn_of_new_ones(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-16 10:00")
    campaign = harness.submit(
        250,
        hours={"windows": "daily 09:00-18:00", "timezone": "number"},
        redial={"max_attempts": 2, "delays": {"busy": [7200]}},
    )
    harness.pace()
    busy = harness.ring("busy")
    holidays = (date(2027, 1, 16), date(2027, 1, 17))
    renew(harness, holidays=holidays)
    assert harness.ring_all() == []
    assert harness.campaign(campaign).counts["scheduled"] == 250
    harness.later(60)
    renew(harness, holidays=holidays)  # the same once more recalls nobody
    renew(harness, since=harness.ms)
    harness.pace()
    rung = harness.ring_all()
    assert len(rung) == 249, "all but the one whose redial has its own delay"
    assert busy.record not in {call.record for call in rung}
    assert harness.store.redis.zcard(f"{keys.PREFIX}window:{campaign}") == 0
    harness.later(7200)
    assert [call.record for call in harness.ring_all()] == [busy.record]
    harness.check(campaign)
