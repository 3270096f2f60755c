"""The form of a new campaign, read into a campaign; what is wrong comes back by the form's own fields."""

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
    "name",
    "kind",
    "callfrom",
    "queue",
    "ivrid",
    "fromline",
    "lang",
    "account",
    "starts_at",
    "ends_at",
    "hours",
    "zone",
    "holidays",
    "pace",
    "channels",
    "priority",
    "weight",
    "redial",
    "max_attempts",
    "max_attempts_per_day",
    "row_ttl",
    "daily_calls",
    "daily_minutes",
    "goal",
    "failures_in_row",
    "prefixes",
    "phone_column",
    "columns",
    "again",
)
"""Every field of the form that is kept with the file."""

DEFAULTS: Final[Mapping[str, str]] = dict.fromkeys(FIELDS, "") | {
    "kind": "two-way",
    "account": "default",
    "priority": "bulk",
    "weight": "1",
    "max_attempts": "3",
    "redial": "busy=5m,15m no_answer=1h,4h",
}

_PLACES: Final[Mapping[str, str]] = {
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
"""Where a name of the schema is on the form, when it has another one there."""

_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "two-way": ("callfrom", "lang"),
    "queue": ("queue", "lang"),
    "ivr": ("ivrid", "fromline"),
}


def form_field(problem: FieldProblem) -> str:
    """The form's field that a problem is about; "" for none of them."""
    parts = [part for part in problem.field.split(".") if not part.isdigit()]
    for part in reversed(parts):
        name = _PLACES.get(part, part)
        if name in FIELDS:
            return name
        if part in ("redial", "columns"):
            return part
    return ""


def fields_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields and no others, trimmed; what is not there is empty."""
    found = {}
    for name in FIELDS:
        value = given.get(name, "")
        found[name] = value.strip()[:4000] if isinstance(value, str) else ""
    return found


def _moment(text: str, zone: ZoneInfo) -> str:
    """A browser's local date and time, as ISO 8601 in the installation's zone; anything else as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, {}, [])}


def _mapping(fields: Mapping[str, str]) -> dict[str, str]:
    """``field=Column``, one a line. Raises InvalidCampaign."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, fields["columns"].splitlines())):
        name, equals, column = line.partition("=")
        if not equals or not column.strip():
            problem = FieldProblem(
                "columns", "no_mapping", f"{line[:40]!r} is no mapping", "write for example lang=Язык"
            )
            raise InvalidCampaign([problem])
        found[name.strip()] = column.strip()
    if fields["phone_column"]:
        found["phone"] = fields["phone_column"]
    return found


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
    return _kept(limits) | {"delays": delays}


def _row_ttl(hours: str) -> object:
    try:
        return round(float(hours.replace(",", ".")) * 3600)
    except (ValueError, OverflowError):
        return hours


def request_of(fields: Mapping[str, str], settings: Settings, filename: str) -> CampaignRequest:
    """Raises InvalidCampaign."""
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
        "daily": _kept({"calls": fields["daily_calls"], "minutes": fields["daily_minutes"]}),
        "stop": _kept({"answered": fields["goal"], "failures_in_row": fields["failures_in_row"]}),
        "allowed_prefixes": fields["prefixes"].replace(",", " ").split(),
    }
    kind = fields["kind"] or "two-way"
    call = {name: fields[name] for name in _OF_KIND.get(kind, ())} | {"account": fields["account"]}
    return parse_campaign(
        {
            "name": fields["name"] or PurePath(filename).stem[:100],
            "call": {"kind": kind} | _kept(call),
            "policy": _kept(policy),
            "columns": _mapping(fields),
        },
        allowed=settings.allowed_prefixes,
    )
