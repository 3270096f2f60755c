"""A campaign of a million rows whose results are exported and read again: every row must say what the store says.

The rows come from a file, are filled into the hopper and go their whole way by the store's own operations, some to every
outcome; a part is left waiting. Then `alodial campaign export` writes both forms, which are read by the readers that
read people's files, row beside row with the store.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from alodial import CallQueue
from alodial.campaigns.exporting.results import OURS, values_of
from alodial.campaigns.formula_guard import unsafe_cell
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.files.source import SourceRow
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.call_transitions import Applying, Arming, Claimed, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.hopper import HopperFiller

keys = Keys()

RESULT = '{"dialstatus":"%s","talktime":%d}'
ENDINGS = (("answered", "ANSWER"), ("busy", "BUSY"), ("no_answer", "NOANSWER"), ("congestion", "CONGESTION"))


def write_list(path: Path, rows: int) -> None:
    """People whose names a spreadsheet program would calculate, cut or round."""
    names = ("Гулнора", '=HYPERLINK("http://x")', "+1-1", "@SUM(A1)", "O'ktam; Ўткир", "0012", '"quoted", and\nbroken')
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,name,reference\n")
        for n in range(rows):
            name = f"{names[n % len(names)]} {n}".replace('"', '""')
            file.write(f'+99890{n:07d},"{name}",INV-{n}\n')


def ring(queue: CallQueue, calls: list[Claimed], epoch: str, counts: Counter[str]) -> None:
    settings, limits, store = queue.settings, queue.settings.account("default"), queue.store
    store.run(
        call_transitions.arm(
            settings, limits, [Arming(c.record, c.token, c.slot) for c in calls], epoch=epoch, worker="w"
        )
    )
    settled, results = [], []
    for call in calls:
        n = int(call.extid)
        outcome: call_transitions.SettleOutcome = "taken" if n % 20 else "rejected" if n % 40 else "unconfirmed"
        settled.append(Settling(call.record, call.token, outcome, code="" if outcome == "taken" else "http_400"))
        counts[outcome] += 1
        if outcome == "taken" and n % 21:
            disposition, status = ENDINGS[n % len(ENDINGS)]
            results.append(Applying(call.extid, RESULT % (status, n % 90), call.extid, disposition, n % 90))
            counts[disposition] += 1
    store.run(call_transitions.settle(settings, limits, settled))
    store.run(call_transitions.apply_results(results))


def dial(queue: CallQueue, rows: int) -> None:
    """Until a twentieth is left."""
    filler, epoch, done, counts = (
        HopperFiller(queue.store, queue.settings),
        redis_checks.epoch(queue.store.redis, keys),
        0,
        Counter[str](),
    )
    settings, limits = queue.settings, queue.settings.account("default")
    while done < rows * 19 // 20:
        for hopper in queue.store.run(call_transitions.pace(filler.rooms())).hoppers:
            filler.fill(hopper)
        claim = call_transitions.claim(settings, "default", limits, epoch=epoch, room=500, horizon=1, attend=0)
        calls = queue.store.run(claim).calls
        if calls:
            ring(queue, calls, epoch, counts)
        done += len(calls)
    print(f"dialled {done:,}: {dict(sorted(counts.items()))}")


def export(id: str, to: Path, url: str) -> None:
    """By the command, as people do; its time and its largest memory are told."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "alodial.cli", "campaign", "export", id, str(to)]
    env = {**os.environ, "ALODIAL_REDIS_URL": url}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"error: the export ended with {process.returncode}")
    took = time.perf_counter() - began
    print(f"{to.name}: {took:.0f} s, {used.ru_maxrss // 1024} MiB at most, {to.stat().st_size / 1e6:.0f} MB")


def read_again(path: Path, columns: int, *, guarded: bool) -> Iterator[list[str]]:
    """The cells of each row as they were before they were written."""
    source = open_source(path)
    assert source.columns[-len(OURS) :] == OURS
    for row in source.rows():
        if not isinstance(row, SourceRow):
            raise SystemExit(f"error: row {row.number}: {row.problem}")
        cells = [unsafe_cell(cell) for cell in row.cells] if guarded else list(row.cells)
        yield cells[: columns + len(OURS)]


def as_sheet(iso: str, zone: ZoneInfo) -> str:
    """A moment as a workbook's date is read again: local, to the nearest second."""
    if not iso:
        return ""
    local = (datetime.fromisoformat(iso) + timedelta(milliseconds=500)).astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def compare(queue: CallQueue, id: str, path: Path, rows: int) -> bool:
    columns, zone = queue.campaigns.get(id).columns, ZoneInfo(queue.settings.timezone)
    again = read_again(path, len(columns), guarded=path.suffix == ".csv")
    states: Counter[str] = Counter()
    same = 0
    for kept, cells in zip(queue.campaigns.rows(id), again, strict=True):
        expected = [*kept.cells, *values_of(kept)]
        if path.suffix == ".xlsx":
            for name in ("alodial_last_attempt_at", "alodial_answered_at"):
                at = len(columns) + OURS.index(name)
                expected[at] = as_sheet(expected[at], zone)
        if cells != expected:
            print(f"row {kept.number} differs:\n  store {expected}\n  file  {cells}")
            return False
        same += 1
        states[str(kept.state)] += 1
    print(f"{path.name}: {same:,} rows say what the store says: {dict(sorted(states.items()))}")
    return same == rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reimport", description="Exports that are read again.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(fsync="no") as redis:
        settings = Settings(_env_file=None, redis_url=redis.url, calls_per_second=0, courtesy_hours="off")
        settings = settings.model_copy(update={"max_concurrent_calls": 0})
        with CallQueue(settings=settings) as queue:
            people = Path(folder) / "people.csv"
            write_list(people, given.rows)
            request = {
                "name": "reimport",
                "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"},
                "policy": {"hours": {"windows": "daily 00:00-24:00"}},
            }
            id = queue.submit_campaign(people, request).id
            dial(queue, given.rows)
            queue.campaigns.pause(id, actor="benchmark")
            good = True
            for name in ("results.csv", "results.xlsx"):
                export(id, Path(folder) / name, redis.url)
                good &= compare(queue, id, Path(folder) / name, given.rows)
    print("good" if good else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
