"""Partitions of PostgreSQL: a month each, made before rows of that month are written, and dropped whole. SQLite has none."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text

PARTITIONED: Final = ("calls", "attempts", "events")


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def month_after(day: date) -> date:
    """The first day of the month after its own."""
    return month_of(month_of(day) + timedelta(days=32))


def partition_name(table: str, day: date) -> str:
    """The name of a table's partition for the month of a day."""
    return f"{table}_{day:%Y%m}"


def partition_months(connection: Connection, table: str) -> list[date]:
    """The first days of the months for which the table has a partition, the oldest first."""
    rows = connection.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:parent)"
        ),
        {"parent": table},
    )
    return sorted(date.fromisoformat(f"{str(name).rpartition('_')[2]}01") for (name,) in rows)


def make_partitions(connection: Connection, days: Iterable[date]) -> None:
    """Makes the partitions of the months of these days that are not there, and those of the months after them."""
    months = {month for day in days for month in (month_of(day), month_after(day))}
    wanted = {partition_name(table, month): (table, month) for month in sorted(months) for table in PARTITIONED}
    # A definition waits for all readers of the table, even where it has nothing to do.
    query = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL")
    missing = set(connection.execute(query, {"names": list(wanted)}).scalars())
    for name, (table, month) in wanted.items():
        if name in missing:
            # Names and dates are our own; a definition takes no parameters.
            connection.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} "
                f"FOR VALUES FROM ('{month}') TO ('{month_after(month)}')"
            )


def drop_partitions(connection: Connection, before: date) -> list[date]:
    """Drops the partitions of all months that end before this day, whole; returns their first days."""
    gone: set[date] = set()
    for table in PARTITIONED:
        for month in partition_months(connection, table):
            if month_after(month) <= before:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition_name(table, month)}")
                gone.add(month)
    return sorted(gone)
