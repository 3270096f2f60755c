"""Fills an archive with synthetic calls of a year through the archive's own writing code, without Redis, and times its lists.

``--calls`` bounds it; begun again it goes on with the batch that is missing.
"""

import argparse
import json
import os
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from alodial import CallQueue
from alodial.archive.archiver import BATCH
from alodial.archive.counts import counter
from alodial.archive.engine import open_engine, reading, writing
from alodial.archive.migrate import migrate
from alodial.archive.reader import CallReader
from alodial.archive.report_query import BY, Report, ReportQuery
from alodial.archive.rows import ArchivedCall, Row, archived_call, archived_event
from alodial.archive.write import total_calls, write_calls, write_events, write_position
from alodial.calls.merged_list import find_call, list_page
from alodial.errors import ArchiveUnavailable
from alodial.settings import Settings
from alodial.store.call_filter import CallFilter
from alodial.store.caller import INSTALLATION
from alodial.store.client import Store
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.ids import row_extid, row_id

ZONE: Final = ZoneInfo("Asia/Tashkent")
SEED: Final = b"archive"
FIRST: Final = 1_764_115_200_000
"""Creation of the first call in Unix ms: a year before November 2026."""
DAY_MS: Final = 86_400_000
CALLS_OF_A_BATCH: Final = BATCH // 3
CAMPAIGN: Final = 100_000
"""Calls of a campaign; every other call is of one."""
NAMES: Final = ("Aziza", "Bobur", "Dilnoza", "Eldor", "Feruza", "Gulnora", "Hasan", "Iroda", "Jamshid", "Kamola")
CODES: Final = ("90", "91", "93", "94", "95", "97", "98", "99", "33", "88")
DISPOSITIONS: Final = ("answered",) * 11 + ("busy",) * 3 + ("no_answer",) * 5 + ("congestion",)
OTHER_ENDS: Final = ("expired", "canceled", "rejected")
REPEATS: Final = 7


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def campaign_of(number: int) -> str:
    """The campaign of a call of one."""
    return f"{number // (2 * CAMPAIGN):032x}"


