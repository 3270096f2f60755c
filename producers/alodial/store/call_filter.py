"""The filter of a list of calls, and whether a record passes it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alodial_schemas import Disposition, FieldProblem, State, numbers_of, parties_of

from ..errors import InvalidCall
from .answers import text

Hash = Mapping[bytes, bytes]

_BETWEEN = re.compile(rb";(?=[a-z_]+ [0-9]+(?:[ ;]|$))")
"""Separates two entries of a timeline, ``state ms note``; a semicolon within a note does not."""


MIN_PART: Final = 3
"""Letters or digits of a part: with fewer nearly every call would match."""

_LIKE_A_NUMBER = re.compile(r"[0-9 +().-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Restricts a list of calls; an empty text means everything.

    ``phone`` is E.164 and may be the initiator or a recipient. ``reason`` is the code with which a call ended badly.
    ``since`` (included) and ``until`` (excluded) are Unix ms of its creation. ``part`` is a part of a number, of the
    reference or of a value of the metadata, such as a name: no index has it, so that records are read until a page is full.
    ``calls`` are the names of chosen records (``wire_extid``).
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

    def __post_init__(self) -> None:
        """Raises InvalidCall for a state or disposition that does not exist: an empty list would say that none is in it."""
        choices: dict[str, type[StrEnum]] = {"state": State, "disposition": Disposition}
        problems = [
            FieldProblem(name, "not_a_choice", f"there is no {name} {value[:32]!r}", f"use one of {', '.join(known)}")
            for name, known in choices.items()
            if (value := getattr(self, name)) and value not in set(known)
        ]
        if problems:
            raise InvalidCall(problems)

    def matches(self, raw: Hash) -> bool:
        """Whether the record of this Redis hash passes. Decodes no field that the filter does not name."""
        if b"id" not in raw:
            return False
        exact = {b"s": self.state, b"g": self.campaign, b"r": self.reference, b"dp": self.disposition, b"w": self.owner}
        if any(value and raw.get(name) != value.encode() for name, value in exact.items()):
            return False
        if self.account and raw.get(b"a", b"default") != self.account.encode():
            return False
        if self.reason and _reason(raw) != self.reason:
            return False
        if self.since is not None or self.until is not None:
            created = _created_ms(raw)
            if (self.since is not None and created < self.since) or (self.until is not None and created >= self.until):
                return False
        return (not self.phone or _rings(raw, self.phone)) and (not self.part or _has_part(raw, self.part))


def entries(timeline: bytes) -> list[bytes]:
    """The entries ``state ms note`` of a record's timeline, oldest first."""
    return _BETWEEN.split(timeline)


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
