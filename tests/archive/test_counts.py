"""Counts are what a count of all archived calls gives, after any changes of them."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, select

from alodial.archive.count_tables import COUNT_TABLES, COUNTS_DAY, COUNTS_HOUR
from alodial.archive.counts import counter, recount
from alodial.archive.engine import writing
from alodial.archive.rows import ArchivedCall, day_of
from alodial.archive.schema import METADATA
from alodial.archive.write import write_calls

ZONE = ZoneInfo("Asia/Tashkent")
LATE = int(datetime(2026, 11, 23, 18, 59, 30, tzinfo=UTC).timestamp() * 1000)
"""Half a minute before midnight in Tashkent."""


def a_call(number: int, version: int = 0, created_at: int = LATE, **fields: Any) -> ArchivedCall:
    """A call of two attempts, the second of them an hour later."""
    day, id = day_of(created_at), f"call-{number}"
    words = dict.fromkeys(("owner", "account", "extid", "wire_extid", "reference", "campaign_id", "initiator"), "")
    words |= dict.fromkeys(("recipients", "search", "reason", "line", "priority", "kind"), "")
    call = {"day": day, "call_id": id, "created_at": created_at, "ended_at": created_at + 9, "row_number": None}
    call |= words | {"state": "completed", "disposition": "answered", "operator_code": "99", "attempts": 2}
    call |= {"talk_seconds": 31, "masked": 0, "version": version, "record": f"{version} {fields}".encode()} | fields
    attempts = [
        {
            "day": day,
            "call_id": id,
            "attempt": n,
            "extid": f"{number}{n}",
            "submitted_at": created_at + (n - 1) * 3_600_000,
            "ended_at": None,
            "disposition": call["disposition"] if n == 2 else "busy",
            "dialstatus": "",
            "talk_seconds": call["talk_seconds"] if n == 2 else 0,
            "line": call["line"],
            "recipient": "+998994412860",
            "call_ids": "",
            "recording": "",
        }
        for n in (1, 2)
    ]
    return ArchivedCall(call, attempts)


CALLS_OF_ANY_KIND = st.builds(
    a_call,
    number=st.integers(1, 4),
    version=st.integers(0, 3),
    state=st.sampled_from(["completed", "rejected", "expired"]),
    disposition=st.sampled_from(["answered", "no_answer", ""]),
    owner=st.sampled_from(["", "shop"]),
    campaign_id=st.sampled_from(["", "spring"]),
    line=st.sampled_from(["", "712000000"]),
    initiator=st.sampled_from(["+998712037006", ""]),
    talk_seconds=st.integers(0, 90),
)


def counts_of(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all counts that are not zero."""
    return {
        table.name: sorted(tuple(row) for row in connection.execute(select(table)) if any(row[-4:]))
        for table in COUNT_TABLES
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CALLS_OF_ANY_KIND, max_size=5), max_size=5))
def test_counts_equal_a_recount_after_any_batches_of_calls(batches: list[list[ArchivedCall]]) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        METADATA.create_all(connection)
        for batch in batches:
            write_calls(connection, batch, counter(ZONE))
            write_calls(connection, batch, counter(ZONE))  # what comes twice changes nothing
        counts = counts_of(connection)
        recount(connection, ZONE)
        assert counts == counts_of(connection)
    engine.dispose()


def test_a_call_counts_on_the_day_and_each_attempt_in_the_hour_of_the_installations_zone(engine: Engine) -> None:
    with writing(engine) as connection:
        write_calls(connection, [a_call(1), a_call(2, talk_seconds=9)], counter(ZONE))
        write_calls(connection, [a_call(2, version=1, disposition="no_answer", talk_seconds=0)], counter(ZONE))
        (day, *_), *others = [row for row in connection.execute(select(COUNTS_DAY)) if row.calls]
        hours = {(row.day.day, row.hour, row.outcome): row.attempts for row in connection.execute(select(COUNTS_HOUR))}
    assert (str(day), len(others)) == ("2026-11-23", 1)
    assert {key: number for key, number in hours.items() if number} == {
        (23, 23, "busy"): 2,
        (24, 0, "answered"): 1,
        (24, 0, "no_answer"): 1,
    }
