"""Cancels or redials all calls of a filter, in chunks, and counts the results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import NotRedialable
from ..observability import tracing
from ..store import call_transitions
from ..store.call_filter import CallFilter, require_filter
from ..store.call_listing import MAX_CALLS, select
from ..store.call_transitions import Enqueued, NewCall
from ..store.client import Store
from ..store.enqueue import enqueue_calls
from ..store.find_call import find_records
from ..store.records import CallRecord
from ..wakeup import Waker
from .merged_list import Archive, is_live_only, list_page
from .redial import RedialPlan, is_masked, plan_redial

CHUNK = 250
"""Calls of one script: about 5 ms of Redis, so that other clients wait no longer."""

_NOT_STORED: Final = {"full": "store_full", "limit": "limit_reached"}

MAX_PAGES: Final = 200
"""Pages of live and archived calls that are read for one act."""


@dataclass(slots=True)
class BulkResult:
    """``done`` calls were changed, ``left_out`` counts the others by code; ``more`` says that the filter matches more.

    ``incomplete``: the archive did not answer, so that archived calls were not reached. ``cursor``: where a redial goes on;
    None with ``more`` for calls that leave the filter as they are changed, which begins anew.
    """

    done: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    more: bool = False
    incomplete: bool = False
    cursor: str | None = None

    def leave_out(self, code: str, count: int = 1) -> None:
        """Counts calls that were not changed."""
        self.left_out[code] = self.left_out.get(code, 0) + count

    def add(self, done: bool, code: str) -> None:
        """Counts a call as done, or as left out with ``code``."""
        if done:
            self.done += 1
        else:
            self.leave_out(code)


def store_calls(store: Store, waker: Waker, calls: list[NewCall]) -> list[Enqueued]:
    """Stores new calls, begins their traces and wakes the workers. Raises StoreUnavailable."""
    stored = enqueue_calls(store, calls)
    tracing.enqueued(calls, stored.rows, stored.seconds)
    waker.submit(stored.accounts)
    return stored.rows


def cancel_all(
    store: Store, wanted: CallFilter, *, limit: int = MAX_CALLS, reason: str = "canceled_by_operator"
) -> BulkResult:
    """Cancels up to ``limit`` calls that were not submitted yet. Raises StoreUnavailable; repeat it to go on."""
    names, more = store.call(select, require_filter(wanted).in_zone(store.settings.timezone), limit)
    result = BulkResult(more=more)
    for chunk in _chunks(names):
        for row in store.run(call_transitions.cancel(chunk, reason)):
            result.add(row.outcome == "canceled", row.outcome)
    return result


def redial_all(
    store: Store,
    waker: Waker,
    wanted: CallFilter,
    actor: str,
    archive: Archive | None,
    limit: int = MAX_CALLS,
    cursor: str | None = None,
    quota: str = "",
) -> BulkResult:
    """Redials up to ``limit`` calls, archived ones too, except those in progress and those of campaigns.

    ``quota`` are the limits of the key that asks, as in NewCall. Goes on after the result with this ``cursor``. Raises
    BadCursor, and StoreUnavailable: repeat it then, no call rings twice for it.
    """
    result = BulkResult()
    for chunk in _records(store, archive, require_filter(wanted), limit, result, cursor):
        plans = _plans(store, chunk, quota, result)
        attempts = [plan.attempt for plan in plans if plan.again is None]
        calls = [plan.again for plan in plans if plan.again is not None]
        if attempts:
            for row in store.run(call_transitions.redial(attempts, actor)):
                result.add(row.outcome == "redial", row.outcome)
        if calls:
            for answer in store_calls(store, waker, calls):
                result.add(answer.outcome == "created", _NOT_STORED.get(answer.outcome, "already"))
    return result


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]


def _records(
    store: Store, archive: Archive | None, wanted: CallFilter, limit: int, result: BulkResult, cursor: str | None
) -> Iterator[Sequence[CallRecord | None]]:
    """The calls of a filter, a chunk at a time."""
    if is_live_only(wanted):
        names, result.more = store.call(select, wanted.in_zone(store.settings.timezone), limit)
        for chunk in _chunks(names):
            yield store.call(find_records, chunk)
        return
    result.cursor = cursor
    left = limit
    for _ in range(MAX_PAGES):
        page = list_page(store, archive, wanted, result.cursor, min(CHUNK, left))
        result.incomplete |= page.incomplete
        yield page.calls
        result.cursor = page.cursor
        left -= len(page.calls)
        if page.cursor is None or left <= 0:
            break
    result.more = result.cursor is not None


def _plans(store: Store, records: Sequence[CallRecord | None], quota: str, result: BulkResult) -> list[RedialPlan]:
    plans = []
    for record in records:
        if record is None:
            result.leave_out("unknown")
            continue
        try:
            plans.append(plan_redial(record, store.settings, quota=quota))
        except NotRedialable:
            masked = "masked" if is_masked(record) else "under_way"
            result.leave_out("campaign" if record.campaign_id else masked)
    return plans
