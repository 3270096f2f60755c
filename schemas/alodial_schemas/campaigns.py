"""What a campaign asks for: its kind of call and its policy, checked once and then frozen. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .calls import (
    _NO_CONTROL,
    FieldProblem,
    Metadata,
    Moment,
    _Account,
    _as_e164,
    _as_line,
    _Failure,
    _Frozen,
    _Lang,
    _QueueName,
    _Seconds,
    problems_of,
)
from .phones import DEFAULT_ALLOWED

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)

NUMBER_ZONE: Final = "number"
"""In place of a zone: the zone or zones of the number that is rung."""

CampaignKind = Literal["two-way", "queue", "ivr"]


class CampaignState(StrEnum):
    """Where a campaign stands. One that is running outside of its hours is still running, and shown as waiting."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELED = "canceled"


CAMPAIGN_ENDS: Final[frozenset[CampaignState]] = frozenset({CampaignState.COMPLETED, CampaignState.CANCELED})


def _days(value: object) -> object:
    """ "mon-fri", "mon,wed", "daily" or a list of days."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in ("daily", "every day", "*"):
        return WEEKDAYS
    found: list[str] = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        first, dash, last = part.partition("-")
        if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
            raise PydanticCustomError("not_days", "no days of the week")
        at, to = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
        found += [WEEKDAYS[i % 7] for i in range(at, to + 1 if to >= at else to + 8)]
    return tuple(day for day in WEEKDAYS if day in found)


_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Window(_Frozen):
    """Hours on some days of the week, by the local clock. ``closes`` at or before ``opens`` is on the day after."""

    days: Annotated[tuple[Weekday, ...], BeforeValidator(_days), Field(min_length=1, max_length=7)] = WEEKDAYS
    opens: Annotated[str, StringConstraints(pattern=_CLOCK)]
    closes: Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]

    @property
    def from_minute(self) -> int:
        """Minutes after local midnight."""
        return _minutes(self.opens)

    @property
    def to_minute(self) -> int:
        """Minutes after the local midnight that began its day: above 1440 when it ends the day after."""
        to = _minutes(self.closes)
        return to if to > self.from_minute else to + 1440

    def __str__(self) -> str:
        days = "daily" if len(self.days) == len(WEEKDAYS) else ",".join(self.days)
        return f"{days} {self.opens}-{self.closes}"


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


_WINDOW = re.compile(r"(?:(?P<days>[a-z][a-z,\- ]*?)\s+)?(?P<opens>\d{1,2}:\d{2})\s*[-–]\s*(?P<closes>\d{1,2}:\d{2})")
_HOURS_REMEDY: Final = "write for example: 09:00-20:00, or mon-fri 09:00-18:00; sat 10:00-14:00"


def parse_hours(text: str) -> tuple[Window, ...]:
    """Windows from "mon-fri 09:00-18:00; sat 10:00-14:00"; without days every day is meant. Raises ValueError."""
    windows = []
    for part in filter(None, (piece.strip() for piece in text.lower().split(";"))):
        found = _WINDOW.fullmatch(part)
        if found is None:
            raise ValueError(f"{part[:40]!r} are no hours; {_HOURS_REMEDY}")
        try:
            windows.append(
                Window.model_validate(
                    {
                        "days": found["days"] or "daily",
                        "opens": found["opens"].zfill(5),
                        "closes": found["closes"].zfill(5),
                    }
                )
            )
        except ValidationError:
            raise ValueError(f"{part[:40]!r} are no hours; {_HOURS_REMEDY}") from None
    if not windows:
        raise ValueError(f"no hours are given; {_HOURS_REMEDY}")
    return tuple(windows)


def _windows(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_hours(value)
    except ValueError as exc:
        raise PydanticCustomError("not_hours", "{reason}", {"reason": str(exc)}) from None


def _zone(value: str) -> str:
    if value != NUMBER_ZONE:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PydanticCustomError("not_a_zone", "is not a zone") from None
    return value


class CallingHours(_Frozen):
    """When a campaign may ring: windows by the clock of a zone, or of the number's own ("number"), never on holidays."""

    windows: Annotated[tuple[Window, ...], BeforeValidator(_windows), Field(min_length=1, max_length=50)]
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)] = "Asia/Tashkent"
    holidays: Annotated[tuple[date, ...], Field(max_length=400)] = ()


