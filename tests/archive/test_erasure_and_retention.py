"""A person's data leaves the archive as it leaves Redis, and what is old leaves by policy."""

import json
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from archive_harness import CALL, RESULT, archive_all, complete, completed, submit
from sqlalchemy import Engine, select

from alodial import CallQueue
from alodial.archive import erasure
from alodial.archive.archiver import Archiver
from alodial.archive.count_tables import COUNTS_INITIATOR
from alodial.archive.counts import counter
from alodial.archive.engine import reading, writing
from alodial.archive.packing import subject_of
from alodial.archive.partitions import month_of, partition_months
from alodial.archive.retention import RetentionPolicy, apply_policy, months_before
from alodial.archive.rows import DAY_MS, archived_call, record_of
from alodial.archive.schema import ATTEMPTS, CALLS, EVENTS, METADATA
from alodial.archive.write import total_calls, write_calls, write_campaign_rows
from alodial.calls.erasure import Eraser
from alodial_schemas import make_id
from alodial_schemas.number_pattern import number_finder, number_pattern

PERSON, OTHER = "+998901234567", "+998977076909"
NOW = 1_795_000_000_000


def everything(engine: Engine) -> str:
    with reading(engine) as connection:
        rows = [row for table in METADATA.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(map(str, rows))


def test_an_erased_person_is_in_no_table_and_everybody_else_stays(
    queue: CallQueue, archiver: Archiver, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "SLICE", 1)  # what is read is deleted meanwhile
    monkeypatch.setattr(erasure, "NOTED", 2)
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
    noted: list[tuple[str, int]] = []
    report = Eraser(queue.store, PERSON, apply=True, progress=lambda *at: noted.append(at)).run("cli:test")
    assert report.archived == plan.archived
    assert noted[0] == ("calls", 2)
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


def test_a_number_is_found_among_many_texts_wherever_the_pattern_finds_it() -> None:
    texts = (
        "998901234567",
        "+998 (90) 123-45-67",
        "90\u00a0123.45.67",
        "8 901234567",
        "à901234567",
        "%2b901234567",
        "9012345",
        "1901234567",
        "901234567a",
        "0.901234567",
        "90, 1234567",
        "",
        "b90 12 34 567",
        "9012 3456 7 ",
        "90123456\ud800",
    )
    pattern, holds = number_pattern(PERSON), number_finder(PERSON)
    assert [holds(text) for text in texts] == [bool(pattern.search(text)) for text in texts]
    assert holds(texts[1])
    assert number_finder("+4930901820")("Fon: +49 (30) 90-18-20")


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


def test_counts_of_initiators_are_masked_with_their_calls_and_stay_right(engine: Engine) -> None:
    ages = (200, 200, 94, 1)
    with writing(engine) as connection:
        calls = [ended(number, NOW - days * DAY_MS) for number, days in enumerate(ages)]
        write_calls(connection, calls, counter(ZoneInfo("Asia/Tashkent")))
    for _ in range(2):
        apply_policy(engine, RetentionPolicy(mask_months=3), NOW)
        with reading(engine) as connection:
            query = select(COUNTS_INITIATOR).order_by(COUNTS_INITIATOR.c.day)
            counted = [(row.initiator, row.calls, row.answered) for row in connection.execute(query)]
            masked = connection.execute(select(CALLS.c.initiator).where(CALLS.c.masked == 1).distinct()).scalar_one()
        assert "712037006" not in masked
        assert counted == [(masked, 2, 2), (masked, 1, 1), ("712037006", 1, 1)]


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
