"""Partitions of PostgreSQL: a day each, made before rows of that day are written, and dropped whole. SQLite has none."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text

PARTITIONED: Final = ("calls", "attempts", "events")

AHEAD: Final = 2
"""Days whose partitions are made before anything of them is written."""


def partition_name(table: str, day: date) -> str:
    """The name of a table's partition for a day."""
    return f"{table}_{day:%Y%m%d}"


def partition_days(connection: Connection, table: str) -> list[date]:
    """The days for which the table has a partition, the oldest first."""
    rows = connection.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:parent)"
        ),
        {"parent": table},
    )
    return sorted(date.fromisoformat(str(name).rpartition("_")[2]) for (name,) in rows)


def make_partitions(connection: Connection, days: Iterable[date]) -> None:
    """Makes the partitions of these days that are not there."""
    wanted = {partition_name(table, day): (table, day) for day in sorted(days) for table in PARTITIONED}
    # A definition waits for all readers of the table, even where it has nothing to do.
    query = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL")
    missing = set(connection.execute(query, {"names": list(wanted)}).scalars())
    for name, (table, day) in wanted.items():
        if name in missing:
            # Names and dates are our own; a definition takes no parameters.
            connection.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} "
                f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            )


def drop_partitions(connection: Connection, before: date) -> list[date]:
    """Drops the partitions of all days before this one, whole; returns those days."""
    gone: set[date] = set()
    for table in PARTITIONED:
        for day in partition_days(connection, table):
            if day < before:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition_name(table, day)}")
                gone.add(day)
    return sorted(gone)
