"""Every figure of a report leads to the calls that it counts, no more and no fewer."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from archive_harness import archive_all, completed, place
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, create_engine, insert, select

from alodial import CallFilter, CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.counts import counter
from alodial.archive.engine import writing
from alodial.archive.local_hours import in_local_time
from alodial.archive.packing import packed, unpacked
from alodial.archive.report_calls import answered_of, calls_of
from alodial.archive.report_query import BY, ReportQuery
from alodial.archive.write import write_calls
from alodial.errors import InvalidCall
from alodial.monitor.call_filter_form import read_query
from alodial_workers.demo import history

ZONE = ZoneInfo("Asia/Tashkent")
DAYS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]


@pytest.fixture
def reported(queue: CallQueue, engine: Engine) -> CallQueue:
    """An archive of four days over the end of a month, with calls of no line, no operator and no initiator."""
    rng = random.Random(7)
    calls = [row for day in DAYS for row in history.calls_of(day, "spring", ZONE, rng, count=40)]
    for number, row in enumerate(rng.sample([row for row in calls if row.call["disposition"] == "busy"], 9)):
        canceled = {
            "disposition": "canceled",
            "record": packed(unpacked(row.call["record"]).replace('"dp":"busy"', '"dp":"canceled"')),
        }
        row.call.update(({"line": ""}, {"operator_code": ""}, canceled)[number % 3])
    with writing(engine) as connection:
        write_calls(connection, calls, counter(ZONE))
    return queue


def listed(queue: CallQueue, fields: dict[str, str]) -> Iterator[str]:
    query = read_query(fields, ZONE, ())
    assert not query.invalid
    cursor = None
    while True:
        page = queue.calls(query.filter, cursor=cursor, limit=30)
        yield from (record.id for record in page.calls)
        cursor = page.cursor
        if cursor is None:
            return


def test_each_row_of_each_report_counts_the_calls_of_its_list(reported: CallQueue) -> None:
    archive = reported.archive
    assert archive is not None
    kinds = [(report, (name,)) for report, names in BY.items() for name in names]
    compared = 0
    for report, by in [*kinds, ("hours", ("weekday", "hour")), ("outcomes", ("month", "outcome"))]:
        query = ReportQuery(report, by, DAYS[0], DAYS[-1], campaign="" if "initiator" in by else "spring")
        for row in archive.reports.make(query).rows:
            of = {name: row.of[name] for name in by}
            fields, answered = calls_of(query, of, ZONE), answered_of(query, of, ZONE)
            if fields is None:
                assert report == "hours"
                assert set(by) & {"operator", "outcome"}
                continue
            ids = list(listed(reported, fields))
            assert (len(ids), len(set(ids))) == (row.calls, row.calls), (report, of, fields)
            if answered is not None and row.answered:
                assert len(list(listed(reported, answered))) == row.answered, (report, of, answered)
            compared += 1
    assert compared > 60
    total = ReportQuery("outcomes", ("outcome",), DAYS[0], DAYS[-1])
    fields = calls_of(total, {}, ZONE)
    assert fields is not None
    assert len(list(listed(reported, fields))) == archive.reports.make(total).total.calls
    by_campaign = archive.reports.make(ReportQuery("outcomes", ("campaign",), DAYS[0], DAYS[-1]))
    for row in by_campaign.rows:
        fields = calls_of(by_campaign.query, {"campaign": row.of["campaign"]}, ZONE)
        assert fields is not None
        assert len(list(listed(reported, fields))) == row.calls


def test_calls_that_are_still_in_redis_match_as_they_will_in_the_archive(queue: CallQueue, archiver: Archiver) -> None:
    ids = set(completed(queue, 3))
    waiting = set(place(queue, 2))
    now = datetime.now(ZoneInfo(queue.settings.timezone))
    filters = {
        CallFilter(ended=True): ids,
        CallFilter(line="712000000", ended=True): ids,
        CallFilter(line="none"): waiting,
        CallFilter(operator="99"): ids | waiting,
        CallFilter(operator="90"): set(),
        CallFilter(initiator="+998712037006", campaign="none"): ids | waiting,
        CallFilter(initiator="none"): set(),
        CallFilter(weekday=now.isoweekday() % 7 + 1): set(),
        CallFilter(times="called", since=1): ids,
    }

    def check() -> None:
        for wanted, expected in filters.items():
            assert {record.id for record in queue.calls(wanted).calls} == expected, wanted
        hours = [
            {record.id for record in queue.calls(CallFilter(times="called", hour=hour)).calls} for hour in range(24)
        ]
        assert set().union(*hours) == ids
        assert sum(map(len, hours)) == len(ids)

    check()
    archive_all(archiver)
    check()
    for id in ids:
        queue.store.redis.delete(queue.store.keys.record(queue.get(id).wire_extid))
    check()
    with pytest.raises(InvalidCall):
        CallFilter(hour=24)
    with pytest.raises(InvalidCall):
        CallFilter(times="ended")


def test_the_local_hour_of_a_column_follows_the_clock_of_its_zone() -> None:
    zone, rng = ZoneInfo("Europe/Berlin"), random.Random(3)
    change = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp() * 1000)
    moments = [change + rng.randrange(-(10**8), 10**8) for _ in range(300)] + [change - 1, change, change + 1]
    table = Table("moments", MetaData(), Column("at", BigInteger))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"at": at} for at in moments])

    def picked(**wanted: Any) -> list[int]:
        choice = {"hour": None, "weekday": None, "since": None, "until": None} | wanted
        with engine.connect() as connection:
            return list(
                connection.execute(select(table).where(in_local_time(table.c.at, str(zone), **choice))).scalars()
            )

    for hour in range(24):
        expected = [at for at in moments if datetime.fromtimestamp(at / 1000, zone).hour == hour]
        assert sorted(picked(hour=hour)) == sorted(expected)
    sundays = [at for at in moments if datetime.fromtimestamp(at / 1000, zone).isoweekday() == 7]
    assert sorted(picked(weekday=7)) == sorted(sundays)
    assert picked(hour=1, since=10**15, until=0) == []
    engine.dispose()
