"""Turns calling hours, windows by local clocks, into moments. Pure; the tz database is the only source.

A window's bounds are wall-clock times of a zone. Where the clock jumps forward over a bound, the bound is the moment of the
jump; where a time comes twice, a window opens at the second and closes at the first: never earlier, never later than said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from typing import Final
from zoneinfo import ZoneInfo

from .campaigns import WEEKDAYS, CallingHours, Window

Interval = tuple[int, int]
"""From and to, Unix milliseconds; open from ``from`` on until just before ``to``."""

_UZBEKISTAN: Final = ("Asia/Tashkent",)
_DAY_MS: Final = 86_400_000


def boundaries(
    hours: CallingHours,
    zones: Sequence[str],
    start: datetime,
    days: int,
    courtesy: Sequence[Window] | None = None,
    *,
    margin_ms: int = 0,
) -> list[tuple[int, bool]]:
    """Returns the moments (Unix ms, True when it opens) within ``days`` days from ``start``, sorted and alternating.

    Open means: inside one of the windows by the clock of *every* zone, inside ``courtesy`` too, and on a holiday of none.
    Open at ``start`` the list begins with it; open at the end of the span it closes there. Each stretch ends
    ``margin_ms`` earlier than its window. Never open: an empty list.
    """
    start_ms = _ms(start)
    end_ms = start_ms + days * _DAY_MS
    intervals: list[Interval] = [(start_ms, end_ms)]
    for zone in zones:
        intervals = _common(intervals, _opened(hours.windows, zone, start_ms, end_ms, frozenset(hours.holidays)))
        if courtesy is not None:
            intervals = _common(intervals, _opened(courtesy, zone, start_ms, end_ms, frozenset()))
    if not zones:
        return []
    moments: list[tuple[int, bool]] = []
    for opens, ends in intervals:
        # The end of the span is no end of a window: the margin does not apply there.
        closes = ends if ends == end_ms else ends - margin_ms
        if closes > opens:
            moments += [(opens, True), (closes, False)]
    return moments


def day_starts(zone: str, start: datetime, days: int) -> list[int]:
    """Returns the local midnights of ``days`` days in Unix ms, beginning with the last at or before ``start``."""
    first = start.astimezone(_zone(zone)).date()
    return [_moment(zone, first + timedelta(days=n), 0, opens=True) for n in range(days)]


def has_number_zones() -> bool:
    """Returns whether the tables of zones by number are installed: the extra ``zones`` has them, phonenumberslite not."""
    try:
        import_module("phonenumbers.tzdata")
    except ModuleNotFoundError:
        return False
    return True


def zones_of_number(e164: str) -> tuple[str, ...]:
    """Returns the time zones of an E.164 number; empty when they are not known. Source: libphonenumber's tables.

    Raises ModuleNotFoundError for a number outside of Uzbekistan unless :func:`has_number_zones`.
    """
    if e164.startswith("+998"):
        return _UZBEKISTAN
    return _foreign_zones(e164)


@lru_cache(maxsize=65_536)
def _foreign_zones(e164: str) -> tuple[str, ...]:
    import phonenumbers  # noqa: PLC0415  # tables that few need
    from phonenumbers import timezone  # noqa: PLC0415  # as above

    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(sorted(zone for zone in zones if zone != "Etc/Unknown"))


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _opened(
    windows: Iterable[Window], zone: str, start_ms: int, end_ms: int, holidays: frozenset[date]
) -> list[Interval]:
    """Sorted, disjoint stretches of one zone's clock, cut to the span."""
    tz = _zone(zone)
    first = datetime.fromtimestamp(start_ms / 1000, tz).date() - timedelta(days=1)
    last = datetime.fromtimestamp(end_ms / 1000, tz).date()
    intervals: list[Interval] = []
    day = first
    while day <= last:
        if day not in holidays:
            name = WEEKDAYS[day.weekday()]
            for window in windows:
                if name not in window.days:
                    continue
                end = window.to_minute
                if end > 1440 and day + timedelta(days=1) in holidays:
                    end = 1440
                opening = _moment(zone, day, window.from_minute, opens=True)
                intervals.append((opening, _moment(zone, day, end, opens=False)))
        day += timedelta(days=1)
    return _joined((max(a, start_ms), min(b, end_ms)) for a, b in intervals)


def _moment(zone: str, day: date, minute: int, *, opens: bool) -> int:
    """A wall-clock time as Unix ms; ``minute`` may lie on the day after."""
    tz = _zone(zone)
    local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001  # a wall clock
    early, late = (local.replace(tzinfo=tz, fold=fold).timestamp() for fold in (0, 1))
    if early == late:
        return int(early * 1000)
    if early < late:  # it comes twice
        return int((late if opens else early) * 1000)
    # It is jumped over: fold 1 lies before the jump and fold 0 after it; the jump itself is between.
    return _jump(tz, late, early)


def _jump(tz: ZoneInfo, low: float, high: float) -> int:
    """The moment between two when the zone's offset changes, by halving to the second."""
    before = datetime.fromtimestamp(low, tz).utcoffset()
    a, b = int(low), int(high)
    while b - a > 1:
        middle = (a + b) // 2
        if datetime.fromtimestamp(middle, tz).utcoffset() == before:
            a = middle
        else:
            b = middle
    return b * 1000


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    out: list[Interval] = []
    for a, b in sorted(interval for interval in intervals if interval[1] > interval[0]):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return out


def _common(left: list[Interval], right: list[Interval]) -> list[Interval]:
    """The intersection of two sorted lists."""
    out: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if b > a:
            out.append((a, b))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return out


def text_of(moment_ms: int, zone: str) -> str:
    """Returns a moment (Unix ms) by a zone's clock, for people: "2027-01-04 09:00"."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(_zone(zone)).strftime("%Y-%m-%d %H:%M")
