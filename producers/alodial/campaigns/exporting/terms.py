"""A campaign's settings as labels and values, for the pages that show them."""

import json
from collections.abc import Mapping
from typing import Any

from ...i18n import Translator
from ..stored_fields import read_stored_request


def hours_text(hours: Mapping[str, Any], t: Translator) -> str:
    """Calling hours in one line."""
    windows = []
    for window in hours["windows"]:
        days = list(window["days"])
        text = t("days.daily") if len(days) == 7 else ", ".join(t(f"days.{day}") for day in days)
        windows.append(f"{text} {window['opens']}–{window['closes']}")
    zone = t("hours.number") if hours.get("timezone") == "number" else hours.get("timezone", "")
    return f"{'; '.join(windows)} ({zone})"


def redial_text(redial: Mapping[str, Any], t: Translator) -> str:
    """A redial policy, of a campaign or a call, in one line."""
    rules = [
        f"{t.known('disposition', name)}: {', '.join(t.span(delay) for delay in delays)}"
        for name, delays in (redial.get("delays") or {}).items()
    ]
    return t("terms.redial_of", attempts=redial.get("max_attempts", 1), rules="; ".join(rules))


def terms(request: Mapping[str, Any], t: Translator) -> list[tuple[str, str]]:
    """Label and value of each setting, in the order of the form. ``request`` is a stored one, without its defaults."""
    whole = read_stored_request(json.dumps(request, ensure_ascii=False)).model_dump(mode="json")
    call, policy = whole["call"], whole["policy"]
    hours, daily, stop = (policy.get(name) or {} for name in ("hours", "daily", "stop"))

    def number(value: float | None) -> str | None:
        return t.number(value) if value else None

    settings = {
        "kind": t.known("kind", call.get("kind", "two-way")),
        **{name: call.get(name) for name in ("callfrom", "queue", "ivrid", "fromline", "lang", "account")},
        "starts_at": policy.get("starts_at") and t.moment(policy["starts_at"]),
        "ends_at": policy.get("ends_at") and t.moment(policy["ends_at"]),
        "hours": hours_text(hours, t) if hours else t("terms.hours_default"),
        "holidays": ", ".join(str(day) for day in hours.get("holidays") or ()),
        "pace": policy.get("pace") and t("terms.a_second", pace=t.number(policy["pace"])),
        "channels": policy.get("channels"),
        "weight": policy.get("weight"),
        "redial": redial_text(policy["redial"], t) if policy.get("redial") else t("terms.redial_none"),
        "row_ttl": policy.get("row_ttl") and t.span(policy["row_ttl"]),
        "daily_calls": number(daily.get("calls")),
        "daily_minutes": number(daily.get("minutes")),
        "goal": number(stop.get("answered")),
        "failures_in_row": number(stop.get("failures_in_row")),
        "prefixes": ", ".join(policy.get("allowed_prefixes") or ()),
    }
    return [(t(f"terms.{name}"), str(value)) for name, value in settings.items() if value not in (None, "", [], ())]
