"""Erases one person from the archive, as ``calls/erasure.py`` does from Redis, which goes first."""

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, Table, delete, or_, select, true, update

from alodial_schemas.number_pattern import number_finder

from .counts import forget_initiator
from .engine import LONG_SECONDS, reading, writing
from .packing import subject_key, unpacked, unpacked_event
from .rows import ArchivedCall
from .schema import AUDIT, CALLS, CAMPAIGNS, EVENTS, ROWS
from .write import remove_calls

SLICE: Final = 500
"""Rows of one transaction."""

DIGITS: Final = 7
"""The last digits of the number by which rows are looked for, whatever stands between them; the pattern decides."""


class ErasedRows(NamedTuple):
    """How many calls, rows of campaigns, and events and acts held the number."""

    calls: int
    rows: int
    texts: int


NOTED: Final = 100_000
"""Rows after which ``progress`` hears of a table again."""

Progress = Callable[[str, int], None]
"""Gets the name of a table and how many of its rows were looked at."""


def _like(number: str) -> str:
    return f"%{'%'.join(number[-DIGITS:])}%"


def erase_person(
    engine: Engine,
    number: str,
    pattern: re.Pattern[str],
    *,
    apply: bool,
    forget: Callable[[list[str]], None],
    progress: Progress = lambda _table, _rows: None,
) -> ErasedRows:
    """Deletes calls that hold the E.164 number, with attempts and events; empties rows and masks acts that hold it.

    ``forget`` gets ids of calls in the transaction that deletes them. ``apply=False`` only counts. Counts of reports stay, as
    calls of no initiator. Every record and event is read: results may name numbers that no column has.
    Raises ArchiveUnavailable; may be repeated.
    """
    if apply:
        with writing(engine):
            pass  # what the archiver is writing now is looked through too, and it writes nothing of the number after that
    erased: set[str] = set()
    for page in _matching(engine, CALLS, ("record",), number, progress):
        erased.update(row["call_id"] for row in page)
        if apply:
            with writing(engine) as connection:
                remove_calls(connection, [ArchivedCall(row, []) for row in page])
                _delete_events_of(connection, [row["call_id"] for row in page])
                forget([row["call_id"] for row in page])
    if apply:
        with writing(engine) as connection:
            forget_initiator(connection, number)
    rows = 0
    for page in _matching(engine, ROWS, ("phone", "cells"), number, progress):
        rows += len(page)
        if apply:
            with writing(engine) as connection:
                for row in page:
                    same = (ROWS.c.campaign_id == row["campaign_id"], ROWS.c.row_number == row["row_number"])
                    connection.execute(update(ROWS).where(*same).values(phone="", cells=""))
    return ErasedRows(len(erased), rows, _erase_texts(engine, number, pattern, erased, progress, apply=apply))


def _delete_events_of(connection: Connection, ids: list[str]) -> None:
    connection.execute(delete(EVENTS).where(EVENTS.c.subject.in_([subject_key(id) for id in ids])))


_PACKED: Final[dict[Table, dict[str, Callable[[RowMapping], str]]]] = {
    CALLS: {"record": lambda row: unpacked(row["record"])},
    EVENTS: {"body": lambda row: unpacked_event(row["body"], row["subject"])},
}
"""How columns are read that hold no plain text: all of their rows have to be."""


def _matching(
    engine: Engine, table: Table, columns: tuple[str, ...], number: str, progress: Progress
) -> Iterator[list[dict[str, Any]]]:
    """Keys of rows that hold the number in one of these columns, some hundreds at a time, which may be deleted meanwhile."""
    key, readers, holds = list(table.primary_key.columns), _PACKED.get(table, {}), number_finder(number)
    likely = true() if readers else or_(*(table.c[name].like(_like(number)) for name in columns))
    keys: list[dict[str, Any]] = []
    with reading(engine, LONG_SECONDS) as connection:
        rows = connection.execution_options(yield_per=SLICE).execute(
            select(*key, *(table.c[name] for name in columns)).where(likely)
        )
        for number_of_row, row in enumerate(rows, 1):
            if any(holds(readers.get(name, itemgetter(name))(row._mapping)) for name in columns):
                keys.append({column.name: row._mapping[column.name] for column in key})
            if len(keys) == SLICE:
                yield keys
                keys = []
            if number_of_row % NOTED == 0:
                progress(table.name, number_of_row)
    if keys:
        yield keys


def _erase_texts(
    engine: Engine, number: str, pattern: re.Pattern[str], erased: set[str], progress: Progress, *, apply: bool
) -> int:
    """Events of no call that was erased, texts of campaigns and acts."""
    total = 0
    subjects = {subject_key(id) for id in erased}
    for page in _matching(engine, EVENTS, ("body",), number, progress):
        total += sum(row["subject"] not in subjects for row in page)
        if apply:
            with writing(engine) as connection:
                for row in page:
                    connection.execute(delete(EVENTS).where(*(EVENTS.c[name] == value for name, value in row.items())))
    for table, column in ((AUDIT, "entry"), (CAMPAIGNS, "record"), (CAMPAIGNS, "name")):
        for page in _matching(engine, table, (column,), number, progress):
            total += len(page)
            if apply:
                with writing(engine) as connection:
                    _mask_column(connection, table, column, page, pattern)
    return total


def _mask_column(
    connection: Connection, table: Table, column: str, page: list[dict[str, Any]], pattern: re.Pattern[str]
) -> None:
    for row in page:
        same = [table.c[name] == value for name, value in row.items()]
        text = connection.execute(select(table.c[column]).where(*same)).scalar() or ""
        connection.execute(update(table).where(*same).values({column: pattern.sub("…", text)}))
