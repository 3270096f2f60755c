"""Calling hours as moments, against a clock that is looked at minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alodial_schemas.campaigns import CallingHours, parse_hours
from alodial_schemas.hours import boundaries, day_starts, text_of, zones_of_number

ZONES = [
    "Asia/Tashkent",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
]
WINDOWS = [
    "09:00-20:00",
    "22:00-02:00",
    "mon-fri 00:00-24:00",
    "sat 02:30-03:15; sun 01:30-02:45",
    "wed,fri 10:00-10:01",
]
CHANGES = [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_open(moments: list[tuple[int, bool]], at_ms: int) -> bool:
    """Returns whether a list is open at a moment (Unix ms); False outside of its span."""
    state = False
    for moment, opens in moments:
        if moment > at_ms:
            break
        state = opens
    return state


def said_by_the_clock(text: str, zone: str, at: datetime, holidays: frozenset[date]) -> bool:
    """What a person with a watch in that zone would say."""
    local = at.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    for window in parse_hours(text):
        opens, closes = window.from_minute, window.to_minute
        if DAYS[today.weekday()] in window.days and today not in holidays and opens <= minute < closes:
            return True
        goes_on = DAYS[yesterday.weekday()] in window.days and yesterday not in holidays and today not in holidays
        if goes_on and minute + 1440 < closes:
            return True
    return False


def ambiguous(zone: str, at: datetime) -> bool:
    """Within some hours of a change of the clock, where a person may say two things."""
    tz = ZoneInfo(zone)
    return (
        at.astimezone(tz).utcoffset() != (at - timedelta(hours=5)).astimezone(tz).utcoffset()
        or at.astimezone(tz).utcoffset() != (at + timedelta(hours=5)).astimezone(tz).utcoffset()
    )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WINDOWS),
    st.sampled_from(ZONES),
    st.sampled_from(CHANGES),
    st.integers(0, 6 * 1440),
    st.booleans(),
)
def test_the_moments_say_open_exactly_when_a_watch_in_that_zone_does(
    text: str, zone: str, change: datetime, minutes: int, holiday: bool
) -> None:
    start = change - timedelta(days=3)
    at = start + timedelta(minutes=minutes)
    off = frozenset({(change + timedelta(days=1)).date()}) if holiday else frozenset()
    moments = boundaries(CallingHours(windows=text, timezone=zone, holidays=tuple(off)), (zone,), start, 7)
    assert [moment for moment, _ in moments] == sorted({moment for moment, _ in moments})
    assert [opens for _, opens in moments] == [n % 2 == 0 for n in range(len(moments))]
    if not ambiguous(zone, at):
        assert is_open(moments, int(at.timestamp() * 1000)) == said_by_the_clock(text, zone, at, off)


def test_a_window_over_midnight_ends_at_midnight_before_a_holiday_and_does_not_begin_on_it() -> None:
    hours = CallingHours(windows="22:00-02:00", timezone="Europe/Berlin", holidays=(date(2026, 12, 25),))
    moments = boundaries(hours, ("Europe/Berlin",), datetime(2026, 12, 23, 12, tzinfo=UTC), 4)
    assert [text_of(at, "Europe/Berlin") for at, _ in moments] == [
        "2026-12-23 22:00",
        "2026-12-24 02:00",
        "2026-12-24 22:00",
        "2026-12-25 00:00",
        "2026-12-26 22:00",
        "2026-12-27 02:00",
    ]


def test_a_bound_that_the_clock_jumps_over_is_the_jump_and_one_that_comes_twice_is_never_early_nor_late() -> None:
    berlin = ("Europe/Berlin",)
    spring = boundaries(CallingHours(windows="02:30-05:00"), berlin, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert text_of(spring[0][0], "Europe/Berlin") == "2026-03-29 03:00"
    autumn = boundaries(CallingHours(windows="02:30-05:00"), berlin, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)
    assert datetime.fromtimestamp(autumn[0][0] / 1000, UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    closing = boundaries(CallingHours(windows="00:00-02:30"), berlin, datetime(2026, 10, 24, 12, tzinfo=UTC), 1)
    assert datetime.fromtimestamp(closing[1][0] / 1000, UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_several_zones_and_the_courtesy_hours_leave_what_is_open_in_all_of_them() -> None:
    hours = CallingHours(windows="09:00-20:00")
    start = datetime(2026, 11, 23, tzinfo=UTC)
    moments = boundaries(hours, ("Europe/Berlin", "Asia/Tashkent"), start, 1, parse_hours("10:00-21:00"))
    assert [text_of(at, "Europe/Berlin") for at, _ in moments] == ["2026-11-23 10:00", "2026-11-23 16:00"]
    mornings = CallingHours(windows="09:00-12:00")
    assert boundaries(mornings, ("Asia/Tokyo", "America/New_York"), start, 5) == []


def test_hours_without_end_close_at_the_end_of_the_span_and_a_margin_shortens_every_stretch() -> None:
    start = datetime(2026, 11, 23, tzinfo=UTC)
    always = boundaries(CallingHours(windows="00:00-24:00"), ("Asia/Tashkent",), start, 3)
    assert [(at - int(start.timestamp() * 1000), opens) for at, opens in always] == [(0, True), (3 * 86_400_000, False)]
    day = boundaries(CallingHours(windows="09:00-20:00"), ("Asia/Tashkent",), start, 1, margin_ms=60_000)
    assert text_of(day[1][0], "Asia/Tashkent") == "2026-11-23 19:59"
    assert boundaries(CallingHours(windows="09:00-09:01"), ("Asia/Tashkent",), start, 1, margin_ms=60_000) == []


def test_the_next_opening_and_the_midnights_are_those_of_the_zone() -> None:
    start = datetime(2026, 11, 23, 20, tzinfo=UTC)
    moments = boundaries(CallingHours(windows="09:00-20:00"), ("Asia/Tashkent",), start, 2)
    at = int(start.timestamp() * 1000)
    opening = next(moment for moment, opens in moments if opens and moment > at)
    assert text_of(opening, "Asia/Tashkent") == "2026-11-24 09:00"
    assert [text_of(n, "Asia/Tashkent") for n in day_starts("Asia/Tashkent", start, 2)] == [
        "2026-11-24 00:00",
        "2026-11-25 00:00",
    ]


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+998901234567", ("Asia/Tashkent",)),
        ("+4930123456", ("Europe/Berlin",)),
        ("+12025550123", ("America/New_York",)),
    ],
)
def test_a_number_has_the_zones_of_its_place(number: str, zones: tuple[str, ...]) -> None:
    assert zones_of_number(number) == zones
