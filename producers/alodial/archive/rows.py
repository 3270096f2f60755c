"""Turns records and events of the store into rows of the archive. No I/O."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from alodial_schemas import ENDS
from alodial_schemas.alovoice.result import talk_seconds

from ..store.answers import entries, unix_ms
from ..store.call_facts import called_in, facts_from
from ..store.records import CallRecord, priority_of, read_record
from .packing import packed, packed_event, subject_key, unpacked

Row = dict[str, Any]

PASSING: Final = frozenset({"tok", "st", "hb", "cr", "al", "lt", "ik", "pg", "qt", "kc"})
"""Fields of a record that only its life in Redis needs: leases, marks of the last worker, limits, keys."""

ENDED_EVENTS: Final = frozenset({*(f"alodial.call.{state}" for state in ENDS), "alodial.call.corrected"})
"""Types of events after which a call is, or still is, over."""

DAY_MS: Final = 86_400_000

_decode: Final = json.JSONDecoder().raw_decode
_quoted: Final = json.encoder.encode_basestring  # the encoder's own, without its set-up


class ArchivedCall(NamedTuple):
    """The rows of one ended call: that of ``calls`` and those of ``attempts``."""

    call: Row
    attempts: list[Row]


def day_of(ms: int) -> date:
    """The date in UTC of a moment in Unix ms."""
    return date.fromordinal(719_163 + ms // DAY_MS)  # 1970-01-01 is day 719163


def _parsed(document: str) -> Any:
    """The value of a document of JSON, as ``json.loads`` reads it, which costs as much again for short ones."""
    try:
        value, end = _decode(document)
    except ValueError:
        end = -1
    return value if end == len(document) else json.loads(document)


def _fields(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """A record's fields as texts, as ``read_record`` reads them."""
    return {name.decode(): value.decode("utf-8", "replace") for name, value in raw.items()}


def _record_json(extid: str, fields: Mapping[str, str]) -> str:
    """A record's fields as they are in Redis, and ``extid``, under which Redis kept it."""
    pairs = [f"{_quoted(name)}:{_quoted(value)}" for name, value in fields.items() if name not in PASSING]
    return f'{{"extid":{",".join([_quoted(extid), *pairs])}}}'


def unpacked_record(record: bytes) -> tuple[str, dict[bytes, bytes]]:
    """The extid and the fields of a packed record, as ``read_record`` and ``CallFilter.matches`` take them."""
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
    """The rows of an ended call; None for one that is gone or has not ended.

    They say what ``read_record`` says, without its times and dictionaries for readers, which cost as much as all the rest.
    Raises ValueError and LookupError for a record that readers could not read.
    """
    fields = _fields(raw)
    id = fields.get("id")
    if id is None or fields.get("s") not in ENDS:
        return None
    timeline = [entry.split(b" ", 2) for entry in entries(raw[b"tl"])]
    created = int(timeline[0][1])
    ended = next((int(at) for state, at, *_ in reversed(timeline) if state.decode() in ENDS), int(timeline[-1][1]))
    for name in ("rd", *(f"rc{n}" for n in range(1, int(fields.get("n", 1)) + 1))):
        if name in fields:
            _parsed(fields[name])
    tries = [_read_attempt(n, fields) for n in range(1, int(fields.get("n", 1)) + 1)]
    last: Mapping[str, Any] = next((attempt.result for attempt in reversed(tries) if attempt.disposition), {})
    facts = facts_from(_parsed(fields["b"]), last, tries[0].submitted_at if tries else None)
    day = day_of(created)
    attempts = [_attempt_row(day, id, attempt, fields, extid, facts.recipients) for attempt in tries]
    reference, metadata = fields.get("r", ""), _parsed(fields["m"]) if "m" in fields else {}
    record = _record_json(extid, fields)
    call = {
        "day": day,
        "call_id": id,
        "created_at": created,
        "ended_at": ended,
        "owner": fields.get("w", ""),
        "account": fields.get("a", "default"),
        "extid": fields["ox"].rpartition(":")[2] if "ox" in fields else extid,
        "wire_extid": extid,
        "reference": reference,
        "campaign_id": fields.get("g", ""),
        "row_number": int(fields["ri"]) if "ri" in fields else None,
        "priority": priority_of(fields),
        "kind": _kind(facts.parties),
        "initiator": facts.initiator,
        "recipients": " ".join(facts.recipients),
        "search": searched(facts.initiator, facts.recipients, reference, metadata),
        "state": fields["s"],
        "disposition": fields.get("dp", ""),
        "reason": fields.get("why", ""),
        "attempts": sum(attempt.submitted_at is not None for attempt in tries),
        "talk_seconds": sum(row["talk_seconds"] for row in attempts),
        "line": facts.line,
        "operator_code": facts.operator,
        "version": int(fields.get("v") or 0),
        "masked": 0,
        "record": packed(record),
    }
    if "\\u0000" in record:
        return ArchivedCall(_without_nul(call), [_without_nul(row) for row in attempts])
    return ArchivedCall(call, attempts)


