"""Keeps the counts of reports exact: what a change of archived calls adds to them, and takes away.

:func:`increments` is pure. What it returns is added in the transaction that writes the calls, so that the counts are what a
count of all archived calls would give.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, select

from alodial_schemas import ENDS, State

from ..store.call_facts import code_of
from .bulk import add_sums
from .count_tables import COUNT_TABLES, COUNTS_DAY, COUNTS_HOUR, COUNTS_INITIATOR
from .report_query import MEASURES
from .rows import ArchivedCall
from .schema import ATTEMPTS, CALLS

Key = tuple[Any, ...]
Increments = dict[str, dict[Key, list[int]]]
"""For each table its rows' keys, in the order of the columns, with what is added to each of ``MEASURES``."""

NO_RESULT: Final = "no_result"
"""The outcome of an attempt that had no result."""

_CALLS: Final = 5000
"""Calls that a recount reads at once."""


def outcome_of(call: Mapping[str, Any]) -> str:
    """How a call ended: its disposition where it is completed, else its state.

    A completed call whose disposition is called like a state is ``completed:canceled`` or ``completed:rejected``.
    """
    state, disposition = str(call["state"]), call["disposition"] or "unknown"
    if state != State.COMPLETED:
        return state
    return f"{state}:{disposition}" if disposition in ENDS else str(disposition)


def increments(before: Iterable[ArchivedCall], after: Iterable[ArchivedCall], zone: ZoneInfo) -> Increments:
    """What the counts change by when the calls ``before`` are replaced by those ``after``. No I/O."""
    sums: Increments = {table.name: defaultdict(lambda: [0] * len(MEASURES)) for table in COUNT_TABLES}
    for sign, calls in ((-1, before), (1, after)):
        for row in calls:
            _add(sums, row, zone, sign)
    return {name: {key: values for key, values in sorted(rows.items()) if any(values)} for name, rows in sums.items()}


def _add(sums: Increments, row: ArchivedCall, zone: ZoneInfo, sign: int) -> None:
    call = row.call
    outcome, owner, campaign = outcome_of(call), call["owner"], call["campaign_id"]
    values = (1, call["attempts"], int(outcome == "answered"), call["talk_seconds"])
    day = _local(call["created_at"], zone).date()
    _increase(sums[COUNTS_DAY.name][day, owner, campaign, call["line"], call["operator_code"], outcome], values, sign)
    if not campaign:
        _increase(sums[COUNTS_INITIATOR.name][day, owner, call["initiator"], outcome], values, sign)
    for attempt in row.attempts:
        if attempt["submitted_at"] is None:
            continue
        at = _local(attempt["submitted_at"], zone)
        result = attempt["disposition"] or NO_RESULT
        values = (int(attempt["attempt"] == 1), 1, int(result == "answered"), attempt["talk_seconds"])
        key = (at.date(), at.hour, owner, campaign, code_of(attempt["recipient"]), result)
        _increase(sums[COUNTS_HOUR.name][key], values, sign)


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(ms / 1000, zone)


def _increase(sums: list[int], values: Sequence[int], sign: int) -> None:
    for place, value in enumerate(values):
        sums[place] += sign * value


def add_increments(connection: Connection, changes: Increments) -> None:
    """Adds increments to the counts. The rows are sorted, so that two writers do not wait for each other."""
    for table in COUNT_TABLES:
        rows = [(*key, *sums) for key, sums in changes[table.name].items()]
        if rows:
            add_sums(connection, table, rows, MEASURES)


def counter(zone: ZoneInfo) -> Callable[[Connection, Sequence[ArchivedCall], Sequence[ArchivedCall]], None]:
    """The function that the archiver calls in its transaction with the calls that were there and those that are now."""

    def count(connection: Connection, before: Sequence[ArchivedCall], after: Sequence[ArchivedCall]) -> None:
        add_increments(connection, increments(before, after, zone))

    return count


def recount(connection: Connection, zone: ZoneInfo) -> int:
    """Counts all archived calls anew, in the caller's transaction, and returns how many.

    Counts of days before the oldest archived call stay: its retention deleted those calls, not what was counted.
    """
    oldest = connection.execute(select(func.min(CALLS.c.created_at))).scalar()
    if oldest is None:
        return 0
    first = _local(oldest, zone).date()
    older = connection.execute(select(func.count()).where(COUNTS_DAY.c.day < first)).scalar()
    if older:
        first += timedelta(days=1)  # of that day some calls may be gone
    for table in COUNT_TABLES:
        connection.execute(delete(table).where(table.c.day >= first))
    counted, day = 0, connection.execute(select(func.min(CALLS.c.day))).scalar()
    last = connection.execute(select(func.max(CALLS.c.day))).scalar()
    while day is not None and last is not None and day <= last:
        counted += _recount_day(connection, day, first, zone)
        day += timedelta(days=1)
    return counted


def _recount_day(connection: Connection, day: date, first: date, zone: ZoneInfo) -> int:
    after, counted = "", 0
    while True:
        query = select(*_CALL_COLUMNS).where(CALLS.c.day == day, CALLS.c.call_id > after).order_by(CALLS.c.call_id)
        calls = {row.call_id: ArchivedCall(dict(row._mapping), []) for row in connection.execute(query.limit(_CALLS))}
        if not calls:
            return counted
        until = max(calls)
        attempts = select(ATTEMPTS).where(
            ATTEMPTS.c.day == day, ATTEMPTS.c.call_id > after, ATTEMPTS.c.call_id <= until
        )
        for row in connection.execute(attempts):
            if row.call_id in calls:
                calls[row.call_id].attempts.append(dict(row._mapping))
        changes = increments((), calls.values(), zone)
        kept = {name: {key: sums for key, sums in rows.items() if key[0] >= first} for name, rows in changes.items()}
        add_increments(connection, kept)
        counted, after = counted + len(calls), until


_CALL_COLUMNS: Final = tuple(
    CALLS.c[name]
    for name in (
        *("call_id", "created_at", "owner", "campaign_id", "initiator", "state", "disposition"),
        *("attempts", "talk_seconds", "line", "operator_code"),
    )
)
