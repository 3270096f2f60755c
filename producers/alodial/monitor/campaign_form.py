"""Reads the form of a new campaign into a campaign request, and finds the form's field of each problem."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final
from zoneinfo import ZoneInfo

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignRequest, parse_campaign, parse_redial

from ..campaigns.errors import InvalidCampaign
from ..settings import Settings

KINDS: Final = ("two-way", "queue", "ivr")

FIELDS: Final = (
    *("name", "kind", "callfrom", "queue", "ivrid", "fromline", "lang", "account", "starts_at", "ends_at"),
    *("hours", "zone", "holidays", "pace", "channels", "priority", "weight", "redial", "max_attempts"),
    *("max_attempts_per_day", "row_ttl", "daily_calls", "daily_minutes", "goal", "failures_in_row"),
    *("prefixes", "phone_column", "columns", "again"),
)
"""The form's fields; they are kept with the uploaded file."""

DEFAULTS: Final[Mapping[str, str]] = dict.fromkeys(FIELDS, "") | {
    "kind": "two-way",
    "account": "default",
    "priority": "bulk",
    "weight": "1",
    "max_attempts": "3",
    "redial": "busy=5m,15m no_answer=1h,4h",
}

_FORM_NAMES: Final[Mapping[str, str]] = {
    "windows": "hours",
    "opens": "hours",
    "closes": "hours",
    "days": "hours",
    "timezone": "zone",
    "delays": "redial",
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
    parts = [part for part in problem.field.split(".") if not part.isdigit()]
    for part in reversed(parts):
        name = _FORM_NAMES.get(part, part)
        if name in FIELDS:
            return name
        if part in ("redial", "columns"):
            return part
    return ""


def fields_of(form: Mapping[str, Any]) -> dict[str, str]:
    """The form's known fields, trimmed and cut at 4000 characters; "" for a missing one."""
    values = {name: form.get(name) for name in FIELDS}
    return {name: value.strip()[:4000] if isinstance(value, str) else "" for name, value in values.items()}


def _moment(text: str, zone: ZoneInfo) -> str:
    """A browser's local date and time as ISO 8601 in the installation's zone; any other text as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, {}, [])}


def _mapping(fields: Mapping[str, str]) -> dict[str, str]:
    """The lines ``field=Column``. Raises InvalidCampaign."""
    mapping: dict[str, str] = {}
    for line in filter(None, map(str.strip, fields["columns"].splitlines())):
        name, equals, column = line.partition("=")
        if not equals or not column.strip():
            problem = FieldProblem(
                "columns", "no_mapping", f"{line[:40]!r} is no mapping", "write for example lang=Язык"
            )
            raise InvalidCampaign([problem])
        mapping[name.strip()] = column.strip()
    if fields["phone_column"]:
        mapping["phone"] = fields["phone_column"]
    return mapping


def _redial(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """Raises InvalidCampaign."""
    if not fields["redial"]:
        return None
    try:
        delays = parse_redial(fields["redial"])
    except ValueError as exc:
        problem, _, remedy = str(exc).partition("; ")
        raise InvalidCampaign([FieldProblem("redial", "no_redial", problem, remedy)]) from None
    limits = {name: fields[name] for name in ("max_attempts", "max_attempts_per_day")}
    return _filled(limits) | {"delays": delays}


def _row_ttl(hours: str) -> object:
    try:
        return round(float(hours.replace(",", ".")) * 3600)
    except (ValueError, OverflowError):
        return hours


def request_of(fields: Mapping[str, str], settings: Settings, filename: str) -> CampaignRequest:
    """The campaign that the form describes; without a name it has the file's. Raises InvalidCampaign with all problems."""
    zone = ZoneInfo(settings.timezone)
    hours: dict[str, Any] | None = None
    if fields["hours"] or fields["zone"] or fields["holidays"]:
        hours = {
            "windows": fields["hours"] or settings.calling_hours,
            "timezone": fields["zone"] or settings.timezone,
            "holidays": [part for part in fields["holidays"].replace(",", " ").split() if part]
            or [day.isoformat() for day in settings.holidays],
        }
    policy = {
        "starts_at": fields["starts_at"] and _moment(fields["starts_at"], zone),
        "ends_at": fields["ends_at"] and _moment(fields["ends_at"], zone),
        "hours": hours,
        "pace": fields["pace"].replace(",", "."),
        "channels": fields["channels"],
        "priority": fields["priority"],
        "weight": fields["weight"],
        "redial": _redial(fields),
        "row_ttl": fields["row_ttl"] and _row_ttl(fields["row_ttl"]),
        "daily": _filled({"calls": fields["daily_calls"], "minutes": fields["daily_minutes"]}),
        "stop": _filled({"answered": fields["goal"], "failures_in_row": fields["failures_in_row"]}),
        "allowed_prefixes": fields["prefixes"].replace(",", " ").split(),
    }
    kind = fields["kind"] or "two-way"
    call = {name: fields[name] for name in _OF_KIND.get(kind, ())} | {"account": fields["account"]}
    return parse_campaign(
        {
            "name": fields["name"] or PurePath(filename).stem[:100],
            "call": {"kind": kind} | _filled(call),
            "policy": _filled(policy),
            "columns": _mapping(fields),
        },
        allowed=settings.allowed_prefixes,
    )
