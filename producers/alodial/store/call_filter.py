"""Which calls a list is narrowed to, and whether a record is one of them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from alodial_schemas import numbers_of, parties_of

Hash = Mapping[bytes, bytes]

_BETWEEN = re.compile(rb";(?=[a-z_]+ [0-9]+(?:[ ;]|$))")
"""Between two entries of a timeline, ``state ms note``; a semicolon of a note is none."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What a list is narrowed to; an empty text means everything.

    ``phone`` is E.164 and may be the initiator or a recipient. ``reason`` is the code with which a call ended badly.
    ``since`` and ``until`` are Unix ms of its creation, the second one not included.
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

    def matches(self, raw: Hash) -> bool:
        """Whether the record of this Redis hash is meant. Nothing is decoded that was not asked for."""
        if b"id" not in raw:
            return False
        for wanted, name in (
            (self.state, b"s"),
            (self.campaign, b"g"),
            (self.reference, b"r"),
            (self.disposition, b"dp"),
            (self.owner, b"w"),
        ):
            if wanted and raw.get(name) != wanted.encode():
                return False
        if self.account and raw.get(b"a", b"default") != self.account.encode():
            return False
        if self.reason and reason_of(raw) != self.reason:
            return False
        if self.since is not None or self.until is not None:
            made = created_ms(raw)
            if (self.since is not None and made < self.since) or (self.until is not None and made >= self.until):
                return False
        return not self.phone or rings(raw, self.phone)


def entries(timeline: bytes) -> list[bytes]:
    return _BETWEEN.split(timeline)


def created_ms(raw: Hash) -> int:
    return int(raw[b"tl"].split(b";", 1)[0].split(b" ", 2)[1])


def reason_of(raw: Hash) -> str:
    """The code of its last change of state."""
    last = entries(raw[b"tl"])[-1].split(b" ")
    return last[2].decode("utf-8", "replace") if len(last) > 2 else ""


def recipients(raw: Hash) -> set[str]:
    parties = parties_of(json.loads(raw[b"b"]))
    return {number for party, number in parties if party in ("recipient", "ivr")}


def rings(raw: Hash, phone: str) -> bool:
    """Whether the call rings that number. What is in Redis may not have come through our front door."""
    if f'"{phone}"'.encode() not in raw.get(b"b", b""):
        return False
    try:
        return phone in numbers_of(json.loads(raw[b"b"]))
    except ValueError:
        return False
