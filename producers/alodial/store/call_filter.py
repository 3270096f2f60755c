"""The filter of a list of calls, and whether a record passes it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from alodial_schemas import ENDS, Disposition, FieldProblem, State, numbers_of, parties_of

from ..errors import InvalidCall
from .answers import entries, text
from .call_facts import NO_VALUE, CallFacts, facts_of
from .records import read_record

Hash = Mapping[bytes, bytes]

MIN_PART: Final = 3
"""Letters or digits of a part: with fewer nearly every call would match."""

CALLED: Final = "called"
TIMES: Final = ("", "created", CALLED)

_LIKE_A_NUMBER = re.compile(r"[0-9 +().-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Restricts a list of calls; an empty text means everything.

    ``phone`` is E.164 and may be the initiator or a recipient. ``reason`` is the code with which a call ended badly.
    ``since`` (included) and ``until`` (excluded) are Unix ms of its creation. ``part`` is a part of a number, of the
    reference or of a value of the metadata, such as a name: no index has it, so that records are read until a page is full.
    ``calls`` are the names of chosen records (``wire_extid``).

    The others are what reports group by. ``ended``: only calls that have ended. ``line``, ``operator``, ``initiator`` and
    ``campaign`` may be ``none``. ``hour`` (0 to 23) and ``weekday`` (1 is Monday) are of ``timezone``, by default
    ALODIAL_TIMEZONE. ``times`` is ``called`` where they, ``since`` and ``until`` are about the first POST of a call.
    """

    state: str = ""
    campaign: str = ""
    phone: str = ""
    reference: str = ""
    disposition: str = ""
    account: str = ""
    owner: str = ""
    reason: str = ""
    since: int | None = None
    until: int | None = None
    part: str = ""
    calls: tuple[str, ...] = ()
    ended: bool = False
    line: str = ""
    operator: str = ""
    initiator: str = ""
    hour: int | None = None
    weekday: int | None = None
    times: str = ""
    timezone: str = ""

    def __post_init__(self) -> None:
        """Raises InvalidCall for a value that does not exist: an empty list would say that no call has it."""
        choices: dict[str, type[StrEnum]] = {"state": State, "disposition": Disposition}
        problems = [
            FieldProblem(name, "not_a_choice", f"there is no {name} {value[:32]!r}", f"use one of {', '.join(known)}")
            for name, known in choices.items()
            if (value := getattr(self, name)) and value not in set(known)
        ]
        for name, first, last in (("hour", 0, 23), ("weekday", 1, 7)):
            if (figure := getattr(self, name)) is not None and not first <= figure <= last:
                problems.append(FieldProblem(name, "not_a_choice", f"is no {name}", f"use {first} to {last}"))
        if self.times not in TIMES:
            problems.append(FieldProblem("times", "not_a_choice", "is nothing to go by", "use created or called"))
        if problems:
            raise InvalidCall(problems)

    def in_zone(self, timezone: str) -> "CallFilter":
        """The filter, its hour and weekday in this time zone where it names no other."""
        if self.timezone or (self.hour is None and self.weekday is None):
            return self
        return replace(self, timezone=timezone)

    @property
    def by_first_post(self) -> bool:
        """Whether its times are about the first POST of a call, and not about its creation."""
        return self.times == CALLED

    @property
    def created_since(self) -> int | None:
        """The creation before which no call matches, Unix ms; None where a call may be of any age."""
        return None if self.by_first_post else self.since

    @property
    def is_reported(self) -> bool:
        """Whether it names anything that reports group by, for which a record has to be read whole."""
        named = self.line or self.operator or self.initiator or self.campaign == NO_VALUE
        return bool(named) or self.by_first_post or self.hour is not None or self.weekday is not None

    def matches(self, raw: Hash) -> bool:
        """Whether the record of this Redis hash passes. Decodes no field that the filter does not name."""
        if not self.matches_fields(raw):
            return False
        if not self.is_reported:
            return True
        record = read_record("0", raw)
        return record is not None and self._matches_facts(facts_of(record), _created_ms(raw))

    def _matches_facts(self, facts: CallFacts, created: int) -> bool:
        pairs = ((self.line, facts.line), (self.operator, facts.operator), (self.initiator, facts.initiator))
        if any(wanted and wanted != (value or NO_VALUE) for wanted, value in pairs):
            return False
        at = facts.called_at if self.by_first_post else created
        if at is None:
            return False
        if (self.since is not None and at < self.since) or (self.until is not None and at >= self.until):
            return False
        if self.hour is None and self.weekday is None:
            return True
        local = datetime.fromtimestamp(at / 1000, ZoneInfo(self.timezone or "UTC"))
        return self.hour in (None, local.hour) and self.weekday in (None, local.isoweekday())

    def matches_fields(self, raw: Hash) -> bool:
        """As :meth:`matches`, but for what reports group by, which the archive has in columns of its own."""
        if b"id" not in raw:
            return False
        campaign = "" if self.campaign == NO_VALUE else self.campaign
        if (self.ended and text(raw.get(b"s")) not in ENDS) or (self.campaign == NO_VALUE and b"g" in raw):
            return False
        exact = {b"s": self.state, b"g": campaign, b"r": self.reference, b"dp": self.disposition, b"w": self.owner}
        if any(value and raw.get(name) != value.encode() for name, value in exact.items()):
            return False
        if self.account and raw.get(b"a", b"default") != self.account.encode():
            return False
        if self.reason and _reason(raw) != self.reason:
            return False
        since = self.created_since
        if since is not None or self.until is not None:
            created = _created_ms(raw)
            if (since is not None and created < since) or (self.until is not None and created >= self.until):
                return False
        return (not self.phone or _rings(raw, self.phone)) and (not self.part or _has_part(raw, self.part))


