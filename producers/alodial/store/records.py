"""Reads a call's record: its attempts, its timeline, its results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from alodial_schemas import State, request_from_body

from . import answers
from .answers import entries

_PRIORITIES: Final = {"u": "urgent", "b": "bulk"}


def iso(ms: int | str | bytes) -> str:
    """Unix milliseconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. The fields are those of ``GET /v1/calls/{id}`` in the OpenAPI document; times are ISO 8601 in UTC.

    The store keeps it under ``wire_extid``, that of its first attempt; ``extid`` is the one by which its owner knows it.
    """

    id: str
    extid: str
    wire_extid: str
    state: State
    account: str
    priority: str
    request: dict[str, Any]
    reference: str | None
    campaign_id: str | None
    owner: str | None
    redial_of: str | None
    disposition: str | None
    reason: str | None
    attempt: int
    tries: int
    created_at: str
    updated_at: str
    not_before: str | None
    expires_at: str | None
    on_unconfirmed: str
    redial: dict[str, Any] | None
    metadata: dict[str, str]
    attempts: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The record as HTTP and ``--json`` show it."""
        return {name: getattr(self, name) for name in self.__slots__}

    def summary(self) -> dict[str, Any]:
        """The record as a row of a list: without its attempts and timeline."""
        return {name: getattr(self, name) for name in self.__slots__ if name not in {"attempts", "timeline"}}


def read_record(extid: str, raw: Mapping[bytes, bytes]) -> CallRecord | None:
    """The record from its Redis hash; None for an empty hash."""
    if b"id" not in raw:
        return None
    text = {name.decode(): answers.text(value) for name, value in raw.items()}
    timeline = [_moment(answers.text(entry)) for entry in entries(raw[b"tl"])]
    current = int(text.get("n", 1))
    return CallRecord(
        id=text["id"],
        extid=text["ox"].rpartition(":")[2] if "ox" in text else extid,
        wire_extid=extid,
        state=State(text["s"]),
        account=text.get("a", "default"),
        priority=priority_of(text),
        request=request_from_body(text["b"]),
        reference=text.get("r"),
        campaign_id=text.get("g"),
        owner=text.get("w"),
        redial_of=text.get("of"),
        disposition=text.get("dp"),
        reason=text.get("why"),
        attempt=current,
        tries=int(text.get("rt", 0)),
        created_at=timeline[0]["at"],
        updated_at=timeline[-1]["at"],
        not_before=iso(text["nb"]) if "nb" in text else None,
        expires_at=iso(text["x"]) if "x" in text else None,
        on_unconfirmed=text.get("u", "wait"),
        redial=json.loads(text["rd"]) if "rd" in text else None,
        metadata=json.loads(text["m"]) if "m" in text else {},
        attempts=[_attempt(n, text, extid) for n in range(1, current + 1)],
        timeline=timeline,
    )


def priority_of(text: Mapping[str, str]) -> str:
    """The priority of a record's fields."""
    return _PRIORITIES.get(text.get("p", ""), "normal")


def _moment(entry: str) -> dict[str, Any]:
    state, at, *note = entry.split(" ", 2)
    return {"state": state, "at": iso(at), "note": note[0] if note else None}


def _attempt(n: int, text: Mapping[str, str], extid: str) -> dict[str, Any]:
    submitted, _, worker = text.get(f"a{n}", "").partition(" ")
    answer = text.get(f"o{n}")
    result = text.get(f"r{n}")
    other = text.get(f"rc{n}")
    return {
        "attempt": n,
        "extid": text.get(f"x{n}", extid),
        "submitted_at": iso(submitted) if submitted else None,
        "worker": worker or None,
        "answer": json.loads(answer) if answer else None,
        "disposition": text.get(f"d{n}"),
        "result": json.loads(result) if result else None,
        "conflicting_result": json.loads(other) if other else None,
        "talk_limited_to": int(text[f"tc{n}"]) if f"tc{n}" in text else None,
    }