_DELAY = re.compile(r"([1-9][0-9]{0,5})([smhd]?)")
_UNITS: Final = {"s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}
_REDIAL_REMEDY: Final = "write for example: busy=5m,15m no_answer=1h,4h"


def parse_redial(text: str) -> dict[str, list[int]]:
    """Delays in seconds from "busy=5m,15m no_answer=1h,4h". Raises ValueError."""
    delays: dict[str, list[int]] = {}
    for part in re.split(r"[;\s]+", text.strip().lower()):
        name, _, values = part.partition("=")
        found = [_DELAY.fullmatch(value) for value in values.split(",")]
        if not name or not all(found):
            raise ValueError(f"{part[:40]!r} is no redial rule; {_REDIAL_REMEDY}")
        delays[name] = [int(one[1]) * _UNITS[one[2]] for one in found if one]
    return delays


class CampaignRedial(_Frozen):
    """When a row that did not get through is dialled again.

    ``max_attempts`` counts every attempt, the first included (1 to 10), ``max_attempts_per_day`` those of one local day.
    ``delays`` gives seconds for each disposition but answered: the nth time that an attempt ends so, the nth entry is
    waited, and the last one repeats. A redial that the day has no room for goes to the next day, ``next_day_shift``
    seconds later within its hours, so that another hour is tried.
    """

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_attempts_per_day: Annotated[int | None, Field(ge=1, le=10)] = None
    delays: dict[_Failure, Annotated[list[_Seconds], Field(min_length=1, max_length=9)]]
    next_day_shift: Annotated[int, Field(ge=0, le=86_399)] = 10_800


class DailyCaps(_Frozen):
    """What one local day may take. ``reserve_minutes`` are held for a call under way until its talk time is known."""

    calls: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    minutes: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    reserve_minutes: Annotated[int, Field(ge=1, le=240)] = 3


class StopConditions(_Frozen):
    """``answered``: so many answered calls are enough, the rest is canceled. ``failures_in_row``: so many refused or
    failed one after another pause the campaign."""

    answered: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    failures_in_row: Annotated[int | None, Field(ge=1, le=100_000)] = None


def _bulk(value: object) -> object:
    if value == "urgent":
        raise PydanticCustomError("urgent_campaign", "a campaign is never urgent")
    return value


_Prefix = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{1,15}$")]


class CampaignPolicy(_Frozen):
    """How a campaign is dialled. What is not given is the installation's.

    ``starts_at`` and ``ends_at`` with zone; ``pace`` calls a second; ``channels`` the most of the account's that it may
    hold; ``weight`` its share beside other campaigns (1 to 100); ``row_ttl`` seconds after the campaign's start, when a row
    that was not dialled expires; ``allowed_prefixes`` narrow the installation's.
    """

    starts_at: Moment | None = None
    ends_at: Moment | None = None
    hours: CallingHours | None = None
    pace: Annotated[float | None, Field(gt=0, le=10_000)] = None
    channels: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    priority: Annotated[Literal["normal", "bulk"], BeforeValidator(_bulk)] = "bulk"
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    redial: CampaignRedial | None = None
    row_ttl: Annotated[int | None, Field(ge=60, le=31_536_000)] = None
    daily: DailyCaps | None = None
    allowed_prefixes: Annotated[tuple[_Prefix, ...] | None, Field(min_length=1, max_length=100)] = None
    stop: StopConditions | None = None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> CampaignPolicy:
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PydanticCustomError("ends_too_early", "ends_at is not after starts_at")
        return self


_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {"two-way": (), "queue": ("queue",), "ivr": ("ivrid", "fromline")}
_OF_KIND: Final[Mapping[str, frozenset[str]]] = {
    "two-way": frozenset({"callfrom", "lang"}),
    "queue": frozenset({"queue", "lang"}),
    "ivr": frozenset({"ivrid", "fromline"}),
}


class CampaignCall(_Frozen):
    """What every row's call is.

    ``two-way``: ``callfrom`` is rung first, then the row's phones (without it every row gives its initiator).
    ``queue``: the row's phone is rung first and then joined to the PBX queue.
    ``ivr``: the row's phone is rung from the line ``fromline`` and put into the menu ``ivrid``.
    """

    kind: CampaignKind = "two-way"
    callfrom: Annotated[str, BeforeValidator(_as_e164)] | None = None
    queue: _QueueName | None = None
    ivrid: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    fromline: Annotated[str, BeforeValidator(_as_line)] | None = None
    lang: _Lang | None = None
    account: _Account = "default"
    on_unconfirmed: Literal["wait", "redial"] = "wait"

    @model_validator(mode="after")
    def _what_its_kind_needs(self) -> CampaignCall:
        for name in _NEEDS[self.kind]:
            if getattr(self, name) is None:
                raise PydanticCustomError("kind_needs", "{field}", {"field": name, "kind": self.kind})
        for name in ("callfrom", "queue", "ivrid", "fromline", "lang"):
            if getattr(self, name) is not None and name not in _OF_KIND[self.kind]:
                raise PydanticCustomError("kind_forbids", "{field}", {"field": name, "kind": self.kind})
        return self


_Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=_NO_CONTROL)]
_ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CampaignRequest(_Frozen):
    """A campaign without its rows. ``columns`` maps our fields to the file's columns where their names do not tell."""

    name: _Name
    call: CampaignCall
    policy: CampaignPolicy = CampaignPolicy()
    columns: Annotated[dict[str, _ColumnName], Field(max_length=64)] = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)


