"""The filter of a list of calls as fields of an address or a form: read into a CallFilter, and written as an address again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from alodial_schemas import ENDS, Disposition, PhoneError, State, any_phone

from ..store.call_facts import NO_VALUE
from ..store.call_filter import CALLED, MIN_PART, TIMES, CallFilter
from ..web.query_times import read_period

FIELDS: Final = (
    "state",
    "disposition",
    "campaign",
    "phone",
    "reference",
    "reason",
    "account",
    "since",
    "until",
    "part",
    "line",
    "operator",
    "initiator",
    "hour",
    "weekday",
    "times",
    "ended",
    "calls",
)

PLAIN: Final = (
    "state",
    "disposition",
    "campaign",
    "reference",
    "reason",
    "account",
    "part",
    "line",
    "operator",
    "times",
)
"""Fields that are in the filter as they are typed."""

HOURS: Final = tuple(str(hour) for hour in range(24))
WEEKDAYS: Final = tuple(str(day) for day in range(1, 8))

MAX_TEXT: Final = 128
MAX_SELECTED: Final = 50
"""Calls that are chosen one by one: a page of the list."""

NAMES: Final = re.compile(r"[1-9][0-9]{0,14}(?:,[1-9][0-9]{0,14}){0,49}")
REASON: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
CANCELABLE: Final = (State.SCHEDULED, State.QUEUED)
REDIALABLE: Final = frozenset({State.UNCONFIRMED, *ENDS})


@dataclass(frozen=True, slots=True)
class CallQuery:
    """``fields`` are the typed texts, without empty ones; ``invalid`` names those that mean nothing.

    With an invalid field there is no filter, so that a typing mistake never widens an act to all calls.
    """

    fields: Mapping[str, str]
    filter: CallFilter = field(default_factory=CallFilter)
    invalid: frozenset[str] = frozenset()

    def query_string(self, **changes: str) -> str:
        """The fields as the query of an address, with some changed; "" takes a field out."""
        return urlencode({name: value for name, value in (dict(self.fields) | changes).items() if value})

    def address(self, path: str = "/calls", **changes: str) -> str:
        """The address of ``path`` with this filter."""
        query = self.query_string(**changes)
        return f"{path}?{query}" if query else path

    @property
    def unknown_choice(self) -> bool:
        """Whether a field that is chosen from a list has a value that is not in it."""
        return bool(self.invalid & {"state", "disposition", "hour", "weekday", "times", "ended"})

    @property
    def narrow(self) -> bool:
        """Whether counting its calls takes reading their records."""
        return bool(set(self.fields) - {"state", "disposition", "campaign"})


def read_query(values: Mapping[str, str], zone: ZoneInfo, allowed: tuple[str, ...]) -> CallQuery:
    """Reads an address's query or a form; times without a zone are of ``zone``, numbers are read with the
    ``allowed`` prefixes. Unknown fields are ignored."""
    sizes = {"calls": 16 * MAX_SELECTED + 1}  # cut off, it has too many names and is refused
    texts = {name: values.get(name, "").strip()[: sizes.get(name, MAX_TEXT)] for name in FIELDS}
    fields = {name: text for name, text in texts.items() if text}
    invalid: set[str] = set()
    if "state" in fields and fields["state"] not in [state.value for state in State]:
        invalid.add("state")
    if "disposition" in fields and fields["disposition"] not in [disposition.value for disposition in Disposition]:
        invalid.add("disposition")
    if "reason" in fields and not REASON.fullmatch(fields["reason"]):
        invalid.add("reason")
    numbers = {"phone": "", "initiator": ""}
    for name in numbers:
        if fields.get(name) and (name, fields[name]) != ("initiator", NO_VALUE):
            try:
                # A typed "+" arrives as a space and is trimmed above; the digits alone are the same number.
                numbers[name] = any_phone(fields[name], allowed)
            except PhoneError:
                invalid.add(name)
        else:
            numbers[name] = fields.get(name, "")
    figures: dict[str, int | None] = {"hour": None, "weekday": None}
    for name, choices in (("hour", HOURS), ("weekday", WEEKDAYS)):
        if name in fields:
            if fields[name] in choices:
                figures[name] = int(fields[name])
            else:
                invalid.add(name)
    if fields.get("times", CALLED) not in TIMES:
        invalid.add("times")
    if fields.get("ended", "1") != "1":
        invalid.add("ended")
    if "part" in fields and sum(char.isalnum() for char in fields["part"]) < MIN_PART:
        invalid.add("part")
    if ("calls" in fields or "selected" in values) and not NAMES.fullmatch(texts["calls"]):
        invalid.add("calls")  # nothing is ticked: never all calls
    times, wrong = read_period(texts, zone)
    invalid |= wrong
    if invalid:
        return CallQuery(fields, invalid=frozenset(invalid))
    plain = {name: texts[name] for name in PLAIN}
    calls = tuple(dict.fromkeys(texts["calls"].split(","))) if texts["calls"] else ()
    wanted = CallFilter(
        **plain,
        **numbers,
        since=times["since"],
        until=times["until"],
        calls=calls,
        ended="ended" in fields,
        hour=figures["hour"],
        weekday=figures["weekday"],
        timezone=str(zone),
    )
    return CallQuery(fields, wanted)


def local_time(ms: int, zone: ZoneInfo) -> str:
    """Unix ms as the fields ``since`` and ``until`` are written: local time, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def cancelable(query: CallQuery) -> list[State]:
    """The states in which calls of this filter can be canceled."""
    if query.invalid or query.filter.disposition or query.filter.reason or query.filter.ended:
        return []
    return [state for state in CANCELABLE if query.filter.state in ("", state)]


def redialable(query: CallQuery) -> bool:
    """Whether all calls of this filter may be redialled: only where it names an end, never simply all calls."""
    if query.invalid:
        return False
    if query.filter.calls:
        return True
    return query.filter.state in REDIALABLE or bool(query.filter.disposition and not query.filter.state)