class SyntheticCalls:
    """Calls of a year, the same whenever they are made."""

    def __init__(self, calls: int, days: int) -> None:
        self._apart = days * DAY_MS / calls

    def call(self, number: int) -> tuple[ArchivedCall, list[Row]]:
        """A call and its events; one in ten has two attempts, one in sixteen never got as far as a result."""
        rng = random.Random(number)
        at = FIRST + int(number * self._apart)
        extid = row_extid(SEED, number)
        id = row_id(SEED, number, extid, at)
        ended = OTHER_ENDS[number // 16 % 3] if number % 16 == 0 else "completed"
        disposition = DISPOSITIONS[rng.randrange(len(DISPOSITIONS))] if ended == "completed" else ""
        phone = f"+998{CODES[rng.randrange(len(CODES))]}{rng.randrange(10_000_000):07d}"
        line = f"71200{number % 8:04d}"
        metadata = json.dumps({"name": f"{NAMES[rng.randrange(10)]} {number % 9973}"})
        raw: dict[str, str] = {
            "s": ended,
            "id": id,
            "b": f'{{"callfrom":{{"phone":"+9987120370{number % 20:02d}"}},"callto":[{{"phone":"{phone}"}}]}}',
            "v": "3",
            "r": f"order-{number}",
            "m": metadata,
        }
        if number % 2:
            raw |= {"g": campaign_of(number), "p": "b", "ri": str(number // 2 % CAMPAIGN)}
        elif number % 10 == 0:
            raw["w"] = "shop" if number % 1000 else "rare"
        events = [self._event(raw, extid, "queued", "-1", at, "")]
        timeline = [f"queued {at}"]
        done = at + 900
        result = ""
        if ended == "completed":
            attempts = 2 if number % 10 == 3 else 1
            for attempt in range(1, attempts + 1):
                sent, done = done + 100, done + 40_000
                got = disposition if attempt == attempts else "busy"
                result = _result(number, phone, line, sent, done)
                wire = extid if attempt == 1 else row_extid(SEED, number, 1)
                raw |= {f"a{attempt}": f"{sent} worker-1", f"d{attempt}": got, f"r{attempt}": result}
                raw[f"o{attempt}"] = '{"outcome": "taken", "code": "", "ms": 41, "status": 200, "body": ""}'
                if attempt > 1:
                    raw |= {f"x{attempt}": wire, "n": str(attempt)}
                timeline += [f"submitting {sent} worker-1", f"submitted {sent + 60}"]
                events.append(self._event(raw, wire, "submitted", f"-{2 * attempt}-h{number:08x}", sent + 60, ""))
            raw["dp"] = disposition
        raw["tl"] = ";".join([*timeline, f"{ended} {done} {disposition}".rstrip()])
        ends = f',"result":{result}' if result else ""
        events.append(self._event(raw, extid, ended, f"-9-h{number:08x}", done, ends))
        call = archived_call(extid, {name.encode(): value.encode() for name, value in raw.items()})
        assert call is not None
        return call, events

    @staticmethod
    def _event(raw: dict[str, str], extid: str, kind: str, name: str, at: int, more: str) -> Row:
        id, owner = raw["id"], f'","owner":"{raw["w"]}' if "w" in raw else ""
        event = archived_event(
            f"{at}-0",
            f'{{"specversion":"1.0","id":"{id}{name}{owner}","source":"/alodial","type":"alodial.call.{kind}","subject":"{id}",'
            f'"time":"{_iso(at)}","datacontenttype":"application/json","data":{{"call_id":"{id}","extid":"{extid}","reference":'
            f'"{raw["r"]}","campaign_id":{json.dumps(raw.get("g"))},"state":"{kind}","disposition":{json.dumps(raw.get("dp"))},'
            f'"attempt":1,"metadata":{raw["m"]}{more}}}}}',
        )
        assert event is not None
        return event.row


def _result(number: int, phone: str, line: str, sent: int, done: int) -> str:
    times = f'"begin_time": "{_iso(sent)}", "answer_time": "{_iso(sent + 7000)}", "end_time": "{_iso(done)}"'
    numbers = f'"from_numbers": ["7120370{number % 20:02d}"], "to_numbers": ["{phone[4:]}"], "trunk_number": "{line}"'
    return (
        f'{{"call_ids": [{1_700_000_000_000 + number}], {numbers}, {times}, "duration": {number % 300}, '
        f'"dialstatus": "ANSWER", "record": "https://records.example/2026/{number}.mp3", "attempts": []}}'
    )


def _batches(source: SyntheticCalls, first: int, calls: int) -> Iterator[tuple[list[ArchivedCall], list[Row]]]:
    for start in range(first, calls, CALLS_OF_A_BATCH):
        pairs = [source.call(number) for number in range(start, min(calls, start + CALLS_OF_A_BATCH))]
        yield [call for call, _ in pairs], [row for _, rows in pairs for row in rows]


def fill(engine: Engine, calls: int, days: int) -> None:
    """Writes what is missing, and prints how fast: of the time, of this process' processor time, and of the writing alone."""
    migrate(engine)
    with reading(engine) as connection:
        first = total_calls(connection)
    count, began, writes, shown, cpu = counter(ZONE), time.monotonic(), 0.0, 0.0, time.process_time()
    made = 0.0
    source = SyntheticCalls(calls, days)
    done, batches = first, _batches(source, first, calls)
    while True:
        cpu_before = time.process_time()
        batch = next(batches, None)
        made += time.process_time() - cpu_before
        if batch is None:
            break
        start = time.monotonic()
        with writing(engine) as connection:
            write_events(connection, batch[1])
            write_calls(connection, batch[0], count)
            write_position(connection, "events", f"{FIRST}-{done}")
        writes += time.monotonic() - start
        done += len(batch[0])
        now = time.monotonic()
        if now - shown > 20 or done >= calls:
            shown, fresh = now, done - first
            spent = (time.process_time() - cpu) / fresh * 1e6
            print(
                f"{done} calls; {fresh / (now - began):.0f}/s, {fresh / writes:.0f}/s while writing; "
                f"processor us a call: {spent:.0f}, "
                f"of which rows {made / fresh * 1e6:.0f}; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


def sizes(engine: Engine, url: str) -> None:
    """Prints the bytes a call, by table."""
    with reading(engine) as connection:
        calls = total_calls(connection)
        if engine.dialect.name == "sqlite":
            path = url.partition(":///")[2]
            print(f"bytes a call: {os.path.getsize(path) / calls:.0f}")
            return
        query = (
            "SELECT sum(pg_total_relation_size(inhrelid)), sum(pg_relation_size(inhrelid)) FROM pg_inherits "
            "WHERE inhparent = to_regclass(:name)"
        )
        for name in ("calls", "attempts", "events"):
            whole, heap = connection.execute(text(query), {"name": name}).one()
            print(f"{name}: {whole / calls:.0f} bytes a call, {heap / calls:.0f} without indexes")
        whole = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        print(f"database: {whole / calls:.0f} bytes a call, {whole / 1e9:.1f} GB")


def lists(engine: Engine, url: str, calls: int, days: int) -> None:
    """Times every list and screen over the archive: the median of some, and the longest."""
    with reading(engine) as connection:
        there = total_calls(connection)
    made = SyntheticCalls(calls, days).call(there // 60 * 20 + 1)[0].call
    campaign = campaign_of(there // 2)
    since = made["created_at"] // DAY_MS * DAY_MS
    filters: dict[str, CallFilter] = {
        "all": CallFilter(),
        "completed": CallFilter(state="completed"),
        "busy": CallFilter(disposition="busy"),
        "expired": CallFilter(state="expired"),
        "campaign": CallFilter(campaign=campaign),
        "campaign, busy": CallFilter(campaign=campaign, disposition="busy"),
        "a number": CallFilter(phone=made["recipients"]),
        "part of a number": CallFilter(part=made["recipients"][-7:]),
        "part of a name": CallFilter(part="dilnoza 77"),
        "part of a name that nobody has": CallFilter(part="zulfiya"),
        "reference": CallFilter(reference=made["reference"]),
        "owner": CallFilter(owner="shop"),
        "rare owner": CallFilter(owner="rare"),
        "a day": CallFilter(since=since, until=since + DAY_MS),
    }
    with EmbeddedRedis(fsync="no") as server:
        settings = Settings(
            _env_file=None, redis_url=server.url, provider_token="t", callback_secret="s" * 32, archive_url=url
        )
        with CallQueue(settings=settings) as queue:
            store, archive = queue.store, CallReader.of(url, queue.store.keys.namespace)
            asked: dict[str, Callable[[], Any]] = {
                f"list: {name}": partial(_calls, store, archive, filter, None) for name, filter in filters.items()
            }
            deep = list_page(store, archive, CallFilter(), None, 50)
            for _ in range(20):
                deep = list_page(store, archive, CallFilter(), deep.cursor, 50)
            asked["list: all, page 22"] = partial(_calls, store, archive, CallFilter(), deep.cursor)
            asked["call by id"] = partial(find_call, store, archive, made["call_id"], INSTALLATION)
            asked["call by extid"] = partial(find_call, store, archive, made["extid"], INSTALLATION)
            redial = row_extid(SEED, there // 60 * 20 + 3, 1)
            asked["call by the extid of its redial"] = partial(find_call, store, archive, redial, INSTALLATION)
            first = datetime.fromtimestamp(FIRST / 1000, ZONE).date()
            for report, groups in BY.items():
                for by in groups:
                    query = ReportQuery(report, (by,), first, first + timedelta(days=days))
                    asked[f"report of the year: {report} by {by}"] = partial(archive.reports.make, query)
            for name, ask in asked.items():
                print(_timed(engine, name, ask), flush=True)
            archive.close()


def _calls(store: Store, archive: CallReader, filter: CallFilter, cursor: str | None) -> list[Any]:
    return list_page(store, archive, filter, cursor, 50).calls


def _processor_ms(engine: Engine) -> float:
    """Processor time of this process and of what PostgreSQL on this machine spent for its readers."""
    spent = 1000 * time.process_time()
    if engine.dialect.name == "postgresql":
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'alodial readers'"
        with reading(engine) as connection:
            for pid in connection.execute(text(query)).scalars():
                spent += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    return spent


def _timed(engine: Engine, name: str, ask: Callable[[], Any]) -> str:
    times, processor, answer = [], [], None
    for _ in range(REPEATS):
        before, start = _processor_ms(engine), time.monotonic()
        try:
            answer = ask()
        except ArchiveUnavailable as exc:
            return f"{name}: {exc}"
        times.append(1000 * (time.monotonic() - start))
        processor.append(_processor_ms(engine) - before)
    size = (
        len(answer.rows)
        if isinstance(answer, Report)
        else len(answer)
        if isinstance(answer, list)
        else int(answer is not None)
    )
    return (
        f"{name}: {statistics.median(times):.0f} ms, longest {max(times):.0f}, of processors {statistics.median(processor):.0f}; "
        f"{size} rows"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "url", help="sqlite:///FILE or postgresql+psycopg://USER@/NAME?host=FOLDER; empty, or of this program"
    )
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=364)
    parser.add_argument("--lists", action="store_true", help="only the times of lists and screens over what is there")
    arguments = parser.parse_args()
    engine = open_engine(arguments.url)
    if not arguments.lists:
        fill(engine, arguments.calls, arguments.days)
        print(f"memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    sizes(engine, arguments.url)
    lists(engine, arguments.url, arguments.calls, arguments.days)


if __name__ == "__main__":
    main()
