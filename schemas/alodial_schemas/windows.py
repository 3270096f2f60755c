"""Calling hours as people write them: windows on days of the week, a zone, holidays. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from .calls import _Frozen
from .errors import FieldProblem
from .field_problems import problem_error
from .phones import mask_numbers

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)

NUMBER_ZONE: Final = "number"
"""Stands for a zone: the zone or zones of the called number."""

HOURS_EXAMPLE: Final = "write for example: 09:00-20:00, or mon-fri 09:00-18:00; sat 10:00-14:00"
DAYS_EXAMPLE: Final = "write for example mon-fri, or mon,wed,sat, or daily"
CLOCK_EXAMPLE: Final = "write HH:MM, such as 09:00; a window may close at 24:00"
ZONE_EXAMPLE: Final = 'write for example Asia/Tashkent, or "number" for the number\'s own'
HOLIDAYS_EXAMPLE: Final = "write dates such as 2027-03-21"

_FULL_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_GROUPS: Final = {
    "daily": WEEKDAYS,
    "weekdays": WEEKDAYS[:5],
    "weekday": WEEKDAYS[:5],
    "weekends": WEEKDAYS[5:],
    "weekend": WEEKDAYS[5:],
}
_MAX_HOURS: Final = 1000  # of text; a person's hours are under a hundred
_MAX_WINDOWS: Final = 50


def _day_number(word: str) -> int | None:
    """0 for "mon", "monday" and every length between."""
    if len(word) < 3:
        return None
    return next((i for i, name in enumerate(_FULL_NAMES) if name.startswith(word)), None)


def _days_of(words: Iterable[str]) -> tuple[Weekday, ...] | None:
    """Days in the week's order from "mon-fri", "wed", "daily"; None when a word is no day."""
    days: set[str] = set()
    for word in words:
        if word in _DAY_GROUPS:
            days.update(_DAY_GROUPS[word])
            continue
        first, dash, last = word.partition("-")
        start = _day_number(first)
        end = _day_number(last) if dash else start
        if start is None or end is None:
            return None
        days.update(WEEKDAYS[i % 7] for i in range(start, (end if end >= start else end + 7) + 1))
    return tuple(day for day in WEEKDAYS if day in days)


def _plain(text: str) -> str:
    """Small letters, one kind of dash without spaces about it, single spaces."""
    plain = re.sub(r"[‐-―−]", "-", text.lower())
    plain = re.sub(r"\s*-\s*", "-", re.sub(r"[^\S\n]+", " ", plain.replace("\r", "\n")))
    return plain.replace("every day", "daily")


def _as_days(value: object) -> object:
    words = value if isinstance(value, (list, tuple)) else [value]
    texts = [word for word in words if isinstance(word, str)]
    if len(texts) != len(words):
        return value
    days = _days_of(filter(None, re.split(r"[,\s]+", _plain(",".join(texts)[:_MAX_HOURS]))))
    if not days:
        raise problem_error(FieldProblem("", "not_days", "is no day of the week", DAYS_EXAMPLE))
    return days


_CLOCK = re.compile(r"(?:[01]?[0-9]|2[0-4])(?:[:.][0-5][0-9])?")


def _clock(text: str) -> str | None:
    """ "9", "9.30" or "09:30" as HH:MM; None for anything else. 24:00 is a time of the day, 24:30 is not."""
    if _CLOCK.fullmatch(text) is None:
        return None
    hour, _, minute = text.replace(".", ":").partition(":")
    clock = f"{int(hour):02d}:{minute or '00'}"
    return clock if clock <= "24:00" else None


def _as_clock(value: object) -> object:
    clock = _clock(value.strip()) if isinstance(value, str) else None
    if clock is None:
        raise problem_error(FieldProblem("", "not_a_clock_time", "is no time of the day", CLOCK_EXAMPLE))
    return clock


def _before_midnight(value: str) -> str:
    if value == "24:00":
        raise problem_error(
            FieldProblem("", "not_a_clock_time", "is the day's end", "let it open at 00:00 of the next day")
        )
    return value


_Clock = Annotated[str, BeforeValidator(_as_clock)]


class Window(_Frozen):
    """Hours on some days of the week, by the local clock. `closes` at or before `opens` is on the day after.

    `days` also from "mon-fri", "mon,wed" or "daily", and kept in the week's order; `opens` and `closes` are kept as HH:MM.
    """

    days: Annotated[tuple[Weekday, ...], BeforeValidator(_as_days)] = WEEKDAYS
    opens: Annotated[_Clock, AfterValidator(_before_midnight)]
    closes: _Clock

    @property
    def from_minute(self) -> int:
        """Minutes after local midnight."""
        return _minutes(self.opens)

    @property
    def to_minute(self) -> int:
        """Minutes after the local midnight that began its day: above 1440 when it ends the day after."""
        end = _minutes(self.closes)
        return end if end > self.from_minute else end + 1440

    def __str__(self) -> str:
        days = "daily" if len(self.days) == len(WEEKDAYS) else ",".join(self.days)
        return f"{days} {self.opens}-{self.closes}"


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _quoted(text: str) -> str:
    return repr(mask_numbers(text[:40]))


