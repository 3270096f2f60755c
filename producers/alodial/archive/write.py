"""Writes rows in a transaction in which nobody else writes: what stands there is replaced, so that the same rows twice change
nothing."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from .bulk import add_rows
from .packing import unpacked
from .partitions import make_partitions
from .rows import ArchivedCall, Row
from .schema import ATTEMPTS, AUDIT, CALLS, CAMPAIGNS, EVENTS, POSITION, ROWS

Count = Callable[[Connection, Sequence[ArchivedCall], Sequence[ArchivedCall]], None]
"""Brings the counts from what stood there before to what stands there after, in the same transaction."""

TOTAL: Final = "total"
"""The place among the positions that holds how many calls there are."""

NAMES: Final = 500
"""Keys in one condition."""


def _slices(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + NAMES] for start in range(0, len(items), NAMES))


def _known_calls(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Those of these calls that the archive has."""
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql("SELECT call_id FROM calls WHERE call_id = ANY(%s)", (list(ids),))
    else:
        query = "SELECT call_id FROM calls WHERE call_id IN (SELECT value FROM json_each(?))"
        found = connection.exec_driver_sql(query, (json.dumps(ids),))
    return list(found.scalars())


def _stored(connection: Connection, calls: Sequence[ArchivedCall]) -> dict[str, ArchivedCall]:
    """What the archive has of these calls, by id."""
    stored: dict[str, ArchivedCall] = {}
    for part in _slices(calls):
        ids, days = [row.call["call_id"] for row in part], {row.call["day"] for row in part}
        query = select(CALLS).where(CALLS.c.day.in_(days), CALLS.c.call_id.in_(ids))
        found = {row.call_id: ArchivedCall(dict(row._mapping), []) for row in connection.execute(query)}
        if found:
            attempts = select(ATTEMPTS).where(ATTEMPTS.c.day.in_(days), ATTEMPTS.c.call_id.in_(list(found)))
            for row in connection.execute(attempts.order_by(ATTEMPTS.c.attempt)):
                found[row.call_id].attempts.append(dict(row._mapping))
        stored |= found
    return stored


def write_calls(connection: Connection, calls: Iterable[ArchivedCall], count: Count | None = None) -> int:
    """Writes calls with their attempts, but for those of which the archive has a newer or the same version. Returns how many.

    A call whose texts were masked stays masked.
    """
    newest: dict[str, ArchivedCall] = {}
    for row in calls:
        other = newest.get(row.call["call_id"])
        if other is None or row.call["version"] >= other.call["version"]:
            newest[row.call["call_id"]] = row
    if connection.dialect.name == "postgresql" and newest:
        make_partitions(connection, {row.call["day"] for row in newest.values()})
    known = _known_calls(connection, list(newest))
    stored = _stored(connection, [newest[id] for id in known])
    after = [row for id, row in newest.items() if id not in stored or _is_news(row, stored[id])]
    before = [stored[row.call["call_id"]] for row in after if row.call["call_id"] in stored]
    remove_calls(connection, before)
    add_rows(connection, CALLS, [row.call for row in after])
    add_rows(connection, ATTEMPTS, [attempt for row in after for attempt in row.attempts])
    if count is not None and after:
        count(connection, before, after)
    add_to_total(connection, len(after))
    return len(after)


def _is_news(row: ArchivedCall, stored: ArchivedCall) -> bool:
    old, new = stored.call, row.call
    if old["masked"] or new["version"] < old["version"]:
        return False
    return new["version"] > old["version"] or unpacked(new["record"]) != unpacked(old["record"])


def remove_calls(connection: Connection, calls: Sequence[ArchivedCall]) -> None:
    """Removes calls with their attempts; not their events."""
    for part in _slices(calls):
        ids, days = [row.call["call_id"] for row in part], {row.call["day"] for row in part}
        for table in (ATTEMPTS, CALLS):
            connection.execute(delete(table).where(table.c.day.in_(days), table.c.call_id.in_(ids)))
    add_to_total(connection, -len(calls))


def total_calls(connection: Connection) -> int:
    """How many calls the archive has, without counting them."""
    return int(read_position(connection, TOTAL) or 0)


def add_to_total(connection: Connection, more: int) -> None:
    """Changes the number of calls in the same transaction as they come and go."""
    if more:
        write_position(connection, TOTAL, str(total_calls(connection) + more))


def write_events(connection: Connection, rows: Iterable[Row]) -> None:
    """Writes events that the archive does not have."""
    events = {(row["day"], row["subject"], row["name"]): row for row in rows}
    if connection.dialect.name == "postgresql" and events:
        days = {day for day, _, _ in events}
        make_partitions(connection, days)
        query = "SELECT day, subject, name FROM events WHERE subject = ANY(%s) AND day BETWEEN %s AND %s"
        subjects = list({subject for _, subject, _ in events})
        for known in connection.exec_driver_sql(query, (subjects, min(days), max(days))):
            events.pop(tuple(known), None)
    add_rows(connection, EVENTS, list(events.values()), new=False)


def write_campaigns(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes campaigns in place of what stood there."""
    for part in _slices(rows):
        connection.execute(delete(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id.in_([row["campaign_id"] for row in part])))
    add_rows(connection, CAMPAIGNS, rows)


def write_campaign_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes rows of one campaign, which follow each other, in place of what stood there."""
    if rows:
        first, last = rows[0]["row_number"], rows[-1]["row_number"]
        connection.execute(
            delete(ROWS).where(ROWS.c.campaign_id == rows[0]["campaign_id"], ROWS.c.row_number.between(first, last))
        )
        add_rows(connection, ROWS, rows)


def write_audit(connection: Connection, rows: Sequence[Row]) -> None:
    """Writes acts that follow the last position, in place of what stood there."""
    for part in _slices(rows):
        ids = [row["stream_id"] for row in part]
        connection.execute(delete(AUDIT).where(AUDIT.c.own == part[0]["own"], AUDIT.c.stream_id.in_(ids)))
    add_rows(connection, AUDIT, rows)


def read_position(connection: Connection, source: str) -> str:
    """How far a source was read; "" for not yet."""
    return connection.execute(select(POSITION.c.last_id).where(POSITION.c.source == source)).scalar() or ""


def write_position(connection: Connection, source: str, last_id: str) -> None:
    """Records how far a source was read."""
    connection.execute(delete(POSITION).where(POSITION.c.source == source))
    row = {"source": source, "last_id": last_id, "at": time.time_ns() // 1_000_000}
    connection.execute(insert(POSITION), [row])
