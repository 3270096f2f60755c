"""Erases one person from the archive, as ``calls/erasure.py`` does from Redis, which goes first."""

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, RowMapping, Table, delete, or_, select, true, update

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


def _like(number: str) -> str:
    return f"%{'%'.join(number[-DIGITS:])}%"


def erase_person(
    engine: Engine, number: str, pattern: re.Pattern[str], *, apply: bool, forget: Callable[[list[str]], None]
) -> ErasedRows:
    """Deletes calls that hold the E.164 number, with attempts and events; empties rows and masks acts that hold it.

    ``forget`` gets ids of calls before they are deleted. ``apply=False`` only counts. Counts of reports stay, as
    calls of no initiator. Raises ArchiveUnavailable; may be repeated.
    """
    erased: set[str] = set()
    for page in _matching(engine, CALLS, ("record", "search"), number, pattern):
        erased.update(row["call_id"] for row in page)
        if apply:
            forget([row["call_id"] for row in page])
            with writing(engine) as connection:
                remove_calls(connection, [ArchivedCall(row, []) for row in page])
                _delete_events_of(connection, [row["call_id"] for row in page])
    if apply:
        with writing(engine) as connection:
            forget_initiator(connection, number)
    rows = 0
    for page in _matching(engine, ROWS, ("phone", "cells"), number, pattern):
        rows += len(page)
        if apply:
            with writing(engine) as connection:
                for row in page:
                    same = (ROWS.c.campaign_id == row["campaign_id"], ROWS.c.row_number == row["row_number"])
                    connection.execute(update(ROWS).where(*same).values(phone="", cells=""))
    return ErasedRows(len(erased), rows, _erase_texts(engine, number, pattern, erased, apply=apply))


def _delete_events_of(connection: Connection, ids: list[str]) -> None:
    connection.execute(delete(EVENTS).where(EVENTS.c.subject.in_([subject_key(id) for id in ids])))


_PACKED: Final[dict[Table, dict[str, Callable[[RowMapping], str]]]] = {
    CALLS: {"record": lambda row: unpacked(row["record"])},
    EVENTS: {"body": lambda row: unpacked_event(row["body"], row["subject"])},
}
"""How columns are read that hold no plain text: all of their rows have to be."""


def _matching(
    engine: Engine,
    table: Table,
    columns: tuple[str, ...],
    number: str,
    pattern: re.Pattern[str],
) -> Iterator[list[dict[str, Any]]]:
    """Keys of rows that hold the number in one of these columns, some hundreds at a time."""
    key, readers = list(table.primary_key.columns), _PACKED.get(table, {})
    likely = true() if readers else or_(*(table.c[name].like(_like(number)) for name in columns))
    with reading(engine, LONG_SECONDS) as connection:
        found = connection.execution_options(yield_per=SLICE).execute(
            select(*key, *(table.c[name] for name in columns)).where(likely)
        )
        keys = [
            {column.name: row._mapping[column.name] for column in key}
            for row in found
            if any(pattern.search(readers.get(name, itemgetter(name))(row._mapping)) for name in columns)
        ]
    for start in range(0, len(keys), SLICE):
        yield keys[start : start + SLICE]


def _erase_texts(engine: Engine, number: str, pattern: re.Pattern[str], erased: set[str], *, apply: bool) -> int:
    """Events of no call that was erased, texts of campaigns and acts."""
    total = 0
    subjects = {subject_key(id) for id in erased}
    for page in _matching(engine, EVENTS, ("body",), number, pattern):
        total += sum(row["subject"] not in subjects for row in page)
        if apply:
            with writing(engine) as connection:
                for row in page:
                    connection.execute(delete(EVENTS).where(*(EVENTS.c[name] == value for name, value in row.items())))
    for table, column in ((AUDIT, "entry"), (CAMPAIGNS, "record"), (CAMPAIGNS, "name")):
        for page in _matching(engine, table, (column,), number, pattern):
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
