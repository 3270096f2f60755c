"""A campaign's settings in people's words, for the pages that show them."""

from collections.abc import Mapping
from typing import Any

from alodial_schemas.campaigns import CampaignRequest

from .i18n import Translator


def _hours(hours: Mapping[str, Any], words: Translator) -> str:
    windows = []
    for window in hours["windows"]:
        days = list(window["days"])
        shown = words("days.daily") if len(days) == 7 else ", ".join(words(f"days.{day}") for day in days)
        windows.append(f"{shown} {window['opens']}–{window['closes']}")
    zone = words("hours.number") if hours.get("timezone") == "number" else hours.get("timezone", "")
    return f"{'; '.join(windows)} ({zone})"


def _redial(redial: Mapping[str, Any], words: Translator) -> str:
    rules = []
    for name, delays in redial["delays"].items():
        rules.append(f"{words.known('disposition', name)}: {', '.join(words.span(delay) for delay in delays)}")
    return words("terms.redial_of", attempts=redial["max_attempts"], rules="; ".join(rules))


def terms(request: Mapping[str, Any], words: Translator) -> list[tuple[str, str]]:
    """Label and value of each setting, in the order of the form. ``request`` as it is stored, without its defaults."""
    whole = CampaignRequest.model_validate(request, context={"allowed": ()}).model_dump(mode="json")
    call, policy = whole["call"], whole["policy"]
    found: list[tuple[str, str]] = []

    def put(label: str, value: object) -> None:
        if value not in (None, "", [], ()):
            found.append((words(f"terms.{label}"), str(value)))

    put("kind", words.known("kind", call.get("kind", "two-way")))
    for name in ("callfrom", "queue", "ivrid", "fromline", "lang"):
        put(name, call.get(name))
    put("account", call.get("account"))
    put("starts_at", policy.get("starts_at") and words.moment(policy["starts_at"]))
    put("ends_at", policy.get("ends_at") and words.moment(policy["ends_at"]))
    put("hours", _hours(policy["hours"], words) if policy.get("hours") else words("terms.hours_default"))
    put("holidays", ", ".join(str(day) for day in (policy.get("hours") or {}).get("holidays") or ()))
    put("pace", policy.get("pace") and words("terms.a_second", pace=words.number(policy["pace"])))
    put("channels", policy.get("channels"))
    put("weight", policy.get("weight"))
    put("redial", _redial(policy["redial"], words) if policy.get("redial") else words("terms.redial_none"))
    put("row_ttl", policy.get("row_ttl") and words.span(policy["row_ttl"]))
    daily = policy.get("daily") or {}
    put("daily_calls", daily.get("calls") and words.number(daily["calls"]))
    put("daily_minutes", daily.get("minutes") and words.number(daily["minutes"]))
    stop = policy.get("stop") or {}
    put("goal", stop.get("answered") and words.number(stop["answered"]))
    put("failures_in_row", stop.get("failures_in_row") and words.number(stop["failures_in_row"]))
    put("prefixes", ", ".join(policy.get("allowed_prefixes") or ()))
    return found
