"""Reads the form of a new campaign into a campaign request, and finds the form's field of each problem."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final
from zoneinfo import ZoneInfo

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import WEEKDAYS, CampaignRequest, Window, parse_campaign, parse_hours

from ..campaigns.errors import InvalidCampaign
from ..settings import Settings
from .file_form import NO_ANSWERS, FileAnswers, request_part

KINDS: Final = ("two-way", "queue", "ivr")
REDIALS: Final = ("busy", "no_answer", "congestion", "unavailable")
"""Outcomes after which the form offers another call."""

DELAYS: Final = (1, 2)
WINDOWS: Final = (1, 2)
"""Calling hours that the form offers: most people have others on Saturday."""

FIELDS: Final = (
    *("name", "kind", "callfrom", "queue", "ivrid", "fromline", "lang", "account", "start", "starts_at", "ends_at"),
    *(f"day{number}_{day}" for number in WINDOWS for day in WEEKDAYS),
    *(f"{edge}{number}" for number in WINDOWS for edge in ("opens", "closes")),
    *(f"redial_{name}_{number}" for name in REDIALS for number in DELAYS),
    *("zone", "holidays", "pace", "channels", "priority", "weight", "max_attempts", "max_attempts_per_day"),
    *("row_ttl", "daily_calls", "daily_minutes", "goal", "failures_in_row", "prefixes"),
)
"""The form's fields; they are kept with the uploaded file."""

DEFAULTS: Final[Mapping[str, str]] = dict.fromkeys(FIELDS, "") | {
    "kind": "two-way",
    "account": "default",
    "start": "now",
    "priority": "bulk",
    "weight": "1",
    "max_attempts": "3",
    "redial_busy_1": "5",
    "redial_busy_2": "15",
    "redial_no_answer_1": "60",
    "redial_no_answer_2": "240",
}

_FORM_NAMES: Final[Mapping[str, str]] = {
    "windows": "opens1",
    "opens": "opens1",
    "closes": "closes1",
    "days": "opens1",
    "hours": "opens1",
    "timezone": "zone",
    "delays": "redial_busy_1",
    "redial": "redial_busy_1",
    "answered": "goal",
    "calls": "daily_calls",
    "minutes": "daily_minutes",
    "allowed_prefixes": "prefixes",
}
"""The form's field for a name of the schema, where they differ."""

_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "two-way": ("callfrom", "lang"),
    "queue": ("queue", "lang"),
    "ivr": ("ivrid", "fromline"),
}


def form_field(problem: FieldProblem) -> str:
    """The form's field that a problem concerns; "" for none."""
    parts = problem.field.split(".")
    if "redial" in parts and (redialled := next((name for name in REDIALS if name in parts), None)):
        return f"redial_{redialled}_1"
    for part in reversed([part for part in parts if not part.isdigit()]):
        name = _FORM_NAMES.get(part, part)
        if name in FIELDS:
            return "opens2" if name == "opens1" and "1" in parts else name
    return ""


def fields_of(form: Mapping[str, Any]) -> dict[str, str]:
    """The form's known fields, trimmed and cut at 4000 characters; "" for a missing one."""
    values = {name: form.get(name) for name in FIELDS}
    return {name: value.strip()[:4000] if isinstance(value, str) else "" for name, value in values.items()}


def default_fields(settings: Settings) -> dict[str, str]:
    """The fields of an empty form, with the installation's calling hours where the pickers can show them."""
    windows = _default_windows(settings)
    fields = dict(DEFAULTS)
    for number, window in zip(WINDOWS, windows, strict=False):
        fields |= {f"day{number}_{day}": "on" for day in window.days}
        fields |= {f"opens{number}": window.opens, f"closes{number}": window.closes.replace("24:00", "00:00")}
    return fields


def _default_windows(settings: Settings) -> tuple[Window, ...]:
    """The installation's calling hours, none where they are more than the form can show."""
    windows = tuple(parse_hours(settings.calling_hours))
    return windows if len(windows) <= len(WINDOWS) else ()


