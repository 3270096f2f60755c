"""Calling hours: what is claimed and armed lies inside of them, by the clock of the campaign's or the number's zone."""

import sys
from datetime import date, time

import pytest
from campaign_harness import Harness, phone

from alodial.store import call_transitions
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

LONDON, BERLIN, PARIS = "+442071838750", "+493012345678", "+33142685300"


def hours(windows: str, zone: str = "Asia/Tashkent", holidays: tuple[str, ...] = ()) -> dict[str, object]:
    return {"windows": windows, "timezone": zone, "holidays": holidays}


def test_nothing_is_claimed_before_the_hours_open_and_everything_when_they_do(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 07:00")
    campaign = harness.submit(5, hours="09:00-20:00")
    assert harness.ring_all() == []
    assert harness.campaign(campaign).number("cur") == 0, "rows stay packed while its hours are closed"
    harness.until("2027-01-15 08:59:59.999")
    assert harness.ring_all() == []
    harness.until("2027-01-15 09:00")
    assert len(harness.ring_all()) == 5
    harness.check(campaign)


def test_nothing_is_claimed_at_or_after_the_close(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, closing_margin=60)
    campaign = harness.submit(9, hours="09:00-20:00")
    assert len(harness.ring_all(limit=3, room=3)) == 3
    harness.until("2027-01-15 19:58:59.999")
    assert len(harness.claim(1).calls) == 1
    harness.until("2027-01-15 19:59")
    harness.pace()
    assert harness.claim(5).calls == []
    harness.until("2027-01-16 08:59:59.999")
    harness.pace()
    assert harness.claim(5).calls == []
    harness.until("2027-01-16 09:00")
    harness.sweep()
    assert len(harness.ring_all()) == 6
    harness.check(campaign)


def test_a_waiting_campaign_is_woken_at_its_opening_and_not_before(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5, hours="09:00-20:00")
    harness.pace()
    harness.until("2027-01-15 20:00")
    assert harness.claim(5).calls == []
    opens = harness.store.redis.zscore(f"{keys.PREFIX}wake", campaign)
    assert harness.clock(int(opens)).isoformat() == "2027-01-16T09:00:00+05:00"
    assert harness.pace().accounts == [], "no worker is woken for it during the night"
    assert harness.claim(5).status == "empty"
    harness.until("2027-01-16 09:00")
    assert harness.pace().accounts == ["default"]
    assert len(harness.claim(9).calls) == 5


def test_a_call_claimed_inside_and_armed_after_the_close_is_first_again_in_the_morning(
    redis_server: EmbeddedRedis,
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5, hours="09:00-20:00")
    harness.pace()
    harness.until("2027-01-15 19:59:59.999")
    calls = harness.claim(3).calls
    harness.until("2027-01-15 20:00")
    assert harness.arm(*calls) == ["hold"] * 3
    for call in reversed(calls):
        assert harness.settle(call, "release") == "queued"
    assert harness.ready(campaign)[:3] == [call.record for call in calls]
    assert harness.claim(5).calls == []
    harness.check(campaign)
    harness.until("2027-01-16 09:00")
    assert [call.record for call in harness.ring_all()][:3] == [call.record for call in calls]
    assert len(harness.rung) == 5
    harness.check(campaign)


def test_a_worker_that_dies_over_the_close_leaves_its_call_for_the_morning(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, hours="09:00-20:00")
    harness.pace()
    harness.until("2027-01-15 19:59:59")
    harness.take()
    harness.later(call_transitions.lease_seconds(harness.settings) + 1)
    harness.sweep()
    harness.check(campaign)
    assert harness.claim().calls == []
    harness.until("2027-01-16 09:00")
    assert len(harness.ring_all()) == 1


def swept_day(harness: Harness, campaign: str, days: int, step: float = 900) -> list[str]:
    """Rings one call every quarter of an hour that allows it; the local times of the first and last of each stretch."""
    rung: list[str] = []
    for _ in range(round(days * 86_400 / step)):
        harness.pace()
        calls = harness.claim(1).calls
        for call in calls:
            if harness.post(call) == "submitted":
                harness.result(call.extid)
        rung.append("1" if calls else "0")
        harness.later(step)
    return rung


def times(harness: Harness, zone: str = "Asia/Tashkent") -> set[tuple[date, time]]:
    return {(local.date(), local.time()) for row in harness.rung for local in [harness.clock(row.at, zone)]}


def test_a_window_over_midnight_and_a_holiday_inside_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 12:00")
    harness.submit(500, hours=hours("22:00-02:00", holidays=("2027-01-17",)))
    swept_day(harness, "", 3, step=1800)
    stretches = {
        date(2027, 1, 15): (time(22), time(23, 30)),
        date(2027, 1, 16): (time(0), time(23, 30)),
        date(2027, 1, 18): (time(22), time(23, 30)),
    }
    seen = times(harness)
    assert {day for day, _ in seen} == {date(2027, 1, 15), date(2027, 1, 16)}, (
        "the 17th is a holiday from its midnight on"
    )
    for day in (date(2027, 1, 15), date(2027, 1, 16)):
        mine = sorted(at for on, at in seen if on == day)
        assert (mine[0], mine[-1]) == stretches[day]
    assert all(at >= time(22) or at < time(2) for _, at in seen)
    swept_day(harness, "", 1, step=1800)
    assert {day for day, _ in times(harness)} == {
        date(2027, 1, 15),
        date(2027, 1, 16),
        date(2027, 1, 18),
        date(2027, 1, 19),
    }


@pytest.mark.parametrize(
    ("start", "days", "count"),
    [
        # Berlin, 28 March 2027: 02:00 becomes 03:00. Open 01:00 to 04:00 is two hours on that day.
        ("2027-03-28 00:00", date(2027, 3, 28), 8),
        # 31 October 2027: 03:00 becomes 02:00. Open 01:00 to 04:00 is four hours.
        ("2027-10-31 00:00", date(2027, 10, 31), 16),
        ("2027-11-01 00:00", date(2027, 11, 1), 12),
    ],
)
def test_hours_follow_the_wall_clock_of_a_zone_with_daylight_saving(
    redis_server: EmbeddedRedis, start: str, days: date, count: int
) -> None:
    harness = Harness(redis_server)
    harness.until(start, "Europe/Berlin")
    harness.submit(200, hours=hours("01:00-04:00", "Europe/Berlin"))
    swept_day(harness, "", 1)
    seen = [harness.clock(row.at, "Europe/Berlin") for row in harness.rung]
    assert {local.date() for local in seen} == {days}
    assert len(seen) == count, "one each quarter of an hour"
    assert all(time(1) <= local.time() < time(4) for local in seen)


def test_a_row_waits_for_the_hours_of_its_own_zone_and_holds_nobody_up(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, allowed_prefixes="*")
    harness.until("2027-01-15 12:00")  # 07:00 in London, 08:00 in Berlin and Paris
    campaign = harness.submit([LONDON, BERLIN, PARIS, phone(1)], hours=hours("09:00-20:00", "number"))
    assert [call.body.split('"')[3] for call in harness.ring_all()] == [phone(1)]
    assert harness.campaign(campaign).counts["scheduled"] == 3
    harness.check(campaign)
    harness.until("2027-01-15 09:00", "Europe/Berlin")
    assert {row.numbers[0] for row in harness.rung} == {phone(1)}
    assert len(harness.ring_all()) == 2
    harness.until("2027-01-15 08:59:59.999", "Europe/London")
    assert harness.ring_all() == []
    harness.until("2027-01-15 09:00", "Europe/London")
    assert len(harness.ring_all()) == 1
    harness.pace()
    assert harness.campaign(campaign).state == "completed"
    harness.check(campaign)


def test_a_worker_without_the_tables_of_zones_rings_the_rows_of_a_campaign_that_needed_them(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(redis_server, allowed_prefixes="*")
    harness.until("2027-01-15 12:00", "Europe/London")
    campaign = harness.submit([LONDON, BERLIN], hours=hours("09:00-20:00", "number"))
    monkeypatch.setitem(sys.modules, "phonenumbers.tzdata", None)
    assert {call.body.split('"')[3] for call in harness.ring_all()} == {LONDON, BERLIN}
    harness.pace()
    assert harness.campaign(campaign).state == "completed"
    harness.check(campaign)


def test_a_row_whose_own_zone_closes_between_claim_and_arm_is_not_rung(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, allowed_prefixes="*")
    harness.until("2027-01-15 19:59:59", "Europe/London")
    campaign = harness.submit([LONDON], hours=hours("09:00-20:00", "number"))
    harness.pace()
    call = harness.take()
    harness.until("2027-01-15 20:00", "Europe/London")
    assert harness.post(call) == "lost"
    assert harness.state(call.record) == "scheduled"
    assert harness.clock(harness.due(call.record), "Europe/London").isoformat() == "2027-01-16T09:00:00+00:00"
    harness.check(campaign)


def test_a_row_whose_zone_has_no_calendar_is_not_rung(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, allowed_prefixes="*")
    harness.until("2027-01-15 12:00", "Europe/London")
    campaign = harness.submit([LONDON], hours=hours("09:00-20:00", "number"))
    harness.pace()
    harness.store.redis.delete(keys.calendar(campaign, "Europe/London"))
    assert harness.claim().calls == []


def test_without_a_calendar_a_campaign_is_closed(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3)
    harness.pace()
    call = harness.take()
    harness.store.redis.delete(keys.calendar(campaign))
    assert harness.arm(call) == ["hold"]
    assert harness.claim(3).calls == []


def test_single_calls_know_no_hours(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 03:00")
    harness.submit(3, hours="09:00-20:00")
    harness.enqueue(phone(900), phone(901))
    harness.pace()
    assert harness.post(harness.take()) == "submitted"
    assert harness.claim(3).calls == []


def test_the_courtesy_limit_narrows_a_campaign_that_asks_for_the_whole_day(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, courtesy_hours="08:00-22:00")
    harness.until("2027-01-15 00:00")
    harness.submit(500)
    swept_day(harness, "", 1)
    seen = sorted(at for _, at in times(harness))
    assert (seen[0], seen[-1]) == (time(8), time(21, 45))


def test_a_redial_that_falls_due_at_night_waits_for_the_morning(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 19:50")
    campaign = harness.submit(2, hours="09:00-20:00", redial={"delays": {"busy": [900]}})
    assert len(harness.ring_all("busy")) == 2
    harness.until("2027-01-15 20:05")
    assert harness.ring_all() == []
    assert harness.campaign(campaign).counts["queued"] == 2
    harness.until("2027-01-16 09:00")
    assert len(harness.ring_all()) == 2
    harness.pace()
    assert harness.campaign(campaign).state == "completed"
    harness.check(campaign)
