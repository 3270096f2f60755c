"""What an archive of an earlier version holds is read, found and known again."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from alembic import command
from archive_harness import CALL
from sqlalchemy import Engine, func, select, text

from alodial.archive.archiver import ArchivedEvent
from alodial.archive.call_events import events_of
from alodial.archive.engine import open_engine, reading, writing
from alodial.archive.migrate import _config, migrate
from alodial.archive.partitions import partition_name
from alodial.archive.reader import CallReader
from alodial.archive.rows import archived_call, archived_event
from alodial.archive.schema import ATTEMPTS, CALLS, EVENTS
from alodial.archive.write import remove_calls, write_calls, write_events
from alodial.store.call_filter import CallFilter
from alodial.store.call_rank import Rank, Section
from alodial_schemas.ids import row_extid, row_id

DAY = date(2026, 11, 23)
AT = 1_795_424_400_000  # on that day


def old_archive(url: str) -> Engine:
    """The tables as the second version made them."""
    engine, config = open_engine(url), _config()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        if engine.dialect.name == "postgresql":
            for table in ("calls", "attempts", "events"):
                span = f"FROM ('{DAY}') TO ('2026-11-24')"
                connection.execute(
                    text(f"CREATE TABLE {partition_name(table, DAY)} PARTITION OF {table} FOR VALUES {span}")
                )
    return engine


def event(id: str, name: str, kind: str, data: dict[str, str], second: int) -> str:
    """A CloudEvent at this second."""
    event = {"specversion": "1.0", "id": f"{id}{name}", "type": f"alodial.{kind}", "subject": id}
    return json.dumps(event | {"time": f"2026-11-23T09:00:{second:02d}.000Z", "data": data})


def read_event(text: str) -> ArchivedEvent:
    event = archived_event("1-0", text)
    assert event is not None
    return event


def test_an_archive_of_an_earlier_version_keeps_its_calls_and_events(archive_url: str) -> None:
    engine = old_archive(archive_url)
    extid = row_extid(b"seed", 1)
    id = row_id(b"seed", 1, extid, AT)
    record = {
        "extid": extid,
        "id": id,
        "s": "completed",
        "dp": "busy",
        "b": json.dumps(CALL),
        "m": '{"name":"Aziza"}',
        "tl": f"queued {AT};completed {AT + 9000} busy",
        "v": "3",
    }
    call = {"day": DAY, "call_id": id, "created_at": AT, "ended_at": AT + 9000, "wire_extid": extid, "extid": extid}
    call |= {"state": "completed", "disposition": "busy", "search": "+998712037006\naziza", "version": 3}
    texts = [
        event(id, "-1", "call.queued", {"call_id": id}, 1),
        event(id, "-3-h01", "call.completed", {"call_id": id}, 9),
    ]
    campaign = event("c1", "-7", "campaign.ended", {"campaign_id": "c1"}, 10)
    with writing(engine) as connection:
        row = call | {"record": json.dumps(record, separators=(",", ":"))}
        marks = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO calls ({', '.join(row)}) VALUES ({marks})"), row)
        connection.execute(
            text("INSERT INTO attempts (day, call_id, attempt, extid) VALUES (:day, :id, 2, '77')"),
            {"day": DAY, "id": id},
        )
        columns = "(day, event_id, at, type, call_id, campaign_id, body)"
        insert = f"INSERT INTO events {columns} VALUES (:day, :name, :at, '', :call, :campaign, :body)"
        for body in (*texts, campaign):
            data = json.loads(body)["data"]
            names = {"call": data.get("call_id", ""), "campaign": data.get("campaign_id", "")}
            connection.execute(
                text(insert), {"day": DAY, "name": json.loads(body)["id"], "at": AT, "body": body} | names
            )
        connection.execute(text("INSERT INTO campaigns (campaign_id, created_at) VALUES ('c1', :at)"), {"at": AT})
    migrate(engine)
    with writing(engine) as connection:
        write_events(connection, [read_event(body).row for body in (*texts, campaign)])
        again = archived_call(extid, {name.encode(): value.encode() for name, value in record.items()})
        assert again is not None
        assert write_calls(connection, [again]) == 0, "it is the same call"
    with reading(engine) as connection:
        assert events_of(connection, id) == texts
        assert events_of(connection, "c1") == [campaign]
        for table, rows in ((CALLS, 1), (ATTEMPTS, 1), (EVENTS, 3)):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == rows
    reader = CallReader.of(archive_url, "alodial")
    try:
        for filter in (CallFilter(part="aziza"), CallFilter(disposition="busy")):
            found, _ = reader.page(filter, Rank(), 10, Section())
            assert [call.rank.id for call in found] == [id], filter
    finally:
        reader.close()
        engine.dispose()


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
