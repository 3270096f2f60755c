"""The request models of a campaign: its kind of call and its policy, validated once and then frozen. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from .calls import (
    CALL_TEXTS,
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
)
from .dispositions import Disposition
from .errors import FieldProblem, InvalidCampaign
from .field_problems import ProblemTexts, problem_error, problems_of
from .hidden_characters import NO_HIDDEN
from .phones import DEFAULT_ALLOWED, mask_numbers
from .windows import (
    CLOCK_EXAMPLE,
    DAYS_EXAMPLE,
    HOLIDAYS_EXAMPLE,
    HOURS_EXAMPLE,
    NUMBER_ZONE,
    WEEKDAYS,
    ZONE_EXAMPLE,
    CallingHours,
    Weekday,
    Window,
    parse_hours,
)

__all__ = [
    "CAMPAIGN_ENDS",
    "NUMBER_ZONE",
    "WEEKDAYS",
    "CallingHours",
    "CampaignCall",
    "CampaignKind",
    "CampaignPolicy",
    "CampaignRedial",
    "CampaignRequest",
    "CampaignState",
    "DailyCaps",
    "StopConditions",
    "Weekday",
    "Window",
    "campaign_problems",
    "parse_campaign",
    "parse_hours",
    "parse_redial",
]

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


_FAILURES: Final = tuple(name.value for name in Disposition if name is not Disposition.ANSWERED)
_DELAY = re.compile(r"([1-9][0-9]{0,5}) ?(s|sec|m|min|h|hours?|d|days?)?")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_DELAY: Final = 604_800
_MAX_DELAYS: Final = 9
_REDIAL_EXAMPLE: Final = "write for example: busy=5m,15m no_answer=1h,4h"
_MAX_REDIAL: Final = 1000  # of text


def _delay(name: str, text: str) -> int:
    matched = _DELAY.fullmatch(text)
    if matched is None:
        raise ValueError(f"{mask_numbers(text[:40])!r} is no delay for {name}; {_REDIAL_EXAMPLE}")
    seconds = int(matched[1]) * _UNITS[(matched[2] or "s")[0]]
    if seconds > _MAX_DELAY:
        raise ValueError(f"a delay for {name} is longer than 7 days; give 1 second to 7d")
    return seconds


def _failure(text: str) -> str:
    """The disposition that a name stands for. Raises ValueError."""
    name = text.replace("-", "_")
    if name in _FAILURES:
        return name
    if name == Disposition.ANSWERED:
        raise ValueError("answered has delays, and an answered call is not dialled again; take it out")
    near = get_close_matches(name, _FAILURES, n=1, cutoff=0.6)
    remedy = f"did you mean {near[0]}?" if near else f"known here are {', '.join(_FAILURES)}"
    raise ValueError(f"{mask_numbers(text[:40])!r} is no disposition; {remedy}")


def parse_redial(text: str) -> dict[str, list[int]]:
    """Returns delays in seconds by disposition, from "busy=5m,15m no_answer=1h,4h"; a number alone is seconds.

    Raises ValueError that says what is wrong and, after a semicolon, the remedy.
    """
    if len(text) > _MAX_REDIAL:
        raise ValueError(f"the redial rules have more than {_MAX_REDIAL} characters; {_REDIAL_EXAMPLE}")
    plain = re.sub(r" ?([=,]) ?", r"\1", re.sub(r"\s+", " ", text.strip().lower()))
    delays: dict[str, list[int]] = {}
    for part in filter(None, re.split(r"[; ]+", plain)):
        key, equals, values = part.partition("=")
        if not equals or not key or not values:
            raise ValueError(f"{mask_numbers(part[:40])!r} is no redial rule; {_REDIAL_EXAMPLE}")
        name = _failure(key)
        if name in delays:
            raise ValueError(f"{name} is given twice; write all its delays in one place, such as {name}=5m,15m")
        delays[name] = [_delay(name, value) for value in values.split(",")]
        if len(delays[name]) > _MAX_DELAYS:
            raise ValueError(f"{name} has more than {_MAX_DELAYS} delays; the last one repeats by itself")
    if not delays:
        raise ValueError(f"no redial rule is given; {_REDIAL_EXAMPLE}")
    return delays


def _as_delays(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_redial(value)
    except ValueError as exc:
        problem, _, remedy = str(exc).partition("; ")
        raise problem_error(FieldProblem("", "not_redial", problem, remedy)) from None


class CampaignRedial(_Frozen):
    """When a row that did not get through is dialled again.

    `max_attempts` counts every attempt, the first included (1 to 10), `max_attempts_per_day` those of one local day.
    `delays` gives seconds for each disposition but answered: the nth time that an attempt ends so, the nth entry is
    waited, and the last one repeats; text as for `parse_redial` is taken too. A redial that the day has no room for goes to
    the next day, `next_day_shift` seconds later within its hours, so that another hour is tried.
    """

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    max_attempts_per_day: Annotated[int | None, Field(ge=1, le=10)] = None
    delays: Annotated[
        dict[_Failure, Annotated[list[_Seconds], Field(min_length=1, max_length=_MAX_DELAYS)]],
        BeforeValidator(_as_delays),
    ]
    next_day_shift: Annotated[int, Field(ge=0, le=86_399)] = 10_800


class DailyCaps(_Frozen):
    """What one local day may take. `reserve_minutes` are held for a call under way until its talk time is known."""

    calls: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    minutes: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    reserve_minutes: Annotated[int, Field(ge=1, le=240)] = 3


class StopConditions(_Frozen):
    """`answered`: so many answered calls are enough, the rest is canceled. `failures_in_row`: so many refused or
    failed one after another pause the campaign."""

    answered: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    failures_in_row: Annotated[int | None, Field(ge=1, le=100_000)] = None


def _not_urgent(value: object) -> object:
    if value == "urgent":
        raise problem_error(
            FieldProblem("", "urgent_campaign", "is urgent, and that is for single calls", "give normal or bulk")
        )
    return value


_Prefix = Annotated[str, StringConstraints(pattern=r"^\+[0-9]{1,15}$")]


class CampaignPolicy(_Frozen):
    """How a campaign is dialled. What is not given is the installation's.

    `starts_at` and `ends_at` with zone; `pace` calls a second; `channels` the most of the account's that it may
    hold; `weight` its share beside other campaigns (1 to 100); `row_ttl` seconds after the campaign's start, when a row
    that was not dialled expires; `allowed_prefixes` narrow the installation's.
    """

    starts_at: Moment | None = None
    ends_at: Moment | None = None
    hours: CallingHours | None = None
    pace: Annotated[float | None, Field(gt=0, le=10_000)] = None
    channels: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    priority: Annotated[Literal["normal", "bulk"], BeforeValidator(_not_urgent)] = "bulk"
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    redial: CampaignRedial | None = None
    row_ttl: Annotated[int | None, Field(ge=60, le=31_536_000)] = None
    daily: DailyCaps | None = None
    allowed_prefixes: Annotated[tuple[_Prefix, ...] | None, Field(min_length=1, max_length=100)] = None
    stop: StopConditions | None = None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> CampaignPolicy:
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise problem_error(
                FieldProblem("ends_at", "ends_too_early", "is not after starts_at", "give a later ends_at")
            )
        return self


_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {"two-way": (), "queue": ("queue",), "ivr": ("ivrid", "fromline")}
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "two-way": frozenset({"callfrom", "lang"}),
    "queue": frozenset({"queue", "lang"}),
    "ivr": frozenset({"ivrid", "fromline"}),
}


class CampaignCall(_Frozen):
    """What every row's call is.

    `two-way`: `callfrom` is rung first, then the row's phones (without it every row gives its initiator).
    `queue`: the row's phone is rung first and then joined to the PBX queue.
    `ivr`: the row's phone is rung from the line `fromline` and put into the menu `ivrid`.
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
    def _fields_of_its_kind(self) -> CampaignCall:
        campaign = f"a campaign of kind {self.kind}"
        problems = [
            FieldProblem(name, "missing", f"is missing, and {campaign} needs it", CALL_TEXTS.remedies[name])
            for name in _REQUIRED[self.kind]
            if getattr(self, name) is None
        ] + [
            FieldProblem(name, "not_of_kind", f"does not belong to {campaign}", "take it out, or change the kind")
            for name in ("callfrom", "queue", "ivrid", "fromline", "lang")
            if getattr(self, name) is not None and name not in _ALLOWED[self.kind]
        ]
        if problems:
            raise problem_error(*problems)
        return self


_Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=NO_HIDDEN)]
_ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CampaignRequest(_Frozen):
    """A campaign without its rows.

    `columns` maps our fields to the file's columns, by their names or letters, where their names do not tell; "-" is no column.
    `sheet` is the workbook's sheet, `header_row` the row number of the column names (0 for none), and `hidden` says whether
    rows that the spreadsheet program hides are called.
    """

    name: _Name
    call: CampaignCall
    policy: CampaignPolicy = CampaignPolicy()
    columns: Annotated[dict[str, _ColumnName], Field(max_length=64)] = Field(default_factory=dict)
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    header_row: Annotated[int, Field(ge=0, le=1_048_576)] | None = None
    hidden: Literal["keep", "skip"] | None = None
    metadata: Metadata = Field(default_factory=dict)


def _fields(model: type[_Frozen]) -> tuple[str, ...]:
    return tuple(model.model_fields)


_CAP: Final = "give a whole number from 1 to 10000000"

_TEXTS: Final = ProblemTexts(
    known={
        "": _fields(CampaignRequest),
        "call": _fields(CampaignCall),
        "policy": _fields(CampaignPolicy),
        "hours": _fields(CallingHours),
        "windows": _fields(Window),
        "redial": _fields(CampaignRedial),
        "daily": _fields(DailyCaps),
        "stop": _fields(StopConditions),
    },
    remedies={
        **CALL_TEXTS.remedies,
        "": "send one JSON object with name, call and policy",
        "name": "give the campaign a name of 1 to 100 characters without control or invisible characters",
        "call": 'give an object such as {"kind": "two-way", "callfrom": "712037006"}',
        "policy": 'give an object such as {"pace": 2.5, "hours": {"windows": "09:00-20:00"}}, or leave it out',
        "hours": 'give an object such as {"windows": "mon-fri 09:00-18:00", "timezone": "Asia/Tashkent"}',
        "windows": HOURS_EXAMPLE,
        "days": DAYS_EXAMPLE,
        "opens": CLOCK_EXAMPLE,
        "closes": CLOCK_EXAMPLE,
        "timezone": ZONE_EXAMPLE,
        "holidays": HOLIDAYS_EXAMPLE,
        "pace": "give calls a second, such as 2.5, above 0 and at most 10000",
        "channels": "give a whole number from 1 to 1000000",
        "weight": "give a whole number from 1 to 100",
        "kind": "give two-way, queue or ivr",
        "starts_at": "give ISO 8601 with a zone, such as 2026-01-02T09:00:00+05:00",
        "ends_at": "give ISO 8601 with a zone, such as 2026-01-02T18:00:00+05:00, later than starts_at",
        "row_ttl": "give whole seconds from 60 to 31536000 (a year)",
        "redial": 'give an object such as {"max_attempts": 3, "delays": {"busy": [300, 900]}}',
        "max_attempts": "give 1 to 10, the first attempt included",
        "max_attempts_per_day": "give 1 to 10",
        "delays": f"give 1 to {_MAX_DELAYS} whole seconds from 1 to {_MAX_DELAY} for each of {', '.join(_FAILURES)},"
        ' such as {"busy": [300, 900]}',
        "next_day_shift": "give whole seconds from 0 to 86399, such as 10800",
        "daily": 'give an object such as {"calls": 5000, "minutes": 3000}',
        "calls": _CAP,
        "minutes": _CAP,
        "reserve_minutes": "give whole minutes from 1 to 240",
        "stop": 'give an object such as {"answered": 100, "failures_in_row": 50}',
        "answered": _CAP,
        "failures_in_row": "give a whole number from 1 to 100000",
        "allowed_prefixes": 'give a list such as ["+99890", "+99891"]',
        "columns": 'give an object such as {"phone": "Телефон"}',
        "sheet": "give the name of a sheet of the workbook",
        "header_row": "give the row number of the column names, or 0 for a file without them",
        "hidden": "give keep to call the hidden rows, or skip to leave them out",
        "priority": "give normal or bulk; urgent is for single calls",
    },
    problems={
        **CALL_TEXTS.problems,
        **dict.fromkeys(
            ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"),
            ("out_of_range", "is out of its range"),
        ),
        **dict.fromkeys(
            ("int_type", "int_parsing", "int_parsing_size", "int_from_float", "float_type", "float_parsing"),
            ("not_a_number", "is not a number that fits"),
        ),
        **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), ("not_an_object", "must be an object")),
        **dict.fromkeys(("tuple_type", "list_type"), ("not_a_list", "must be a list")),
    },
)


def campaign_problems(exc: ValidationError) -> list[FieldProblem]:
    """Returns pydantic's errors about a campaign, or a part of it, as field problems."""
    return problems_of(exc, _TEXTS)


def parse_campaign(obj: object, *, allowed: tuple[str, ...] = DEFAULT_ALLOWED) -> CampaignRequest:
    """Returns the campaign of a JSON object. `allowed` are E.164 prefixes, as in `normalise_phone`.

    Raises InvalidCampaign that names every bad field.
    """
    if not isinstance(obj, Mapping):
        raise InvalidCampaign([FieldProblem("", "not_an_object", "must be an object", _TEXTS.remedies[""])])
    try:
        return CampaignRequest.model_validate(dict(obj), context={"allowed": allowed})
    except ValidationError as exc:
        raise InvalidCampaign(campaign_problems(exc)) from None
