"""Calling hours: what is claimed and armed lies inside of them, by the clock of the campaign's or the number's zone."""

from datetime import date, time

import pytest
from campaign_harness import Desk, phone

from alodial.store import call_transitions, keys
from alodial.testing.redis_server import EmbeddedRedis

LONDON, BERLIN, PARIS = "+442071838750", "+493012345678", "+33142685300"


def hours(windows: str, zone: str = "Asia/Tashkent", holidays: tuple[str, ...] = ()) -> dict[str, object]:
    return {"windows": windows, "timezone": zone, "holidays": holidays}


def test_nothing_is_claimed_before_the_hours_open_and_everything_when_they_do(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 07:00")
    campaign = desk.submit(5, hours="09:00-20:00")
    assert desk.ring_all() == []
    assert desk.campaign(campaign).number("cur") == 0, "rows stay packed while its hours are closed"
    desk.until("2027-01-15 08:59:59.999")
    assert desk.ring_all() == []
    desk.until("2027-01-15 09:00")
    assert len(desk.ring_all()) == 5
    desk.check(campaign)


def test_nothing_is_claimed_at_or_after_the_close(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, closing_margin=60)
    campaign = desk.submit(9, hours="09:00-20:00")
    assert len(desk.ring_all(limit=3, room=3)) == 3
    desk.until("2027-01-15 19:58:59.999")
    assert len(desk.claim(1).calls) == 1
    desk.until("2027-01-15 19:59")
    desk.pace()
    assert desk.claim(5).calls == []
    desk.until("2027-01-16 08:59:59.999")
    desk.pace()
    assert desk.claim(5).calls == []
    desk.until("2027-01-16 09:00")
    desk.sweep()
    assert len(desk.ring_all()) == 6
    desk.check(campaign)


def test_a_campaign_that_waits_is_woken_at_its_opening_without_being_asked_before(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(5, hours="09:00-20:00")
    desk.pace()
    desk.until("2027-01-15 20:00")
    assert desk.claim(5).calls == []
    opens = desk.store.redis.zscore(f"{keys.PREFIX}wake", campaign)
    assert desk.clock(int(opens)).isoformat() == "2027-01-16T09:00:00+05:00"
    assert desk.pace().accounts == [], "nobody is rung for it during the night"
    assert desk.claim(5).status == "empty"
    desk.until("2027-01-16 09:00")
    assert desk.pace().accounts == ["default"]
    assert len(desk.claim(9).calls) == 5


def test_a_call_claimed_inside_and_armed_after_the_close_is_first_again_in_the_morning(
    redis_server: EmbeddedRedis,
) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(5, hours="09:00-20:00")
    desk.pace()
    desk.until("2027-01-15 19:59:59.999")
    calls = desk.claim(3).calls
    desk.until("2027-01-15 20:00")
    assert desk.arm(*calls) == ["hold"] * 3
    for call in reversed(calls):
        assert desk.settle(call, "release") == "queued"
    assert desk.ready(campaign)[:3] == [call.record for call in calls]
    assert desk.claim(5).calls == []
    desk.check(campaign)
    desk.until("2027-01-16 09:00")
    assert [call.record for call in desk.ring_all()][:3] == [call.record for call in calls]
    assert len(desk.rung) == 5
    desk.check(campaign)


def test_a_worker_that_dies_over_the_close_leaves_its_call_for_the_morning(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, hours="09:00-20:00")
    desk.pace()
    desk.until("2027-01-15 19:59:59")
    desk.take()
    desk.later(call_transitions.lease_seconds(desk.settings) + 1)
    desk.sweep()
    desk.check(campaign)
    assert desk.claim().calls == []
    desk.until("2027-01-16 09:00")
    assert len(desk.ring_all()) == 1


def swept_day(desk: Desk, campaign: str, days: int, step: float = 900) -> list[str]:
    """Rings one call every quarter of an hour that allows it; the local times of the first and last of each stretch."""
    rung: list[str] = []
    for _ in range(round(days * 86_400 / step)):
        desk.pace()
        calls = desk.claim(1).calls
        for call in calls:
            if desk.post(call) == "submitted":
                desk.result(call.extid)
        rung.append("1" if calls else "0")
        desk.later(step)
    return rung


def times(desk: Desk, zone: str = "Asia/Tashkent") -> set[tuple[date, time]]:
    return {(local.date(), local.time()) for row in desk.rung for local in [desk.clock(row.at, zone)]}


def test_a_window_over_midnight_and_a_holiday_inside_it(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 12:00")
    desk.submit(500, hours=hours("22:00-02:00", holidays=("2027-01-17",)))
    swept_day(desk, "", 3, step=1800)
    stretches = {
        date(2027, 1, 15): (time(22), time(23, 30)),
        date(2027, 1, 16): (time(0), time(23, 30)),
        date(2027, 1, 18): (time(22), time(23, 30)),
    }
    seen = times(desk)
    assert {day for day, _ in seen} == {date(2027, 1, 15), date(2027, 1, 16)}, (
        "the 17th is a holiday from its midnight on"
    )
    for day in (date(2027, 1, 15), date(2027, 1, 16)):
        mine = sorted(at for on, at in seen if on == day)
        assert (mine[0], mine[-1]) == stretches[day]
    assert all(at >= time(22) or at < time(2) for _, at in seen)
    swept_day(desk, "", 1, step=1800)
    assert {day for day, _ in times(desk)} == {
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
    desk = Desk(redis_server)
    desk.until(start, "Europe/Berlin")
    desk.submit(200, hours=hours("01:00-04:00", "Europe/Berlin"))
    swept_day(desk, "", 1)
    seen = [desk.clock(row.at, "Europe/Berlin") for row in desk.rung]
    assert {local.date() for local in seen} == {days}
    assert len(seen) == count, "one each quarter of an hour"
    assert all(time(1) <= local.time() < time(4) for local in seen)


def test_a_row_waits_for_the_hours_of_its_own_zone_and_holds_nobody_up(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, allowed_prefixes="*")
    desk.until("2027-01-15 12:00")  # 07:00 in London, 08:00 in Berlin and Paris
    campaign = desk.submit([LONDON, BERLIN, PARIS, phone(1)], hours=hours("09:00-20:00", "number"))
    assert [call.body.split('"')[3] for call in desk.ring_all()] == [phone(1)]
    assert desk.campaign(campaign).counts["scheduled"] == 3
    desk.check(campaign)
    desk.until("2027-01-15 09:00", "Europe/Berlin")
    assert {row.numbers[0] for row in desk.rung} == {phone(1)}
    assert len(desk.ring_all()) == 2
    desk.until("2027-01-15 08:59:59.999", "Europe/London")
    assert desk.ring_all() == []
    desk.until("2027-01-15 09:00", "Europe/London")
    assert len(desk.ring_all()) == 1
    desk.pace()
    assert desk.campaign(campaign).state == "completed"
    desk.check(campaign)


def test_a_row_whose_own_zone_closes_between_claim_and_arm_is_not_rung(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, allowed_prefixes="*")
    desk.until("2027-01-15 19:59:59", "Europe/London")
    campaign = desk.submit([LONDON], hours=hours("09:00-20:00", "number"))
    desk.pace()
    call = desk.take()
    desk.until("2027-01-15 20:00", "Europe/London")
    assert desk.post(call) == "lost"
    assert desk.state(call.record) == "scheduled"
    assert desk.clock(desk.due(call.record), "Europe/London").isoformat() == "2027-01-16T09:00:00+00:00"
    desk.check(campaign)


def test_a_row_whose_zone_has_no_calendar_is_not_rung(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, allowed_prefixes="*")
    desk.until("2027-01-15 12:00", "Europe/London")
    campaign = desk.submit([LONDON], hours=hours("09:00-20:00", "number"))
    desk.pace()
    desk.store.redis.delete(keys.calendar(campaign, "Europe/London"))
    assert desk.claim().calls == []


def test_without_a_calendar_a_campaign_is_closed(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(3)
    desk.pace()
    call = desk.take()
    desk.store.redis.delete(keys.calendar(campaign))
    assert desk.arm(call) == ["hold"]
    assert desk.claim(3).calls == []


def test_single_calls_know_no_hours(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 03:00")
    desk.submit(3, hours="09:00-20:00")
    desk.enqueue(phone(900), phone(901))
    desk.pace()
    assert desk.post(desk.take()) == "submitted"
    assert desk.claim(3).calls == []


def test_the_courtesy_limit_narrows_a_campaign_that_asks_for_the_whole_day(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, courtesy_hours="08:00-22:00")
    desk.until("2027-01-15 00:00")
    desk.submit(500)
    swept_day(desk, "", 1)
    seen = sorted(at for _, at in times(desk))
    assert (seen[0], seen[-1]) == (time(8), time(21, 45))


def test_a_redial_that_falls_due_at_night_waits_for_the_morning(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 19:50")
    campaign = desk.submit(2, hours="09:00-20:00", redial={"delays": {"busy": [900]}})
    assert len(desk.ring_all("busy")) == 2
    desk.until("2027-01-15 20:05")
    assert desk.ring_all() == []
    assert desk.campaign(campaign).counts["queued"] == 2
    desk.until("2027-01-16 09:00")
    assert len(desk.ring_all()) == 2
    desk.pace()
    assert desk.campaign(campaign).state == "completed"
    desk.check(campaign)