class _Attempt(NamedTuple):
    number: int
    submitted_at: int | None
    disposition: str
    result: Mapping[str, Any]


def _read_attempt(n: int, fields: Mapping[str, str]) -> _Attempt:
    submitted = fields.get(f"a{n}", "").partition(" ")[0]
    result, answer = fields.get(f"r{n}"), fields.get(f"o{n}")
    if answer:
        _parsed(answer)
    return _Attempt(
        n, int(submitted) if submitted else None, fields.get(f"d{n}", ""), (_parsed(result) or {}) if result else {}
    )


def searched(initiator: str, recipients: Sequence[str], reference: str | None, metadata: Mapping[str, Any]) -> str:
    """What is looked through for a part of a number, of the reference or of a value of the metadata: a line each."""
    parts = [initiator, *recipients, reference or "", *(str(value) for value in metadata.values())]
    return "\n".join(part.casefold() for part in parts if part)


def _kind(parties: Sequence[tuple[Any, str]]) -> str:
    kinds = {party for party, _ in parties}
    return "ivr" if "ivr" in kinds else "queue" if "queue" in kinds else "two-way"


def _attempt_row(
    day: date, id: str, attempt: _Attempt, fields: Mapping[str, str], extid: str, recipients: Sequence[str]
) -> Row:
    result = attempt.result
    limit = fields.get(f"tc{attempt.number}")
    return {
        "day": day,
        "call_id": id,
        "attempt": attempt.number,
        "extid": fields.get(f"x{attempt.number}", extid),
        "submitted_at": attempt.submitted_at,
        "ended_at": unix_ms(result.get("end_time")),
        "disposition": attempt.disposition,
        "dialstatus": str(result.get("dialstatus") or ""),
        "talk_seconds": _talked(attempt, None if limit is None else int(limit)),
        "line": str(result.get("trunk_number") or ""),
        "recipient": called_in(result, recipients),
        "call_ids": " ".join(map(str, result.get("call_ids") or ())),
        "recording": str(result.get("record") or ""),
    }


def _talked(attempt: _Attempt, limit: int | None) -> int:
    if attempt.disposition != "answered" or not attempt.result:
        return 0
    answered, ended = (
        datetime.fromisoformat(moment) if (moment := attempt.result.get(name)) else None
        for name in ("answer_time", "end_time")
    )
    seconds = talk_seconds(answered, ended, attempt.result.get("duration"))
    return seconds if limit is None else min(seconds, limit)


def _without_nul(row: Row) -> Row:
    """PostgreSQL stores no NUL in a text."""
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}


class ArchivedEvent(NamedTuple):
    """The row of an event, its type, and the call or else the campaign that it tells of."""

    row: Row
    type: str
    call_id: str
    campaign_id: str


def archived_event(position: str, event: str) -> ArchivedEvent | None:
    """The event at this place of the stream; None for a text that is no event of ours."""
    try:
        body = _parsed(event)
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
