"""Compares the sandbox's ledger, which records every phone that rang, with alodial's records and events."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alodial_schemas import ENDS, Event, State

from .enqueue import PlacedCall
from .stack import ProcessStack


def ledger(stack: ProcessStack) -> Any:
    """The sandbox's ledger. Raises httpx.HTTPError."""
    return stack.http.get(f"{stack.sandbox_url}/sandbox/ledger").json()


def compare(stack: ProcessStack, calls: Sequence[PlacedCall], events: Sequence[Event]) -> list[tuple[str, bool]]:
    """Sentences about the ledger, the records of ``calls`` and all ``events``, each with whether it is as it should be."""
    seen = ledger(stack)
    rung: dict[str, int] = seen["extids"]
    # A rejected attempt was POSTed, but no phone rang.
    records = [placed.record for placed in calls if placed.record.state is not State.REJECTED]
    sent = {attempt["extid"] for record in records for attempt in record.attempts if attempt["submitted_at"]}
    twice = sum(times > 1 for times in rung.values())
    unknown, missing = len(rung.keys() - sent), len(sent - rung.keys())
    ends = Counter(event.subject for event in events if event.type.removeprefix("alodial.call.") in ENDS)
    wrong = sum(ends[placed.record.id] != 1 for placed in calls)
    return [
        (f"POSTs that rang: {seen['rung']}, phones rung twice for one attempt: {twice}", not twice),
        (
            f"attempts that rang without a record: {unknown}; recorded as sent but never rang: {missing}",
            unknown == missing == 0,
        ),
        (f"calls without exactly one event for their end: {wrong}", not wrong),
        (f"{seen['posts']} POSTs arrived, {seen['posts'] - seen['rung']} of them refused", True),
        (
            f"at most {seen['peak_concurrent']} calls at once",
            seen["peak_concurrent"] <= stack.settings.max_concurrent_calls,
        ),
    ]
