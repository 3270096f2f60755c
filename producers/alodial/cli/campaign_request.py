"""The options of ``alodial campaign check`` and ``submit`` as a campaign's request."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from alodial_schemas.campaigns import CampaignRequest

    from ..settings import Settings

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(option: str, text: str) -> int:
    """ "90", "15m", "2h" or "1d" in seconds. Raises BadParameter."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    if not number.isascii() or not number.isdigit():
        raise typer.BadParameter(f"{option} {text!r}: write for example 90, 15m, 2h or 1d")
    return int(number) * _UNITS[unit]


def pairs_of(option: str, texts: Sequence[str], example: str) -> dict[str, str]:
    """NAME=VALUE options. Raises BadParameter."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{option} {text!r}: write {example}")
        if name.strip() in pairs:
            raise typer.BadParameter(f"{option} {name!r}: given twice; write each name once")
        pairs[name.strip()] = value
    return pairs


def policy_file(path: Path) -> dict[str, Any]:
    """A policy as JSON or TOML. Raises BadParameter."""
    import tomllib

    try:
        text = path.read_text("utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(f"--policy {path.name}: {exc}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"--policy {path.name}: write an object with the policy's fields")
    return value


def policy_of(options: dict[str, Any]) -> dict[str, Any]:
    """The policy that the options give, over the one of ``--policy``."""
    from alodial_schemas.campaigns import parse_hours, parse_redial

    policy: dict[str, Any] = dict(policy_file(options["policy"])) if options["policy"] else {}
    plain = ("pace", "channels", "priority", "weight", "starts_at", "ends_at")
    policy |= {name: options[name] for name in plain if options[name] is not None}
    if options["row_ttl"] is not None:
        policy["row_ttl"] = seconds_of("--row-ttl", options["row_ttl"])
    if options["prefix"]:
        policy["allowed_prefixes"] = options["prefix"]
    if options["hours"] is not None or options["zone"] is not None or options["holiday"]:
        hours = dict(policy.get("hours") or {})
        try:
            hours["windows"] = (
                parse_hours(options["hours"]) if options["hours"] else hours.get("windows") or options["default_hours"]
            )
        except ValueError as exc:
            raise typer.BadParameter(f"--hours: {exc}") from None
        hours["timezone"] = options["zone"] or hours.get("timezone") or options["default_zone"]
        if options["holiday"]:
            hours["holidays"] = options["holiday"]
        policy["hours"] = hours
    redial = dict(policy.get("redial") or {})
    if options["redial"] is not None:
        try:
            redial["delays"] = parse_redial(options["redial"])
        except ValueError as exc:
            raise typer.BadParameter(f"--redial: {exc}") from None
    for name in ("max_attempts", "max_attempts_per_day"):
        if options[name] is not None:
            redial[name] = options[name]
    if redial:
        if "delays" not in redial:
            raise typer.BadParameter("--max-attempts: say with --redial what is dialled again, such as busy=5m,15m")
        policy["redial"] = redial
    daily = {"calls": options["daily_calls"], "minutes": options["daily_minutes"]}
    if given := {name: value for name, value in daily.items() if value is not None}:
        policy["daily"] = dict(policy.get("daily") or {}) | given
    stop = {"answered": options["goal"], "failures_in_row": options["stop_after_failures"]}
    if given := {name: value for name, value in stop.items() if value is not None}:
        policy["stop"] = dict(policy.get("stop") or {}) | given
    return policy


def call_of(options: dict[str, Any]) -> dict[str, Any]:
    """What kind of call the options ask for."""
    call: dict[str, Any] = {"account": options["account"]}
    if options["ivr"] is not None:
        call |= {"kind": "ivr", "ivrid": options["ivr"], "fromline": options["line"]}
    elif options["queue"] is not None and options["initiator"] is None:
        call |= {"kind": "queue", "queue": options["queue"]}
    else:
        call |= {"kind": "two-way", "callfrom": options["initiator"]}
        if options["queue"] is not None:
            raise typer.BadParameter(
                "--queue and --from: a campaign has one of them; rows may give a queue of their own"
            )
    call["lang"] = options["lang"]
    return {name: value for name, value in call.items() if value is not None}


def request_of(settings: "Settings", options: dict[str, Any]) -> "CampaignRequest":
    """Raises BadParameter for an option, InvalidCampaign for what they say together."""
    from ..campaigns.stored_fields import read_campaign

    options = {**options, "default_hours": settings.calling_hours, "default_zone": settings.timezone}
    body = {
        "name": options["name"] or options["file"].stem[:100],
        "call": call_of(options),
        "policy": policy_of(options),
        "columns": pairs_of("--map", options["map"], "FIELD=COLUMN, such as --map phone=Телефон"),
        "metadata": pairs_of("--metadata", options["metadata"], "NAME=VALUE"),
    }
    return read_campaign(body, settings)