def _range_of(word: str) -> tuple[str, str] | None:
    opens, dash, closes = word.partition("-")
    first, last = _clock(opens), _clock(closes)
    return (first, last) if dash and first and last and first != "24:00" else None


def _part_windows(part: str) -> list[tuple[tuple[Weekday, ...], str, str]]:
    """The windows of the text between two semicolons; days are empty where the text names none. Raises ValueError."""
    windows: list[tuple[tuple[Weekday, ...], str, str]] = []
    days: tuple[Weekday, ...] = ()
    pending: list[str] = []  # days whose hours have not come yet
    for word in filter(None, re.split(r"[,\s]+", part)):
        if not word[0].isdigit():
            pending.append(word.rstrip(":"))
            continue
        if pending:
            named, pending = _days_of(pending), []
            if not named:
                raise ValueError(f"{_quoted(part)} begins with no days of the week; {DAYS_EXAMPLE}")
            days = named
        hours = _range_of(word)
        if hours is None:
            raise ValueError(f"{_quoted(word)} are no hours; {HOURS_EXAMPLE}")
        windows.append((days, *hours))
    if pending:
        raise ValueError(f"{_quoted(' '.join(pending))} are no hours; {HOURS_EXAMPLE}")
    return windows


def parse_hours(text: str) -> tuple[Window, ...]:
    """Returns windows from "mon-fri 09:00-13:00, 14:00-18:00; sat 10:00-14:00"; a text without days means every day.

    Takes "9-18", "weekdays" and full names of days too. Once a part names days, each part needs them. Raises ValueError
    that says what is wrong and, after a semicolon, the remedy.
    """
    if len(text) > _MAX_HOURS:
        raise ValueError(f"the hours have more than {_MAX_HOURS} characters; {HOURS_EXAMPLE}")
    windows = [window for part in re.split(r"[;\n]", _plain(text)) for window in _part_windows(part)]
    if not windows:
        raise ValueError(f"no hours are given; {HOURS_EXAMPLE}")
    if len(windows) > _MAX_WINDOWS:
        raise ValueError(f"more than {_MAX_WINDOWS} windows are given; {HOURS_EXAMPLE}")
    bare = next((f"{opens}-{closes}" for days, opens, closes in windows if not days), None)
    if bare and any(days for days, _, _ in windows):
        raise ValueError(f"{bare} is without its days beside windows that have them; write for example: sat {bare}")
    return tuple(Window(days=days or WEEKDAYS, opens=opens, closes=closes) for days, opens, closes in windows)


def _as_windows(value: object) -> object:
    """Text as windows, also in a list beside objects."""
    entries = value if isinstance(value, (list, tuple)) else [value]
    if not any(isinstance(entry, str) for entry in entries):
        return value
    windows: list[object] = []
    for entry in entries:
        if not isinstance(entry, str):
            windows.append(entry)
            continue
        try:
            windows += parse_hours(entry)
        except ValueError as exc:
            problem, _, remedy = str(exc).partition("; ")
            raise problem_error(FieldProblem("", "not_hours", problem, remedy)) from None
    return windows


# Names of a tz database that are no zones: the machine's own, and clocks that count leap seconds.
_NO_ZONES: Final = ("localtime", "posixrules", "posix/", "right/", "Factory")


def _valid_zone(value: str) -> str:
    if value == NUMBER_ZONE:
        return value
    try:
        if value.startswith(_NO_ZONES):
            raise ZoneInfoNotFoundError
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # Compared in small letters, because "asia/tashkent" is the usual slip.
        zones = {name.lower(): name for name in available_timezones()}
        near = get_close_matches(value.lower(), [*zones, NUMBER_ZONE], n=1, cutoff=0.8)
        remedy = f"did you mean {zones.get(near[0], near[0])}?" if near else ZONE_EXAMPLE
        raise problem_error(FieldProblem("", "not_a_zone", "is not a zone of the tz database", remedy)) from None
    return value


def _as_dates(value: object) -> object:
    return [part for part in re.split(r"[,;\s]+", value) if part] if isinstance(value, str) else value


def _as_date(value: object) -> object:
    """Takes dates alone: pydantic would read a number or a moment as some other day."""
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007  # a date has no zone
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise problem_error(FieldProblem("", "not_a_date", "is no date", HOLIDAYS_EXAMPLE))


def _sorted_dates(value: Sequence[date]) -> tuple[date, ...]:
    return tuple(sorted(set(value)))


_Date = Annotated[date, BeforeValidator(_as_date)]


class CallingHours(_Frozen):
    """When a campaign may ring: windows by the clock of a zone, or of the number's own ("number"), never on holidays.

    `windows` (1 to 50) also as text, see `parse_hours`. `timezone` is a name of the tz database. `holidays` are local
    dates of that zone, kept sorted.
    """

    windows: Annotated[tuple[Window, ...], BeforeValidator(_as_windows), Field(min_length=1, max_length=_MAX_WINDOWS)]
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_valid_zone)] = "Asia/Tashkent"
    holidays: Annotated[
        tuple[_Date, ...], BeforeValidator(_as_dates), AfterValidator(_sorted_dates), Field(max_length=400)
    ] = ()
