"""New calls as the script ``enqueue`` takes them, and its answers."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

from alodial_schemas import State

from ..settings import Settings
from .answers import text
from .client import Arg, Operation
from .keys import Keys

EnqueueOutcome = Literal["created", "same", "conflict", "full", "limit"]


class NewCall(NamedTuple):
    """A call in the form in which the script writes it: texts, with "" for what is missing; times are Unix ms.

    ``key`` is an idempotency key's hash, and behind a space the one under which an older version stored the same row.
    ``tenant`` is "1" for an owner with extids of its own; ``spare`` is an "extid id" of ours, with an extid of the caller's
    choice: the wire gets it when that extid is another owner's already. ``quota`` is as in lua/quota.lua.
    """

    extid: str
    id: str
    body: str
    account: str = "default"
    priority: str = "n"
    reference: str = ""
    metadata: str = ""
    not_before: int | str = ""
    expires_at: int | str = ""
    on_unconfirmed: str = ""
    redial: str = ""
    campaign: str = ""
    digest: str = ""
    key: str = ""
    owner: str = ""
    redial_of: str = ""
    tenant: str = ""
    spare: str = ""
    quota: str = ""


_ORDINARY = ("default", "n")
_NO_MORE = ("",) * (len(NewCall._fields) - NewCall._fields.index("metadata"))
"""Account, priority, metadata and times are sent where a call has others than these: each that is sent takes Redis 0.1 us."""
_REST = NewCall._fields.index("on_unconfirmed")
_SELDOM = ("",) * (len(NewCall._fields) - _REST)
"""What stands behind the times is sent where a call has any of it."""


def daily_calls_of(quota: str) -> int:
    """The calls of a day that a quota allows; 0 for no limit."""
    return int(quota.partition(";")[0].split()[1]) if quota else 0


class Enqueued(NamedTuple):
    """A call's row: ``same`` and ``conflict`` name the owner's call that has the extid or key already; its state may be gone.

    ``extid`` is the record's, and ``caller_extid`` the one by which its owner knows it. ``full``: Redis has no room for it;
    ``id`` is how many bytes it uses, and its limit.
    ``limit``: ``id`` names the limit of its API key, and ``caller_extid`` is how many seconds to wait.
    """

    outcome: EnqueueOutcome
    extid: str
    id: str
    state: State | None
    caller_extid: str


class LateEnqueue(Exception):
    """Redis read the request after its deadline and stored nothing; ``server_ms`` is its clock, Unix ms."""

    def __init__(self, server_ms: int) -> None:
        self.server_ms = server_ms
        super().__init__("stored nothing: the deadline had passed")


def enqueue(
    calls: Sequence[NewCall], settings: Settings, *, deadline: int = 0
) -> Operation[tuple[list[str], list[Enqueued]]]:
    """Stores calls, each once. Returns the accounts to wake and one row for each call.

    ``deadline`` is Unix ms by Redis' clock, 0 for none. Raises LateEnqueue when Redis read it after that.
    """
    args: list[Arg] = [str(round(settings.idempotency_retention * 1000)), str(deadline)]
    for call in calls:
        buckets = Keys.buckets(call.body, call.reference)
        if call[6:] == _NO_MORE and call[3:5] == _ORDINARY:
            args += (call[0], call[1], call[2], call[5], buckets)
        elif (rest := call[_REST:]) != _SELDOM:
            args += (*call[:3], call.reference, f"  {buckets}", *call[3:5], *map(str, call[6:_REST]), *rest)
        else:
            args += (*call[:3], call.reference, f" {buckets}", *call[3:5], *map(str, call[6:_REST]))

    def read(answer: Any) -> tuple[list[str], list[Enqueued]]:
        if answer == 1:  # the whole answer to a plain call that came alone
            return [], [Enqueued("created", calls[0].extid, calls[0].id, State.QUEUED, calls[0].extid)]
        if isinstance(answer, int):
            raise LateEnqueue(answer)
        rows = []
        for call, row in zip(calls, answer[1:], strict=True):
            if row == 1:
                rows.append(Enqueued("created", call.extid, call.id, State.QUEUED, call.extid))
            elif row == 2:
                rows.append(Enqueued("created", call.extid, call.id, State.SCHEDULED, call.extid))
            else:
                outcome, extid, call_id, state, caller_extid = (text(part) for part in row)
                known = State(state) if state else None
                rows.append(Enqueued(cast(EnqueueOutcome, outcome), extid, call_id, known, caller_extid))
        return [text(name) for name in answer[0]], rows

    return Operation("enqueue", args, read)


def set_deadline(operation: Operation[tuple[list[str], list[Enqueued]]], deadline: int) -> None:
    """Gives an operation of :func:`enqueue` that is about to be run another deadline, Unix ms by Redis' clock."""
    operation.args[1] = str(deadline)
