"""The tables that the migrations make are those that the program reads and writes."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from archive_harness import CALL
from sqlalchemy import Connection, Engine, create_engine, inspect, text, update

from alodial.archive.count_tables import COUNT_TABLES
from alodial.archive.engine import open_engine, reading, writing
from alodial.archive.migrate import is_current, migrate
from alodial.archive.reader import CallReader
from alodial.archive.rows import archived_call
from alodial.archive.schema import CALLS, METADATA
from alodial.archive.write import remove_calls, write_calls
from alodial.errors import ConfigurationError
from alodial.store.call_filter import CallFilter
from alodial.store.call_rank import Rank, Section
from alodial_schemas.ids import row_extid, row_id

AT = 1_795_424_400_000

OWN = {"archive_version", "calls_phones"}
"""Alembic's own table, and what triggers of SQLite fill."""


def definitions(connection: Connection, schema: str | None = None) -> dict[str, Any]:
    """Columns and indexes of every table, but for SQLite's number of a row and the indexes of parts."""
    found: dict[str, Any] = {}
    inspector = inspect(connection)
    for table in inspector.get_table_names(schema):
        if table in OWN or table.startswith("calls_search"):
            continue
        columns = inspector.get_columns(table, schema)
        found[table] = {
            column["name"]: (str(column["type"]), column["nullable"], column["default"])
            for column in columns
            if column["name"] != "number"
        } | {
            index["name"]: {
                "columns": index.get("expressions") or index["column_names"],
                "options": {name: str(value) for name, value in index.get("dialect_options", {}).items()},
            }
            for index in inspector.get_indexes(table, schema)
            if index["name"] not in {"calls_search", "uq_calls_day"} and not index.get("duplicates_constraint")
        }
    return found


def test_an_empty_database_gets_the_tables_and_indexes_that_the_program_knows(engine: Engine, archive_url: str) -> None:
    assert {table.name for table in COUNT_TABLES} < set(METADATA.tables)
    with reading(engine) as connection:
        made = definitions(connection)
    if engine.dialect.name == "sqlite":
        other, schema = create_engine("sqlite://"), None
    else:
        other, schema = create_engine(archive_url, connect_args={"options": "-csearch_path=known"}), "known"
    with other.begin() as connection:
        if schema:
            connection.execute(text("CREATE SCHEMA known"))
        METADATA.create_all(connection)
        known = definitions(connection, schema)
    other.dispose()
    assert made == known


def test_migrations_that_run_again_change_nothing(engine: Engine) -> None:
    with reading(engine) as connection:
        before = definitions(connection)
    migrate(engine)
    with reading(engine) as connection:
        assert definitions(connection) == before
    assert is_current(engine)


def test_an_archive_of_a_later_version_is_refused_in_words_and_stays_as_it_is(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE archive_version SET version_num = '9000'"))
    with pytest.raises(ConfigurationError, match="a later version of alodial wrote this archive"):
        migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT version_num FROM archive_version")).scalar_one() == "9000"


def test_a_part_is_found_after_sqlite_was_vacuumed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/archive.db"
    engine = open_engine(url)
    migrate(engine)
    calls = []
    for number, name in enumerate(("aziza", "bobur", "dilnoza")):
        raw = {"id": row_id(b"seed", number, row_extid(b"seed", number), AT), "s": "expired", "b": json.dumps(CALL)}
        raw |= {"m": json.dumps({"name": name}), "tl": f"queued {AT};expired {AT + 9000}", "v": "2"}
        call = archived_call(row_extid(b"seed", number), {key.encode(): value.encode() for key, value in raw.items()})
        assert call is not None
        calls.append(call)
    with writing(engine) as connection:
        write_calls(connection, calls)
        remove_calls(connection, calls[:1])
    engine.dispose()
    with closing(sqlite3.connect(tmp_path / "archive.db", isolation_level=None)) as database:
        database.execute("VACUUM")
    reader = CallReader.of(url, "alodial")
    try:
        for part, ids in (("aziza", []), ("dilnoza", [calls[2].call["call_id"]])):
            found, _ = reader.page(CallFilter(part=part), Rank(), 10, Section())
            assert [call.rank.id for call in found] == ids
    finally:
        reader.close()


def test_a_number_is_found_among_several_recipients_until_it_is_masked_or_removed(engine: Engine) -> None:
    numbers = ("+998901112233", "+998901112244", '+998"\\[]')  # the last: whatever stands there, it is archived
    calls = []
    for number in range(3):
        extid = row_extid(b"seed", number)
        body = CALL | {"callto": [{"phone": phone} for phone in numbers]}
        raw = {"id": row_id(b"seed", number, extid, AT + number), "s": "expired", "b": json.dumps(body), "v": "2"}
        raw["tl"] = f"queued {AT + number};expired {AT + 9000}"
        call = archived_call(extid, {key.encode(): value.encode() for key, value in raw.items()})
        assert call is not None
        calls.append(call)
    reader = CallReader.of(engine.url.render_as_string(hide_password=False), "")
    try:
        with writing(engine) as connection:
            write_calls(connection, calls)
        for phone in numbers[:2]:
            filter = CallFilter(phone=phone)
            page, _ = reader.page(filter, Rank(), 10, Section(initiator=False))
            assert [call.rank.id for call in page] == [call.call["call_id"] for call in reversed(calls)]
            assert reader.count(filter, 10) == 3
            assert reader.page(filter, Rank(), 10, Section(initiator=True))[0] == []
        with writing(engine) as connection:
            remove_calls(connection, calls[:1])
            masked = update(CALLS).where(CALLS.c.call_id == calls[1].call["call_id"])
            connection.execute(masked.values(recipients="+99890*****33 +99890*****44"))
        assert reader.count(CallFilter(phone=numbers[0]), 10) == 1
    finally:
        reader.close()
