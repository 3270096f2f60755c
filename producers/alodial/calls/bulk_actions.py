"""Acts on all calls that a filter means, in chunks, with what became of each."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import NotRedialable
from ..observability import tracing
from ..store import call_transitions
from ..store.call_filter import CallFilter
from ..store.call_listing import MOST, select
from ..store.call_transitions import NewCall
from ..store.enqueue import enqueue_calls
from ..store.find_call import find_records
from .redial import RedialPlan, plan_redial

if TYPE_CHECKING:
    from .queue import CallQueue

CHUNK = 250
"""Calls of one script: about 5 ms of Redis."""


@dataclass(slots=True)
class BulkResult:
    """``left_out`` counts by code those that the act was not for; ``more`` says that the filter means others beside them."""

    done: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    more: bool = False

    def leave_out(self, code: str, count: int = 1) -> None:
        self.left_out[code] = self.left_out.get(code, 0) + count


def cancel_all(
    queue: "CallQueue", wanted: CallFilter, *, limit: int = MOST, reason: str = "canceled_by_operator"
) -> BulkResult:
    """Cancels up to ``most`` of those that were not submitted yet. Raises StoreUnavailable; given again it goes on."""
    names, more = queue.store.call(select, wanted, limit)
    done = BulkResult(more=more)
    for chunk in _chunks(names):
        for row in queue.store.run(call_transitions.cancel(chunk, reason)):
            if row.outcome == "canceled":
                done.done += 1
            else:
                done.leave_out(row.outcome)
    return done


def redial_all(queue: "CallQueue", wanted: CallFilter, actor: str, *, limit: int = MOST) -> BulkResult:
    """Rings up to ``most`` again; those under way and those of campaigns are left out. Raises StoreUnavailable; given
    again it goes on, and rings nobody twice for it."""
    names, more = queue.store.call(select, wanted, limit)
    done = BulkResult(more=more)
    for chunk in _chunks(names):
        attempts: list[call_transitions.Redialing] = []
        calls: list[NewCall] = []
        for plan in _plans(queue, chunk, done):
            if plan.again is None:
                attempts.append(plan.attempt)
            else:
                calls.append(plan.again)
        if attempts:
            for row in queue.store.run(call_transitions.redial(attempts, actor)):
                if row.outcome == "redial":
                    done.done += 1
                else:
                    done.leave_out(row.outcome)
        if calls:
            result = enqueue_calls(queue.store, calls)
            tracing.enqueued(calls, result.rows, result.seconds)
            queue.waker.submit(result.accounts)
            for answer in result.rows:
                if answer.outcome == "created":
                    done.done += 1
                else:
                    done.leave_out("already")
    return done


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]


def _plans(queue: "CallQueue", names: list[str], done: BulkResult) -> list[RedialPlan]:
    plans = []
    for record in queue.store.call(find_records, names):
        if record is None:
            done.leave_out("unknown")
            continue
        try:
            plans.append(plan_redial(record, queue.settings))
        except NotRedialable:
            done.leave_out("campaign" if record.campaign_id else "under_way")
    return plans
