"""Every list goes by the index of what it narrows by: it reads no more than it shows, however old and lumped its calls are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from archive_harness import CALL
from sqlalchemy import Engine, event, text

from alodial.archive.engine import writing
from alodial.archive.reader import CallReader
from alodial.archive.rows import archived_call
from alodial.archive.write import write_calls
from alodial.store.call_filter import CallFilter
from alodial.store.call_rank import Rank, Section
from alodial_schemas.ids import row_extid, row_id

AT = 1_795_424_400_000
CALLS = 20_000
OLD = 1_000
"""Calls that have the value that is asked for: the first of all, one after another."""

LUMPED = {
    "campaign_id": CallFilter(campaign="old"),
    "reference": CallFilter(reference="old"),
    "initiator": CallFilter(initiator="old"),
    "owner": CallFilter(owner="old"),
    "reason": CallFilter(reason="old"),
    "account": CallFilter(account="old"),
    "line": CallFilter(line="old"),
    "operator_code": CallFilter(operator="old"),
    "state": CallFilter(state="rejected"),
    "disposition": CallFilter(disposition="busy"),
}


INDEXES = {"campaign_id": "campaign", "operator_code": "operator", "disposition": "state", "state": "ends"}
"""The indexes that are not called like their first column."""


@pytest.fixture
def reader(engine: Engine) -> Iterator[CallReader]:
    extid = row_extid(b"seed", 0)
    raw = {"id": row_id(b"seed", 0, extid, AT), "s": "expired", "b": json.dumps(CALL), "v": "2"}
    raw["tl"] = f"queued {AT};expired {AT}"
    call = archived_call(extid, {name.encode(): value.encode() for name, value in raw.items()})
    assert call is not None
    with writing(engine) as connection:
        write_calls(connection, [call])
        lumped = {"state": ("rejected", "completed")}
        copies = [name for name in call.call if name not in {"call_id", "wire_extid"}]
        changed = {"created_at": f"{AT} + n", "ended_at": f"{AT} + n"}
        for column in LUMPED:
            old, new = lumped.get(column, ("old", "new"))
            changed[column] = f"CASE WHEN n < {OLD} THEN '{old}' ELSE '{new}' END"
        changed["disposition"] = f"CASE WHEN n < {OLD} THEN '' WHEN n < {2 * OLD} THEN 'busy' ELSE 'answered' END"
        numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CALLS})"
        values = ", ".join(changed.get(name, name) for name in copies)
        names = ", ".join(["call_id", "wire_extid", *copies])
        # Names and values are this file's own.
        query = (
            f"INSERT INTO calls ({names}) {numbers} SELECT call_id || n, wire_extid || n, {values} FROM calls, numbers"
        )
        connection.execute(text(query))
        connection.execute(text("ANALYZE"))
    reader = CallReader.of(engine.url.render_as_string(hide_password=False), "")
    yield reader
    reader.close()


@contextmanager
def queries() -> Iterator[list[tuple[str, Any]]]:
    """The queries for calls that are made meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "calls.record" in statement:
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def left_out(plan: dict[str, Any]) -> int:
    """Rows that a plan of PostgreSQL read for nothing."""
    return sum(map(left_out, plan.get("Plans", [])), plan.get("Rows Removed by Filter", 0))


def test_a_list_of_old_calls_that_lie_together_reads_little_more_than_it_shows(
    engine: Engine, reader: CallReader
) -> None:
    for name, filter in LUMPED.items():
        with queries() as made:
            reader.page(filter, Rank(), 50, Section(ended=name in ("state", "disposition")))
        assert made, name
        with engine.connect() as connection:
            for statement, parameters in made:
                if engine.dialect.name == "sqlite":
                    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                    index = INDEXES.get(name, name)
                    assert any(f"INDEX calls_{index} " in row.detail for row in plan), (name, plan)
                    continue
                explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
                (shown,) = connection.exec_driver_sql(explain, parameters).scalar_one()
                assert left_out(shown["Plan"]) < 2 * OLD, (name, shown)