def _created_ms(raw: Hash) -> int:
    return int(raw[b"tl"].split(b";", 1)[0].split(b" ", 2)[1])


def _reason(raw: Hash) -> str:
    """The code of the last change of state."""
    last = entries(raw[b"tl"])[-1].split(b" ")
    return text(last[2]) if len(last) > 2 else ""


def recipients(raw: Hash) -> set[str]:
    """The E.164 numbers of a record's recipients."""
    parties = parties_of(json.loads(raw[b"b"]))
    return {number for party, number in parties if party in ("recipient", "ivr")}


def digits_of(part: str) -> str:
    """The digits of a text that is written like a part of a number, "" for another text."""
    return "".join(char for char in part if char.isdigit()) if _LIKE_A_NUMBER.fullmatch(part) else ""


def _has_part(raw: Hash, part: str) -> bool:
    """Whether a number, the reference or a value of the metadata contains the text, whatever the case of its letters.

    A text of digits with the usual punctuation is looked for in numbers by its digits.
    """
    folded = part.casefold()
    if folded in text(raw.get(b"r")).casefold():
        return True
    digits = digits_of(part)
    try:
        if digits and digits.encode() in raw.get(b"b", b""):
            numbers = numbers_of(json.loads(raw[b"b"]))
            if any(digits in number for number in numbers):
                return True
        return b"m" in raw and any(folded in str(value).casefold() for value in json.loads(raw[b"m"]).values())
    except (ValueError, AttributeError):
        return False


def _rings(raw: Hash, phone: str) -> bool:
    """Whether the call rings that number. Other programs may have written the record, so that its body may be anything."""
    if f'"{phone}"'.encode() not in raw.get(b"b", b""):
        return False
    try:
        return phone in numbers_of(json.loads(raw[b"b"]))
    except ValueError:
        return False


def require_filter(filter: CallFilter) -> CallFilter:
    """The filter itself. Raises TypeError for anything else: an empty mapping would be every call."""
    if not isinstance(filter, CallFilter):
        raise TypeError('calls are chosen by a CallFilter, such as CallFilter(state="completed")')
    return filter


def filter_or_all(filter: CallFilter | None) -> CallFilter:
    """The filter, of all calls for None. Raises TypeError for anything else."""
    return CallFilter() if filter is None else require_filter(filter)
