"""Keeps the counts of reports exact: what a change of archived calls adds to them, and takes away.

:func:`increments` is pure. What it returns is added in the transaction that writes the calls, so that the counts are what a
count of all archived calls would give.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from alodial_schemas import ENDS, State, mask_numbers

from ..store.call_facts import code_of
from .bulk import add_sums
from .count_tables import COUNT_TABLES, COUNTS_DAY, COUNTS_HOUR, COUNTS_INITIATOR
from .report_query import MEASURES
from .rows import ArchivedCall

Key = tuple[Any, ...]
Increments = dict[str, dict[Key, list[int]]]
"""For each table its rows' keys, in the order of the columns, with what is added to each of ``MEASURES``."""

NO_RESULT: Final = "no_result"
"""The outcome of an attempt that had no result."""


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
    sums = new_sums()
    for sign, calls in ((-1, before), (1, after)):
        for row in calls:
            add_call(sums, row.call, zone, sign)
            for attempt in row.attempts:
                add_attempt(sums, attempt, row.call["owner"], row.call["campaign_id"], zone, sign)
    return nonzero(sums)


def new_sums() -> Increments:
    """Sums to which calls and attempts are added."""
    return {table.name: defaultdict(lambda: [0] * len(MEASURES)) for table in COUNT_TABLES}


def nonzero(sums: Increments) -> Increments:
    """The sums that change anything, in the order in which they are written."""
    return {name: {key: values for key, values in sorted(rows.items()) if any(values)} for name, rows in sums.items()}


def add_call(sums: Increments, call: Mapping[Any, Any], zone: ZoneInfo, sign: int = 1) -> None:
    """Adds a row of ``calls``, or with ``sign`` -1 takes it away."""
    outcome, owner, campaign = outcome_of(call), call["owner"], call["campaign_id"]
    values = (1, call["attempts"], int(outcome == "answered"), call["talk_seconds"])
    day = _local(call["created_at"], zone).date()
    _increase(sums[COUNTS_DAY.name][day, owner, campaign, call["line"], call["operator_code"], outcome], values, sign)
    if not campaign:
        _increase(sums[COUNTS_INITIATOR.name][day, owner, call["initiator"], outcome], values, sign)


def add_attempt(
    sums: Increments, attempt: Mapping[Any, Any], owner: str, campaign: str, zone: ZoneInfo, sign: int = 1
) -> None:
    """Adds a row of ``attempts`` of a call of this owner and campaign, or takes it away."""
    if attempt["submitted_at"] is None:
        return
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


def forget_initiator(connection: Connection, number: str) -> None:
    """Counts the calls of an initiator as those of none."""
    _rename(connection, COUNTS_INITIATOR.c.initiator == number, lambda _number: "")


def days_with_initiators(connection: Connection, before: date) -> list[date]:
    """The days before this one that count calls of numbers that are not masked."""
    days = select(COUNTS_INITIATOR.c.day).where(COUNTS_INITIATOR.c.day < before, _PLAIN).distinct()
    return list(connection.execute(days).scalars())


def mask_initiators(connection: Connection, day: date) -> None:
    """Counts the calls of a day under masked numbers, as its masked calls have them."""
    _rename(connection, and_(COUNTS_INITIATOR.c.day == day, _PLAIN), mask_numbers)


_PLAIN: Final = and_(COUNTS_INITIATOR.c.initiator != "", COUNTS_INITIATOR.c.initiator.not_like("%*%"))


def _rename(connection: Connection, rows: ColumnElement[bool], rename: Callable[[str], str]) -> None:
    sums = new_sums()
    for row in connection.execute(select(COUNTS_INITIATOR).where(rows)).all():
        values = [row._mapping[name] for name in MEASURES]
        _increase(sums[COUNTS_INITIATOR.name][row.day, row.owner, rename(row.initiator), row.outcome], values, 1)
    connection.execute(delete(COUNTS_INITIATOR).where(rows))
    add_increments(connection, nonzero(sums))


def counter(zone: ZoneInfo) -> Callable[[Connection, Sequence[ArchivedCall], Sequence[ArchivedCall]], None]:
    """The function that the archiver calls in its transaction with the calls that were there and those that are now."""

    def count(connection: Connection, before: Sequence[ArchivedCall], after: Sequence[ArchivedCall]) -> None:
        add_increments(connection, increments(before, after, zone))

    return count
