"""The filter of a list of calls as it stands in an address: read into a CallFilter, and written again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from alodial_schemas import Disposition, PhoneError, State, normalise_phone

from ..store.call_filter import CallFilter

FIELDS: Final = ("state", "disposition", "campaign", "phone", "reference", "reason", "account", "since", "until")

LONGEST: Final = 128
REASON: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
CANCELABLE: Final = (State.SCHEDULED, State.QUEUED)
REDIALABLE: Final = (
    *(State.UNCONFIRMED, State.COMPLETED, State.REJECTED, State.FAILED, State.EXPIRED, State.CANCELED),
    State.TIMED_OUT,
)


@dataclass(frozen=True, slots=True)
class CallQuery:
    """``given`` is what was typed, by field and without empty ones; ``wrong`` names fields that mean nothing: then there is
    no filter, so that a typing mistake never widens an act to everything."""

    given: Mapping[str, str]
    wanted: CallFilter = field(default_factory=CallFilter)
    wrong: frozenset[str] = frozenset()

    def query(self, **changes: str) -> str:
        """The filter as an address's query, with some fields changed; "" takes one out."""
        return urlencode({name: value for name, value in (dict(self.given) | changes).items() if value})

    def address(self, path: str = "/calls", **changes: str) -> str:
        query = self.query(**changes)
        return f"{path}?{query}" if query else path

    @property
    def narrow(self) -> bool:
        """Whether counting it takes looking at records."""
        return bool(set(self.given) - {"state", "disposition", "campaign"})


def _moment(text: str, zone: ZoneInfo) -> int | None:
    """Unix ms of a browser's local time in the installation's zone, or of ISO 8601 with a zone."""
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def read_query(given: Mapping[str, str], zone: ZoneInfo) -> CallQuery:
    """From an address's query or a form; other fields are not looked at."""
    kept: dict[str, str] = {}
    for name in FIELDS:
        # A "+" in an address that somebody typed arrives as a space: of a phone's it is put back below.
        text = given.get(name, "").strip()[:LONGEST]
        if text:
            kept[name] = text
    wrong: set[str] = set()
    if "state" in kept and kept["state"] not in [one.value for one in State]:
        wrong.add("state")
    if "disposition" in kept and kept["disposition"] not in [one.value for one in Disposition]:
        wrong.add("disposition")
    if "reason" in kept and not REASON.fullmatch(kept["reason"]):
        wrong.add("reason")
    phone = ""
    if "phone" in kept:
        try:
            phone = normalise_phone(kept["phone"], allowed=())
        except PhoneError:
            wrong.add("phone")
    times = {name: _moment(kept[name], zone) for name in ("since", "until") if name in kept}
    wrong |= {name for name, at in times.items() if at is None}
    if wrong:
        return CallQuery(kept, wrong=frozenset(wrong))
    wanted = CallFilter(
        state=kept.get("state", ""),
        campaign=kept.get("campaign", ""),
        phone=phone,
        reference=kept.get("reference", ""),
        disposition=kept.get("disposition", ""),
        account=kept.get("account", ""),
        reason=kept.get("reason", ""),
        since=times.get("since"),
        until=times.get("until"),
    )
    return CallQuery(kept, wanted)


def local(ms: int, zone: ZoneInfo) -> str:
    """A moment as the fields ``since`` and ``until`` are written: local time, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def cancelable(asked: CallQuery) -> list[State]:
    """In which states calls of this filter can be canceled."""
    if asked.wrong or asked.wanted.disposition or asked.wanted.reason:
        return []
    return [state for state in CANCELABLE if asked.wanted.state in ("", state)]


def redialable(asked: CallQuery) -> bool:
    """Whether all that is filtered may be rung again: only where the filter says how it ended, never simply everything."""
    if asked.wrong:
        return False
    return asked.wanted.state in REDIALABLE or bool(asked.wanted.disposition and not asked.wanted.state)
