"""Calls as the screens show them: phone numbers in full or masked, and the rows of lists."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from alodial_schemas import mask_numbers, mask_phone

from ..calls.call_timeline import initiator_of, targets_of
from ..store.records import CallRecord
from .auth import can
from .session import Operator

NUMBERS: Final = "see_numbers"
"""The act of seeing numbers in full. Masking keeps them off screenshots; it is no protection: HTTP gives whole records to
every key that reads."""

MAX_RAW: Final = 6000


@dataclass(frozen=True, slots=True)
class CallRow:
    """``name`` is the caller's reference, else the extid; ``to`` is the first recipient, ``others`` how many follow."""

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
    record: str


def in_full(operator: Operator) -> bool:
    """Whether the operator sees phone numbers unmasked."""
    return can(operator, NUMBERS)


def author(operator: Operator) -> str:
    """The operator's name for a call's timeline, without the signs that separate the timeline's entries."""
    return re.sub(r"[^\w.@()-]+", "_", operator.actor)[:64]


def number(value: str, *, full: bool) -> str:
    """A phone, masked unless ``full``; short extensions and queues stay as they are."""
    return value if full or sum(ch.isdigit() for ch in value) < 7 else mask_phone(value)


def text(value: str, *, full: bool) -> str:
    """Free text, with the numbers in it masked unless ``full``."""
    return value if full else mask_numbers(value)


def raw(value: Any, *, full: bool) -> str:
    """JSON or a raw text as it is shown, cut at ``MAX_RAW``; numbers in it are masked unless ``full``."""
    content = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return text(content[:MAX_RAW] + (" …" if len(content) > MAX_RAW else ""), full=full)


def recording(url: object) -> str:
    """The address of a recording if it is safe to link: http or https with a host, without a password; else ""."""
    if not isinstance(url, str) or len(url) > 2000 or not url.isprintable():
        return ""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.username is None and parts.password is None
    except ValueError:
        return ""
    plain = url.lower().startswith(("http://", "https://")) and "\\" not in url
    return url if plain and has_host else ""


def row_of(record: CallRecord, *, full: bool) -> CallRow:
    """A row of a list; ``full`` shows phone numbers unmasked."""
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
        record=record.wire_extid,
    )


def rows_of(records: Iterable[CallRecord], *, full: bool) -> list[CallRow]:
    return [row_of(record, full=full) for record in records]