class CampaignError(ValueError):
    """The body is no campaign. ``problems`` names each bad field with its remedy."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "name": ("is missing or too long", "give the campaign a name of 1 to 100 characters"),
    "windows": ("are no hours", _HOURS_REMEDY),
    "days": ("are no days of the week", "write mon-fri, or mon,wed,sat, or daily"),
    "opens": ("is no time of the day", "write HH:MM, such as 09:00"),
    "closes": ("is no time of the day", "write HH:MM, such as 20:00 or 24:00"),
    "timezone": (
        "is not a zone of the tz database",
        'write for example Asia/Tashkent, or "number" for the number\'s own',
    ),
    "holidays": ("are no dates", "write dates such as 2027-03-21"),
    "pace": ("is no rate", "give calls a second, such as 2.5, above 0"),
    "channels": ("is no number of channels", "give a whole number from 1"),
    "weight": ("is no weight", "give a whole number from 1 to 100"),
    "kind": ("is none of the kinds", "give two-way, queue or ivr"),
    "starts_at": ("is no time", "give ISO 8601 with a zone, such as 2026-01-02T09:00:00+05:00"),
    "ends_at": ("is no time", "give ISO 8601 with a zone, later than starts_at"),
    "row_ttl": ("is no time to live", "give whole seconds from 60"),
    "max_attempts": ("is no number of attempts", "give 1 to 10, the first attempt included"),
    "max_attempts_per_day": ("is no number of attempts", "give 1 to 10"),
    "delays": ("are no delays", 'give seconds for each disposition but answered, such as {"busy": [300, 900]}'),
    "next_day_shift": ("is no shift", "give whole seconds below a day, such as 10800"),
    "calls": ("is no cap", "give a whole number from 1"),
    "minutes": ("is no cap", "give whole minutes from 1"),
    "reserve_minutes": ("is no reserve", "give whole minutes from 1 to 240"),
    "answered": ("is no goal", "give a whole number from 1"),
    "failures_in_row": ("is no number of failures", "give a whole number from 1"),
    "allowed_prefixes": ("are no prefixes", 'give a list such as ["+99890", "+99891"]'),
    "columns": ("is no mapping of columns", 'give an object such as {"phone": "Телефон"}'),
    "priority": ("is none of the priorities of a campaign", "give normal or bulk; urgent is for single calls"),
}


def _kind_problem(kind: str, context: Mapping[str, Any]) -> FieldProblem:
    field, of = context["field"], context["kind"]
    if kind == "kind_needs":
        return FieldProblem(
            f"call.{field}", "missing", f"is missing, and a campaign of kind {of} needs it", f"give {field}"
        )
    return FieldProblem(
        f"call.{field}",
        "not_of_kind",
        f"does not belong to a campaign of kind {of}",
        f"take {field} out, or change the kind",
    )


def campaign_problems(exc: ValidationError) -> list[FieldProblem]:
    """Pydantic's errors in people's words, each with a remedy. Input values are never repeated."""
    problems = []
    for error, usual in zip(exc.errors(include_url=False, include_input=False), problems_of(exc), strict=False):
        kind, path = error["type"], [str(part) for part in error["loc"] if not isinstance(part, int)]
        if kind in ("kind_needs", "kind_forbids"):
            problems.append(_kind_problem(kind, error["ctx"]))
        elif kind == "ends_too_early":
            problems.append(FieldProblem("policy.ends_at", kind, "is not after starts_at", "give a later ends_at"))
        elif kind in ("extra_forbidden", "phone"):
            problems.append(usual)
        elif kind == "missing":
            remedy = _WORDS.get(path[-1], ("", f"give {path[-1]}"))[1]
            problems.append(FieldProblem(usual.field, "missing", "is missing", remedy))
        else:
            words = next((_WORDS[part] for part in reversed(path) if part in _WORDS), None)
            problems.append(usual if words is None else FieldProblem(usual.field, usual.code, *words))
    return problems


def parse_campaign(obj: object, *, allowed: tuple[str, ...] = DEFAULT_ALLOWED) -> CampaignRequest:
    """A campaign from a JSON object. Raises CampaignError."""
    if not isinstance(obj, Mapping):
        raise CampaignError([FieldProblem("", "not_an_object", "must be an object", "send one JSON object")])
    try:
        return CampaignRequest.model_validate(dict(obj), context={"allowed": allowed})
    except ValidationError as exc:
        raise CampaignError(campaign_problems(exc)) from None


def clock_time(minute: int) -> time:
    """Minutes after midnight (0 to 1439) as a time of the day."""
    return time(minute // 60, minute % 60)
