"""Many rows in one statement: COPY in PostgreSQL, a prepared statement in SQLite."""

from collections.abc import Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Date, Integer, LargeBinary, SmallInteger, Table, Text

from .rows import Row

_TYPES: Final = {
    BigInteger: "int8",
    Integer: "int4",
    SmallInteger: "int2",
    Date: "date",
    Text: "text",
    LargeBinary: "bytea",
}


def quoted_names(table: Table) -> str:
    """The columns of a table, for a statement."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


def sqlite_values(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows as SQLite keeps them: dates are text, as SQLAlchemy writes them."""
    return [tuple(value.isoformat() if isinstance(value, date) else value for value in row) for row in rows]


def add_rows(connection: Connection, table: Table, rows: Sequence[Row], *, new: bool = True) -> None:
    """Adds rows; ``new`` that none of their keys is there, else in SQLite those that are there stay."""
    if not rows:
        return
    values = map(itemgetter(*(column.name for column in table.columns)), rows)
    if connection.dialect.name == "postgresql":
        _copy(connection, table, values)
        return
    marks = ", ".join("?" for _ in table.columns)
    verb = "INSERT" if new else "INSERT OR IGNORE"
    statement = f'{verb} INTO "{table.name}" ({quoted_names(table)}) VALUES ({marks})'
    connection.exec_driver_sql(statement, sqlite_values(values))


def _copy(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    driver: Any = connection.connection.driver_connection
    statement = f'COPY "{table.name}" ({quoted_names(table)}) FROM STDIN (FORMAT BINARY)'
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_TYPES[type(column.type)] for column in table.columns])
        for row in rows:
            copy.write_row(row)


def add_sums(connection: Connection, table: Table, rows: Sequence[Sequence[Any]], sums: Sequence[str]) -> None:
    """Adds rows of a key and sums: what stands under the key already grows by them."""
    key = ", ".join(column.name for column in table.primary_key)
    grown = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in sums)
    if connection.dialect.name == "postgresql":
        columns = [f"CAST(%s AS {_TYPES[type(column.type)]}[])" for column in table.columns]
        source = f"SELECT * FROM unnest({', '.join(columns)})"  # noqa: S608  # names of our own tables
        parameters: Any = tuple(map(list, zip(*rows, strict=True)))
    else:
        source = f"VALUES ({', '.join('?' for _ in table.columns)})"
        parameters = sqlite_values(rows)
    statement = f"INSERT INTO {table.name} ({quoted_names(table)}) {source} ON CONFLICT ({key}) DO UPDATE SET {grown}"
    connection.exec_driver_sql(statement, parameters)