def _moment(text: str, zone: ZoneInfo) -> str:
    """A browser's local date and time as ISO 8601 in the installation's zone; any other text as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, {}, [])}


def _windows(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """The pickers' calling hours. Raises InvalidCampaign for one without its days or without both times."""
    windows: list[dict[str, Any]] = []
    for number in WINDOWS:
        days = [day for day in WEEKDAYS if fields[f"day{number}_{day}"]]
        opens, closes = fields[f"opens{number}"], fields[f"closes{number}"]
        if not (days or opens or closes):
            continue
        if not (days and opens and closes):
            problem = FieldProblem(
                f"hours.windows.{number - 1}",
                "hours_incomplete",
                "lacks its days or one of its times",
                "choose the days, from when and until when; or clear all of them",
            )
            raise InvalidCampaign([problem])
        windows.append({"days": days, "opens": opens, "closes": "24:00" if closes == "00:00" else closes})
    return windows


def _minutes(text: str, field: str) -> int:
    """Minutes as seconds. Raises InvalidCampaign."""
    try:
        seconds = round(float(text.replace(",", ".")) * 60)
    except (ValueError, OverflowError):
        problem = FieldProblem(field, "no_minutes", f"{text[:40]!r} is no number of minutes", "write for example 5")
        raise InvalidCampaign([problem]) from None
    return seconds


def _redial(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """Raises InvalidCampaign."""
    delays = {
        name: [
            _minutes(text, f"redial.{name}") for number in DELAYS if (text := fields[f"redial_{name}_{number}"]) != ""
        ]
        for name in REDIALS
    }
    delays = _filled(delays)
    if not delays:
        return None
    limits = {name: fields[name] for name in ("max_attempts", "max_attempts_per_day")}
    return _filled(limits) | {"delays": delays}


def _row_ttl(hours: str) -> object:
    try:
        return round(float(hours.replace(",", ".")) * 3600)
    except (ValueError, OverflowError):
        return hours


def _hours(fields: Mapping[str, str], settings: Settings) -> dict[str, Any] | None:
    """The campaign's calling hours; None for those of the installation, which it then follows. Raises InvalidCampaign."""
    windows: Any = _windows(fields)
    if windows == [window.model_dump(mode="json") for window in _default_windows(settings)]:
        windows = []
    if not (windows or fields["zone"] or fields["holidays"]):
        return None
    return {
        "windows": windows or settings.calling_hours,
        "timezone": fields["zone"] or settings.timezone,
        "holidays": [part for part in fields["holidays"].replace(",", " ").split() if part]
        or [day.isoformat() for day in settings.holidays],
    }


def request_of(
    fields: Mapping[str, str], settings: Settings, filename: str, answers: FileAnswers = NO_ANSWERS
) -> CampaignRequest:
    """The campaign that the form and the answers about the file describe; without a name it has the file's.

    Raises InvalidCampaign with all problems.
    """
    zone = ZoneInfo(settings.timezone)
    prefixes = ["+998"] if answers.uzbek and not fields["prefixes"] else fields["prefixes"].replace(",", " ").split()
    if fields["start"] == "at" and not fields["starts_at"]:
        problem = FieldProblem("policy.starts_at", "no_start", "is missing", "choose a date and time, or start now")
        raise InvalidCampaign([problem])
    policy = {
        "starts_at": fields["starts_at"] and fields["start"] != "now" and _moment(fields["starts_at"], zone),
        "ends_at": fields["ends_at"] and _moment(fields["ends_at"], zone),
        "hours": _hours(fields, settings),
        "pace": fields["pace"].replace(",", "."),
        "channels": fields["channels"],
        "priority": fields["priority"],
        "weight": fields["weight"],
        "redial": _redial(fields),
        "row_ttl": fields["row_ttl"] and _row_ttl(fields["row_ttl"]),
        "daily": _filled({"calls": fields["daily_calls"], "minutes": fields["daily_minutes"]}),
        "stop": _filled({"answered": fields["goal"], "failures_in_row": fields["failures_in_row"]}),
        "allowed_prefixes": prefixes,
    }
    kind = fields["kind"] or "two-way"
    call = {name: fields[name] for name in _OF_KIND.get(kind, ())} | {"account": fields["account"]}
    return parse_campaign(
        {
            "name": fields["name"] or PurePath(filename).stem[:100],
            "call": {"kind": kind} | _filled(call),
            "policy": {name: value for name, value in _filled(policy).items() if value is not False},
            **request_part(answers),
        },
        allowed=settings.allowed_prefixes,
    )
