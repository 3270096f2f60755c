"""Calls as people are shown them: numbers in full or masked, one row of a list."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from alodial_schemas import mask_numbers, mask_phone

from ..store.records import CallRecord
from .auth import can
from .call_timeline import initiator_of, targets_of
from .session import Operator

NUMBERS: Final = "see_numbers"
"""The act of seeing numbers in full. It keeps them from shoulders and screenshots, and is no wall: HTTP answers whole records
to every key that reads."""

MAX_RAW: Final = 6000


@dataclass(frozen=True, slots=True)
class CallRow:
    """``name`` is what people call it by: their reference, else the extid. ``to`` is the first recipient, ``others`` how
    many more there are."""

    id: str
    extid: str
    name: str
    reference: str
    first: str
    to: str
    others: int
    state: str
    disposition: str
    note: str
    created_at: str
    updated_at: str
    campaign: str
    attempt: int
    account: str


def in_full(operator: Operator) -> bool:
    return can(operator, NUMBERS)


def author(operator: Operator) -> str:
    """Who an act is by, for a call's timeline: a name that was typed must not hold the signs that part its entries."""
    return re.sub(r"[^\w.@()-]+", "_", operator.actor)[:64]


def number(value: str, *, full: bool) -> str:
    """A phone; short extensions and queues stay as they are."""
    return value if full or sum(ch.isdigit() for ch in value) < 7 else mask_phone(value)


def text(value: str, *, full: bool) -> str:
    """Free text, in which numbers may stand."""
    return value if full else mask_numbers(value)


def raw(value: Any, *, full: bool) -> str:
    """JSON to be read by people, bounded; numbers in it masked for those who do not see them."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    shown = shown[:MAX_RAW] + (" …" if len(shown) > MAX_RAW else "")
    return text(shown, full=full)


def recording(url: object) -> str:
    """The address of a recording that may be followed: http or https with a host, without a password; else ""."""
    if not isinstance(url, str) or len(url) > 2000 or not url.isprintable():
        return ""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.username is None and parts.password is None
    except ValueError:
        return ""
    plain = url.lower().startswith(("http://", "https://")) and "\\" not in url
    return url if plain and named else ""


def row_of(record: CallRecord, *, full: bool) -> CallRow:
    targets = targets_of(record.request)
    reference = text(record.reference or "", full=full)
    last = record.timeline[-1]
    return CallRow(
        id=record.id,
        extid=record.extid,
        name=reference or record.extid,
        reference=reference,
        first=number(initiator_of(record.request), full=full),
        to=number(targets[0][1], full=full) if targets else "",
        others=max(0, len(targets) - 1),
        state=record.state.value,
        disposition=record.disposition or "",
        note=last.get("note") or "",
        created_at=record.created_at,
        updated_at=record.updated_at,
        campaign=record.campaign_id or "",
        attempt=record.attempt,
        account=record.account,
    )


def rows_of(records: Iterable[CallRecord], *, full: bool) -> list[CallRow]:
    return [row_of(record, full=full) for record in records]
