"""A person's data leaves the archive as it leaves Redis, and what is old leaves by policy."""

import json
from datetime import date
from typing import Any

import pytest
from archive_harness import CALL, RESULT, archive_all, complete, completed, submit
from sqlalchemy import Engine, select

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import reading, writing
from alodial.archive.packing import subject_of
from alodial.archive.partitions import month_of, partition_months
from alodial.archive.retention import RetentionPolicy, apply_policy, months_before
from alodial.archive.rows import DAY_MS, archived_call, record_of
from alodial.archive.schema import ATTEMPTS, CALLS, EVENTS, METADATA
from alodial.archive.write import total_calls, write_calls, write_campaign_rows
from alodial.calls.erasure import Eraser
from alodial_schemas import make_id

PERSON, OTHER = "+998901234567", "+998977076909"
NOW = 1_795_000_000_000


def everything(engine: Engine) -> str:
    with reading(engine) as connection:
        rows = [row for table in METADATA.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(map(str, rows))


def test_an_erased_person_is_in_no_table_and_everybody_else_stays(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    queue.enqueue(CALL | {"callto": [{"phone": PERSON}]}, reference="90 123-45-67", extid="1017")
    queue.enqueue(CALL | {"callto": [{"phone": OTHER}]}, metadata={"note": "ask 901234567"})
    complete(queue, submit(queue))
    (kept,) = completed(queue)
    archive_all(archiver)
    row = {"campaign_id": "c", "row_number": 0, "file_row": 2, "phone": PERSON, "outcome": "", "call_id": ""}
    with writing(engine) as connection:
        write_campaign_rows(connection, [row | {"extid": "", "cells": json.dumps([PERSON, "Aziza"])}])
    assert "901234567" in everything(engine)
    plan = Eraser(queue.store, PERSON, apply=False).run("cli:test")
    assert plan.archived >= 3
    assert queue.store.redis.hexists(queue.store.keys.past("1017"), "1017")
    assert "901234567" in everything(engine), "it is only counted"
    report = Eraser(queue.store, PERSON, apply=True).run("cli:test")
    assert report.archived == plan.archived
    assert not queue.store.redis.hexists(queue.store.keys.past("1017"), "1017"), "nothing made from the number is left"
    left = everything(engine)
    assert "901234567" not in left.replace(" ", "").replace("-", "")
    assert "Aziza" not in left
    with reading(engine) as connection:
        assert [row.call_id for row in connection.execute(select(CALLS))] == [kept]
        assert total_calls(connection) == 1
        assert set(map(subject_of, connection.execute(select(EVENTS.c.subject)).scalars())) == {kept}
    assert archive_all(archiver) == 0
    assert "901234567" not in everything(engine)


def ended(number: int, at: int) -> Any:
    extid = str(100_000 + number)
    raw = {
        b"id": make_id(extid).encode(),
        b"s": b"completed",
        b"dp": b"answered",
        b"b": json.dumps(CALL).encode(),
        b"r": b"order-17",
        b"m": b'{"name":"Aziza"}',
        b"tl": f"queued {at};submitting {at + 1} w;submitted {at + 2};completed {at + 60_000}".encode(),
        b"v": b"4",
        b"n": b"1",
        b"a1": f"{at + 1} w".encode(),
        b"d1": b"answered",
        b"r1": json.dumps(RESULT).encode(),
    }
    call = archived_call(extid, raw)
    assert call is not None
    return call


def test_a_month_is_deleted_whole_once_its_last_day_is_old_enough(engine: Engine) -> None:
    first, last, after = date(2026, 6, 1), date(2026, 6, 30), date(2026, 7, 1)
    calls = [ended(n, (day.toordinal() - 719_163) * DAY_MS) for n, day in enumerate((first, last, after), 1)]
    with writing(engine) as connection:
        write_calls(connection, calls)
    for today, deleted, left in ((date(2026, 8, 31), 0, 3), (date(2026, 9, 1), 2, 1)):
        now = (today.toordinal() - 719_163) * DAY_MS
        assert apply_policy(engine, RetentionPolicy(months=2), now).days == deleted
        with reading(engine) as connection:
            assert total_calls(connection) == left == len(connection.execute(select(CALLS)).all())


def test_old_calls_are_masked_and_older_ones_deleted(engine: Engine) -> None:
    old, middle, new = (ended(number, NOW - days * DAY_MS) for number, days in ((1, 800), (2, 200), (3, 1)))
    with writing(engine) as connection:
        write_calls(connection, [old, middle, new])
    done = apply_policy(engine, RetentionPolicy(mask_months=3, months=24), NOW)
    assert (done.days, done.masked) == (1, 1)
    with reading(engine) as connection:
        rows = {row.call_id: row for row in connection.execute(select(CALLS))}
        assert set(rows) == {middle.call["call_id"], new.call["call_id"]}
        assert total_calls(connection) == 2
        masked = rows[middle.call["call_id"]]
        text = str(masked) + str(connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.call_id == masked.call_id)).all())
        if engine.dialect.name == "postgresql":
            assert month_of(old.call["day"]) not in partition_months(connection, "calls"), "the month went whole"
    for gone in ("994412860", "977076909", "712037006", "order-17", "Aziza", "records.example"):
        assert gone not in text
    record = record_of(masked.record)
    assert (record.state, record.disposition, masked.talk_seconds) == ("completed", "answered", 30)
    with writing(engine) as connection:
        assert write_calls(connection, [middle]) == 0, "what was masked is not brought back"
    assert apply_policy(engine, RetentionPolicy(3, 24), NOW) == (0, 0)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2028, 3, 31), 1, date(2028, 2, 29)),
        (date(2026, 1, 15), 13, date(2024, 12, 15)),
        (date(2026, 7, 31), 1, date(2026, 6, 30)),
    ],
)
def test_months_are_those_of_the_calendar(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before
