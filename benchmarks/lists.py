"""A list of a million rows, as CSV and XLSX: the seconds of its check and its submission, and the memory they take.

Each runs in a process of its own, as the monitor's and the command's do, on one core; Redis has the other.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import xlsxwriter

from alodial import CallQueue
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.campaigns import parse_campaign

from .machine import OTHER_CORE, WORKER_CORE

GOALS = {"csv": 20.0, "xlsx": 45.0}
"""Seconds for check and submission together."""

MAX_MIB = 100
HEADER = ("Телефон", "ФИО", "Договор", "Сумма")
REQUEST = {"name": "a million", "call": {"callfrom": "712037006"}}


def a_row(n: int) -> tuple[str, str, str, int]:
    return f"+99890{n:07d}", f"Клиент {n}", f"INV-{n}", n % 1_000_000


def write_list(path: Path, rows: int) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8") as file:
            file.write(";".join(HEADER) + "\n")
            file.writelines(";".join(map(str, a_row(n))) + "\n" for n in range(rows))
        return
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER)
    for n in range(rows):
        sheet.write_row(n + 1, 0, a_row(n))
    book.close()


def measure(path: str, action: str, redis_url: str) -> None:
    """In the child: prints the seconds, the peak of memory in MiB and the good rows."""
    os.sched_setaffinity(0, {WORKER_CORE})
    request = parse_campaign(REQUEST)
    with CallQueue(settings=Settings(_env_file=None, redis_url=redis_url)) as queue:
        began, used = time.perf_counter(), time.process_time()
        if action == "check":
            good = queue.campaigns.check(path, request).good
        else:
            good = queue.campaigns.submit(path, request, actor="bench", again=True, paused=True).rows["good"]
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mib": peak, "good": good}))


def report(rows: int = 1_000_000) -> bool:
    """Prints the figures of both kinds of file; whether they reach their goals."""
    is_good, before = True, os.sched_getaffinity(0)
    with EmbeddedRedis(fsync="everysec") as redis, tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {OTHER_CORE})
        for kind, goal in GOALS.items():
            path = Path(folder) / f"list.{kind}"
            write_list(path, rows)
            total, peak = 0.0, 0.0
            for action in ("check", "submit"):
                command = [sys.executable, "-m", "benchmarks.lists", "--child", str(path), action, redis.url]
                figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                assert figures["good"] == rows
                total, peak = total + figures["seconds"], max(peak, figures["mib"])
                used = f"{figures['cpu']:.1f} s of the core"
                print(
                    f"{kind:>5} {action:<7} {figures['seconds']:>6.1f} s ({used}) {figures['mib']:>6.0f} MiB",
                    flush=True,
                )
            is_good &= total <= goal and peak <= MAX_MIB
            print(f"{kind:>5} together {total:>5.1f} s, goal {goal:.0f} s; {path.stat().st_size / 1e6:.0f} MB of file")
    os.sched_setaffinity(0, before)
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=3, metavar=("FILE", "ACTION", "REDIS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(*given.child)
        return 0
    is_good = report(given.rows)
    print("good" if is_good else "NOT good")
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
