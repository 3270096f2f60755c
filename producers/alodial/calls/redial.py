"""Decides how to redial a call, by its state: a new attempt, a new call, or a refusal. No I/O."""

import json
from dataclasses import dataclass
from typing import Final

from alodial_schemas import ENDS, State, mask_phone, new_ids

from ..errors import NotFound, NotRedialable
from ..settings import Settings
from ..store import call_transitions
from ..store.call_transitions import NewCall, Redialing
from ..store.keys import PRIORITY_LETTERS
from ..store.records import CallRecord
from .outcomes import QueuedCall
from .prepare import key_hash

SCOPE = "redial"
"""Separates the keys of redials from those that callers choose."""


_MASKED: Final = mask_phone("")
"""What every masked number contains."""


@dataclass(frozen=True, slots=True)
class RedialPlan:
    """A further ``attempt`` of the call ``name`` or, when set, ``again``: a new call with the same request.

    ``extid`` is the one by which the call's owner knows it.
    """

    name: str
    extid: str
    attempt: Redialing
    again: NewCall | None = None


def plan_redial(record: CallRecord, settings: Settings, attempt: int | None = None, quota: str = "") -> RedialPlan:
    """Returns the plan for a record; ``attempt`` is the number of the attempt to repeat, the latest by default, and
    ``quota`` the limits of the key that asks, as in NewCall.

    Raises NotRedialable when the call has not ended, belongs to a campaign, or its account is no longer set.
    """
    number = record.attempt if attempt is None else attempt
    redialing = Redialing(record.wire_extid, number)
    if record.state is State.UNCONFIRMED or number < record.attempt:
        return RedialPlan(record.id, record.extid, redialing)
    if record.state not in ENDS:
        problem = f"is {record.state}: it has not ended yet"
        raise NotRedialable(record.id, record.state, problem, "wait for its end, or cancel it first")
    if record.campaign_id is not None:
        problem = "belongs to a campaign, whose hours and caps a single call would go round"
        raise NotRedialable(record.id, record.state, problem, f"alodial campaign retry {record.campaign_id}")
    if is_masked(record):
        problem = "is older than ALODIAL_ARCHIVE_MASK_MONTHS: its numbers are no longer known"
        raise NotRedialable(record.id, record.state, problem, "place a new call with the number")
    if record.account not in settings.account_names:
        problem = f"was for account {record.account}, which is no longer set"
        raise NotRedialable(record.id, record.state, problem, "place a new call with another account")
    return RedialPlan(record.id, record.extid, redialing, _again(record)._replace(quota=quota))


def is_masked(record: CallRecord) -> bool:
    """Whether the numbers of an archived call were masked with its age."""
    return _MASKED in json.dumps(record.request)


def _again(record: CallRecord) -> NewCall:
    """Returns a new call with the same request, without its times. Its key makes repeated redials one call."""
    call_id, extid = new_ids()
    row = NewCall(
        extid=extid,
        id=call_id,
        body=json.dumps(record.request, ensure_ascii=False, separators=(",", ":")),
        account=record.account,
        priority=PRIORITY_LETTERS[record.priority],
        reference=record.reference or "",
        metadata=json.dumps(record.metadata, ensure_ascii=False, separators=(",", ":")) if record.metadata else "",
        on_unconfirmed="redial" if record.on_unconfirmed == "redial" else "",
        redial=json.dumps(record.redial, separators=(",", ":")) if record.redial else "",
        owner=record.owner or "",
        redial_of=record.id,
    )
    return row._replace(digest=key_hash(record.id, SCOPE)[:16], key=key_hash(f"{record.id}:{record.attempt}", SCOPE))


def redialed(plan: RedialPlan, row: call_transitions.Redialed) -> QueuedCall:
    """Returns the call after a new attempt was requested. Raises NotFound, NotRedialable."""
    match row.outcome:
        case "redial" | "already":
            return QueuedCall(row.id, plan.extid, State(row.state), row.outcome == "redial")
        case "unknown":
            raise NotFound(f"no call {plan.name}")
        case "over":
            problem = "has expired, or its campaign has ended"
            raise NotRedialable(row.id, row.state, problem, "place a new call instead")
    problem = f"is {row.state} by now: its outcome is known"
    raise NotRedialable(row.id, row.state, problem, f"alodial calls show {row.id}")
