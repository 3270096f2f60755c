"""Turns records and events of the store into rows of the archive. No I/O."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from alodial_schemas import ENDS
from alodial_schemas.alovoice.result import talk_seconds

from ..store.answers import text, unix_ms
from ..store.call_facts import called_in, facts_of
from ..store.records import CallRecord, read_record
from .packing import packed, packed_event, subject_key, unpacked

Row = dict[str, Any]

PASSING: Final = frozenset({"tok", "st", "hb", "cr", "al", "lt", "ik", "pg", "qt", "kc"})
"""Fields of a record that only its life in Redis needs: leases, marks of the last worker, limits, keys."""

ENDED_EVENTS: Final = frozenset({*(f"alodial.call.{state}" for state in ENDS), "alodial.call.corrected"})
"""Types of events after which a call is, or still is, over."""

DAY_MS: Final = 86_400_000

_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ArchivedCall:
    """The rows of one ended call: that of ``calls`` and those of ``attempts``."""

    call: Row
    attempts: list[Row]


def day_of(ms: int) -> date:
    """The date in UTC of a moment in Unix ms."""
    return date.fromordinal(719_163 + ms // DAY_MS)  # 1970-01-01 is day 719163


def packed_record(extid: str, raw: Mapping[bytes, bytes]) -> bytes:
    """A record's fields as they are in Redis, and ``extid``, under which Redis kept it."""
    fields = {name: text(value) for key, value in raw.items() if (name := key.decode()) not in PASSING}
    return packed(_json({"extid": extid, **fields}))


def unpacked_record(record: bytes) -> tuple[str, dict[bytes, bytes]]:
    """The extid and the fields of :func:`packed_record`, as ``read_record`` and ``CallFilter.matches`` take them."""
    fields: dict[str, str] = json.loads(unpacked(record))
    extid = fields.pop("extid")
    return extid, {name.encode(): value.encode() for name, value in fields.items()}


def record_of(record: bytes) -> CallRecord:
    """The CallRecord of a row's ``record``, with its attempts and timeline. Raises ValueError for one that is damaged."""
    call = read_record(*unpacked_record(record))
    if call is None:
        raise ValueError("the archive holds a record without an id")
    return call


def archived_call(extid: str, raw: Mapping[bytes, bytes]) -> ArchivedCall | None:
    """The rows of an ended call; None for one that is gone or has not ended."""
    if raw.get(b"s", b"").decode() not in ENDS:
        return None
    record = read_record(extid, raw)
    if record is None:
        return None
    facts = facts_of(record)
    created = unix_ms(record.created_at) or 0
    day = day_of(created)
    attempts = [_attempt(day, record, attempt, facts.recipients) for attempt in record.attempts]
    ends = [entry["at"] for entry in record.timeline if entry["state"] in ENDS]
    call = {
        "day": day,
        "call_id": record.id,
        "created_at": created,
        "ended_at": unix_ms(ends[-1] if ends else record.updated_at) or created,
        "owner": record.owner or "",
        "account": record.account,
        "extid": record.extid,
        "wire_extid": extid,
        "reference": record.reference or "",
        "campaign_id": record.campaign_id or "",
        "row_number": int(raw[b"ri"]) if b"ri" in raw else None,
        "priority": record.priority,
        "kind": _kind(facts.parties),
        "initiator": facts.initiator,
        "recipients": " ".join(facts.recipients),
        "search": searched(facts.initiator, facts.recipients, record.reference, record.metadata),
        "state": str(record.state),
        "disposition": record.disposition or "",
        "reason": record.reason or "",
        "attempts": sum(attempt["submitted_at"] is not None for attempt in record.attempts),
        "talk_seconds": sum(row["talk_seconds"] for row in attempts),
        "line": facts.line,
        "operator_code": facts.operator,
        "version": int(raw.get(b"v", b"0") or 0),
        "masked": 0,
        "record": packed_record(extid, raw),
    }
    if any(b"\0" in value or b"\\u0000" in value for value in raw.values()):
        return ArchivedCall(_without_nul(call), [_without_nul(row) for row in attempts])
    return ArchivedCall(call, attempts)


def searched(initiator: str, recipients: Sequence[str], reference: str | None, metadata: Mapping[str, Any]) -> str:
    """What is looked through for a part of a number, of the reference or of a value of the metadata: a line each."""
    parts = [initiator, *recipients, reference or "", *(str(value) for value in metadata.values())]
    return "\n".join(part.casefold() for part in parts if part)


def _kind(parties: Sequence[tuple[Any, str]]) -> str:
    kinds = {party for party, _ in parties}
    return "ivr" if "ivr" in kinds else "queue" if "queue" in kinds else "two-way"


def _attempt(day: date, record: CallRecord, attempt: Mapping[str, Any], recipients: Sequence[str]) -> Row:
    result: Mapping[str, Any] = attempt["result"] or {}
    return {
        "day": day,
        "call_id": record.id,
        "attempt": attempt["attempt"],
        "extid": attempt["extid"] or "",
        "submitted_at": unix_ms(attempt["submitted_at"]),
        "ended_at": unix_ms(result.get("end_time")),
        "disposition": attempt["disposition"] or "",
        "dialstatus": str(result.get("dialstatus") or ""),
        "talk_seconds": _talked(attempt, result),
        "line": str(result.get("trunk_number") or ""),
        "recipient": called_in(result, recipients),
        "call_ids": " ".join(str(number) for number in result.get("call_ids") or ()),
        "recording": str(result.get("record") or ""),
    }


def _talked(attempt: Mapping[str, Any], result: Mapping[str, Any]) -> int:
    if attempt["disposition"] != "answered" or not result:
        return 0
    answered, ended = (
        datetime.fromisoformat(moment) if (moment := result.get(name)) else None for name in ("answer_time", "end_time")
    )
    seconds = talk_seconds(answered, ended, result.get("duration"))
    limit = attempt["talk_limited_to"]
    return seconds if limit is None else min(seconds, limit)


def _without_nul(row: Row) -> Row:
    """PostgreSQL stores no NUL in a text."""
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    """The row of an event, its type, and the call or else the campaign that it tells of."""

    row: Row
    type: str
    call_id: str
    campaign_id: str


def archived_event(position: str, event: str) -> ArchivedEvent | None:
    """The event at this place of the stream; None for a text that is no event of ours."""
    try:
        body = json.loads(event)
        kind, id, data = str(body["type"]), str(body["id"]), body.get("data") or {}
        at = unix_ms(body["time"]) or int(position.partition("-")[0])
        call, campaign = str(data.get("call_id") or ""), str(data.get("campaign_id") or "")
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    subject = call or campaign
    row = {
        "day": day_of(at),
        "subject": subject_key(subject),
        "name": id.removeprefix(subject).replace("\0", ""),
        "body": packed_event(event, subject),
    }
    return ArchivedEvent(row, kind, call, campaign)
