"""Counts are what a count of all archived calls gives, after any changes of them."""

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, select, update
from typer.testing import CliRunner

from alodial.archive.count_tables import COUNT_TABLES, COUNTS_DAY, COUNTS_HOUR, COUNTS_INITIATOR
from alodial.archive.counts import counter
from alodial.archive.engine import writing
from alodial.archive.erasure import erase_person
from alodial.archive.packing import packed
from alodial.archive.recount import PLACE, recount, recount_day
from alodial.archive.rows import ArchivedCall, day_of
from alodial.archive.schema import METADATA
from alodial.archive.write import read_position, write_calls
from alodial.calls.erasure import number_pattern
from alodial.cli.archive import app as archive_command
from alodial.settings import Settings

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
    call |= {"talk_seconds": 31, "masked": 0, "version": version, "record": packed(f"{version} {fields}")} | fields
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
        for day in (date(2026, 11, 23), date(2026, 11, 24)):
            recount_day(connection, day, ZONE)
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


def test_a_recount_that_was_cut_short_goes_on_and_mends_wrong_counts_beside_a_writer(engine: Engine) -> None:
    days = [LATE + n * 86_400_000 for n in range(4)]
    with writing(engine) as connection:
        write_calls(connection, [a_call(n, created_at=at) for n, at in enumerate(days)], counter(ZONE))
        right = counts_of(connection)
        connection.execute(update(COUNTS_DAY).values(calls=7, outcome="busy"))
        connection.execute(update(COUNTS_HOUR).values(attempts=9))
    done: list[date] = []

    def note(day: date, _calls: int) -> None:
        done.append(day)
        if len(done) == 2:
            with writing(engine) as connection:
                write_calls(connection, [a_call(9, created_at=days[0])], counter(ZONE))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        recount(engine, ZONE, note)
    assert recount(engine, ZONE, note) == 2
    assert done == [date(2026, 11, 23 + n) for n in range(5)]
    with writing(engine) as connection:
        assert read_position(connection, PLACE) == ""
        write_calls(connection, [a_call(9, version=1, created_at=days[0], disposition="busy")], counter(ZONE))
        remaining = counts_of(connection)
        recount_day(connection, done[0], ZONE)
        assert counts_of(connection) == remaining != right


def test_counts_do_not_name_a_person_who_was_erased(engine: Engine) -> None:
    number = "+998712037006"
    calls = [a_call(1, initiator=number), a_call(2, initiator=number), a_call(3, initiator="")]
    with writing(engine) as connection:
        write_calls(connection, calls, counter(ZONE))
    erase_person(engine, number, number_pattern(number), apply=True, forget=lambda _ids: None)
    with writing(engine) as connection:
        rows = [(row.initiator, row.calls) for row in connection.execute(select(COUNTS_INITIATOR))]
    assert rows == [("", 3)]


def test_the_command_counts_anew(engine: Engine, archiving: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing(engine) as connection:
        write_calls(connection, [a_call(1)], counter(ZONE))
    assert archiving.archive_url is not None
    monkeypatch.setenv("ALODIAL_ARCHIVE_URL", archiving.archive_url.get_secret_value())
    answer = CliRunner().invoke(archive_command, ["recount", "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"calls": 1, "days": 2})
