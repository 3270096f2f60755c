"""Builds a campaign's request from the options of ``alodial campaign check`` and ``submit``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .arguments import parse_moment, parse_pairs, parse_seconds

if TYPE_CHECKING:
    from alodial_schemas.campaigns import CampaignRequest

    from ..settings import Settings


def build_request(settings: "Settings", options: dict[str, Any]) -> "CampaignRequest":
    """Returns the campaign of the options of :func:`.campaign_options.request_options`.

    Raises BadParameter for an option that does not parse, InvalidCampaign for invalid fields.
    """
    from ..campaigns.stored_fields import read_campaign

    mapping = parse_pairs("--map", options["map"] or [], "FIELD=COLUMN, such as --map phone=Телефон")
    body = {
        "name": options["name"] or options["file"].stem[:100],
        "call": _call(options),
        "policy": _policy(settings, options),
        "columns": mapping,
        **_set({name: options[name] for name in ("sheet", "header_row", "hidden")}),
        "metadata": parse_pairs("--metadata", options["metadata"] or []),
    }
    return read_campaign(body, settings)


def _call(options: dict[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {"account": options["account"], "lang": options["lang"]}
    if options["ivr"] is not None:
        call |= {"kind": "ivr", "ivrid": options["ivr"], "fromline": options["line"]}
    elif options["queue"] is not None and options["initiator"] is not None:
        raise typer.BadParameter("--queue and --from: use one of them; rows may have queues of their own")
    elif options["queue"] is not None:
        call |= {"kind": "queue", "queue": options["queue"]}
    else:
        call |= {"kind": "two-way", "callfrom": options["initiator"]}
    return _set(call)


def _policy(settings: "Settings", options: dict[str, Any]) -> dict[str, Any]:
    """The policy of the options, over the file of ``--policy``."""
    policy = _policy_file(options["policy"]) if options["policy"] else {}
    plain = ("pace", "channels", "priority", "weight")
    policy |= _set({name: options[name] for name in plain})
    for name, option in (("starts_at", "--start"), ("ends_at", "--end")):
        if options[name] is not None:
            policy[name] = parse_moment(option, options[name])
    if options["row_ttl"] is not None:
        policy["row_ttl"] = parse_seconds("--row-ttl", options["row_ttl"])
    if options["prefix"]:
        policy["allowed_prefixes"] = options["prefix"]
    if options["hours"] is not None or options["zone"] is not None or options["holiday"]:
        policy["hours"] = _hours(settings, options, policy.get("hours") or {})
    if redial := _redial(options, policy.get("redial") or {}):
        policy["redial"] = redial
    for name, limits in {
        "daily": {"calls": options["daily_calls"], "minutes": options["daily_minutes"]},
        "stop": {"answered": options["goal"], "failures_in_row": options["stop_after_failures"]},
    }.items():
        if limits := _set(limits):
            policy[name] = (policy.get(name) or {}) | limits
    return policy


def _policy_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        text = path.read_text("utf-8")
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(f"--policy {path.name}: {exc}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"--policy {path.name}: write an object with the policy's fields")
    return value


def _hours(settings: "Settings", options: dict[str, Any], hours: dict[str, Any]) -> dict[str, Any]:
    from alodial_schemas.campaigns import parse_hours

    try:
        windows = parse_hours(options["hours"]) if options["hours"] else hours.get("windows") or settings.calling_hours
    except ValueError as exc:
        raise typer.BadParameter(f"--hours: {exc}") from None
    hours = hours | {"windows": windows, "timezone": options["zone"] or hours.get("timezone") or settings.timezone}
    return hours | {"holidays": options["holiday"]} if options["holiday"] else hours


def _redial(options: dict[str, Any], redial: dict[str, Any]) -> dict[str, Any]:
    from alodial_schemas.campaigns import parse_redial

    redial = redial | _set({name: options[name] for name in ("max_attempts", "max_attempts_per_day")})
    if options["redial"] is not None:
        try:
            redial["delays"] = parse_redial(options["redial"])
        except ValueError as exc:
            raise typer.BadParameter(f"--redial: {exc}") from None
    if redial and "delays" not in redial:
        raise typer.BadParameter("--max-attempts: add --redial with what is called again, such as busy=5m,15m")
    return redial


def _set(options: dict[str, Any]) -> dict[str, Any]:
    """Without the options that were left out."""
    return {name: value for name, value in options.items() if value is not None}
