"""Turns the store's rows into the results that callers get: queued, refused or canceled calls."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from alodial_schemas import ENDS, CallRequest, FieldProblem, State

from ..errors import Conflict, InvalidCall, LimitReached, NotCancelable, NotFound, StoreFull
from ..settings import Settings
from ..store import call_transitions
from ..store.call_transitions import NewCall
from ..store.records import CallRecord
from .prepare import plain_row, prepare, read_call

Source = CallRequest | Mapping[str, Any]

PAST: Final = "not_before is over already: the call goes at once"

PAST_TOLERANCE: Final = 5.0
"""Seconds: whoever writes the present moment means now."""


class QueuedCall(NamedTuple):
    """A call that is stored. ``created`` is False when the same call had been stored before; ``warnings`` say what may not
    have been meant."""

    id: str
    extid: str
    state: State
    created: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def noted(self) -> dict[str, list[str]]:
        """``{"warnings": [...]}`` for a JSON answer, {} without any."""
        return {"warnings": list(self.warnings)} if self.warnings else {}


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A row of :meth:`CallQueue.enqueue_many` that was not stored, and why."""

    code: str
    problems: list[FieldProblem]


def queued_call(row: call_transitions.Enqueued, call: NewCall) -> QueuedCall:
    """Returns the call that the store kept for ``call``. Raises Conflict when its extid or key belongs to another call,
    StoreFull when there was no room for it.

    The extid is at fault when the other call was found under it, else the idempotency key. Python, HTTP, the batch, the
    drop-in and the command line all take code and remedy from here.
    """
    if row.outcome == "created":
        warnings = (PAST,) if call.not_before != "" and _is_past(call.not_before) else ()
        return QueuedCall(row.id, row.caller_extid, row.state or State.QUEUED, True, warnings)
    if row.outcome == "conflict":
        by_extid = not call.key or row.caller_extid == call.extid
        raise Conflict("extid_conflict" if by_extid else "idempotency_conflict", row.caller_extid, row.id)
    if row.outcome == "limit":
        raise LimitReached(row.id, float(row.caller_extid))
    if row.outcome == "full":
        raise StoreFull(row.id)
    return QueuedCall(row.id, row.caller_extid, row.state or State.QUEUED, created=False)


def _is_past(not_before: int | str) -> bool:
    return isinstance(not_before, int) and not_before < (time.time() - PAST_TOLERANCE) * 1000


def outcome_of(row: call_transitions.Enqueued, call: NewCall) -> QueuedCall | RefusedCall:
    """Returns the row of a bulk answer: as :func:`queued_call`, with a RefusedCall instead of Conflict and StoreFull."""
    try:
        return queued_call(row, call)
    except LimitReached as exc:
        return RefusedCall(exc.code, [FieldProblem("", exc.code, str(exc), "wait")])
    except (Conflict, StoreFull) as exc:
        return RefusedCall(exc.code, exc.problems)


def prepare_all(
    sources: Sequence[Source], settings: Settings, scope: str
) -> tuple[list[NewCall], list[RefusedCall | None]]:
    """Returns the rows of the valid calls, and for each source None or its refusal."""
    calls: list[NewCall] = []
    refusals: list[RefusedCall | None] = []
    for source in sources:
        try:
            row = plain_row(source, settings)
            calls.append(row or prepare(read_call(source, settings), settings, scope=scope))
        except InvalidCall as exc:
            refusals.append(RefusedCall(exc.problems[0].code if len(exc.problems) == 1 else exc.code, exc.problems))
        else:
            refusals.append(None)
    return calls, refusals


def outcomes_of(
    refusals: Sequence[RefusedCall | None], calls: Sequence[NewCall], stored: Sequence[call_transitions.Enqueued]
) -> Iterator[QueuedCall | RefusedCall]:
    """Yields one result for each source of :func:`prepare_all`, in order."""
    answers = iter(zip(stored, calls, strict=True))
    for refusal in refusals:
        yield refusal if refusal is not None else outcome_of(*next(answers))


def existing(record: CallRecord | None, name: str) -> CallRecord:
    """The record. Raises NotFound where there is none."""
    if record is None:
        raise NotFound(f"no call {name}")
    return record


def canceled_of(record: CallRecord, row: call_transitions.Canceled) -> QueuedCall:
    """Returns the canceled call. Raises NotFound, NotCancelable."""
    if row.outcome == "unknown":
        if record.state in ENDS:  # its record has left Redis for the archive
            raise NotCancelable(record.id, record.state)
        raise NotFound(f"no call {record.id}")
    if row.outcome == "late":
        raise NotCancelable(row.id, row.state)
    return QueuedCall(row.id, record.extid, State(row.state), created=False)
