"""``make bench``: the product beside other queues, in turns, in one run on one machine; six to eight minutes.

A worker process has core 1; the AloVoice stub, Redis (nothing on disk) and the measuring have core 0. Each round measures
all systems one after another, so that a drift of the machine hits all alike; a ratio is made within a round. A round
during which other processes took more than a seventh of a core is measured once more, or marked.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from . import drain, intake, lifetime, pickup, startup
from .machine import ENVIRONMENTS, PEERS, native, peer_python
from .report import FOREIGN_LIMIT, Report, lines

PARTS = ("drain", "limited", "pickup", "intake", "life", "startup")
RATES = (50, 500, 2000)
ANCHOR = "dramatiq"

T = TypeVar("T")


class Options(NamedTuple):
    """``ends`` is the monotonic time after which nothing is measured a second time."""

    rounds: int
    peers: list[str]
    ends: float


def undisturbed(options: Options, name: str, measure: Callable[[], T], foreign_of: Callable[[T], float]) -> T:
    """Measures; again, where others used the machine meanwhile and there is time; the less disturbed one counts."""
    first = measure()
    if foreign_of(first) <= FOREIGN_LIMIT or time.monotonic() > options.ends:
        return first
    print(f"{name}: others used {foreign_of(first):.2f} cores; again", file=sys.stderr)
    second = measure()
    return min(first, second, key=foreign_of)


def measure_drains(report: Report, options: Options) -> None:
    most_stub = 0.0
    for number in range(options.rounds):
        for at, delay in enumerate(drain.DELAYS):
            done = {}
            for system in (*options.peers, "alodial"):
                name = f"round {number + 1}, {system} at {delay * 1000:.0f} ms"
                measured = undisturbed(
                    options, name, partial(drain.drain, system, delay, drain.CALLS[system][at]), lambda d: d.foreign
                )
                done[system] = measured
                most_stub = max(most_stub, measured.stub)
                report.add_drain(system, delay, measured._asdict())
                print(f"{name}: {measured.rate:,.0f}/s, {measured.cpu:.3f} s for 1,000", file=sys.stderr)
            ours, anchor = done["alodial"], done[ANCHOR]
            foreign = max(ours.foreign, anchor.foreign)
            report.add(
                f"drain_{delay * 1000:.0f}",
                ours.rate / anchor.rate,
                ours=ours.rate,
                anchor=anchor.rate,
                foreign=foreign,
            )
            if not delay:
                report.add("cpu_1000", ours.cpu, anchor=anchor.cpu, foreign=ours.foreign)
        wide = undisturbed(
            options,
            "2,048 in flight",
            lambda: drain.drain("alodial", 0.2, 16_000, {"ALODIAL_MAX_IN_FLIGHT": "2048"}),
            lambda d: d.foreign,
        )
        report.add("in_flight_2048", wide.rate, foreign=wide.foreign)
        report.notes["connections_2048"] = wide.connections
    report.notes["stub"] = {"kind": "C" if native("stub") else "Python", "most_of_its_core": round(most_stub, 3)}


def measure_limits(report: Report, options: Options) -> None:
    for number in range(max(1, options.rounds - 1)):
        free = undisturbed(options, "no limit", lambda: drain.drain("alodial", 0.0, 9000), lambda d: d.foreign)
        for rate in RATES:
            held = undisturbed(options, f"{rate}/s", partial(drain.limited, rate), lambda one: one.foreign)
            report.add(
                f"limited_{rate}",
                held.cpu * 1000 / free.cpu,
                ours=held.cpu * 1000,
                anchor=free.cpu,
                foreign=held.foreign,
            )
            if rate == RATES[-1]:
                report.add(
                    f"exact_{rate}", float(max(0, held.fullest - rate)), ours=float(held.fullest), foreign=held.foreign
                )
            print(
                f"round {number + 1}, {rate}/s: {held.cpu * 1000:.3f} ms for a call, {held.fullest} in the fullest second",
                file=sys.stderr,
            )


def measure_pickup(report: Report, options: Options) -> None:
    for _ in range(max(1, options.rounds - 1)):
        found = undisturbed(options, "pick-up", lambda: pickup.pickup(40, 5), lambda one: one.foreign)
        for key, share in (("pickup_p50", 0.5), ("pickup_p99", 0.99)):
            ours, anchor = (sorted(tries)[int(len(tries) * share)] for tries in (found.ours, found.anchor))
            report.add(key, ours, anchor=anchor, foreign=found.foreign)
        report.add("idle_cpu", found.idle, anchor=found.idle_anchor, foreign=found.foreign)


def measure_intake(report: Report, options: Options) -> None:
    for done in intake.enqueued(options.rounds):
        for key, pair in (("enqueue", done.single), ("enqueue_many", done.many)):
            report.add(key, pair.ours / pair.anchor, ours=pair.ours, anchor=pair.anchor, foreign=pair.foreign)
    if native("load") is None:
        print("no C compiler (cc): the rows over HTTP are left out", file=sys.stderr)
        return
    with intake.webs() as web:
        intake.posted(web, 0.5)
        for _ in range(options.rounds):
            pairs = undisturbed(
                options, "HTTP", lambda: intake.posted(web, 2.0), lambda both: max(pair.foreign for pair in both)
            )
            for key, pair in zip(("post_calls", "callbacks"), pairs, strict=True):
                report.add(key, pair.ours / pair.anchor, ours=pair.ours, anchor=pair.anchor, foreign=pair.foreign)
            report.add("batch", intake.batch(web))


def measure_life(report: Report, options: Options) -> None:
    for _ in range(options.rounds):
        life = undisturbed(options, "life", lifetime.life, lambda one: one.foreign)
        report.add("redis_life", life.redis_ms, foreign=life.foreign)


def measure_startup(report: Report, options: Options) -> None:
    took = startup.startup(options.rounds * 3)
    for key in ("import", "help"):
        for ours, bare in zip(took[key], took["python"], strict=True):
            report.add(key, ours, anchor=bare)


MEASURES = dict(
    zip(
        PARTS,
        (measure_drains, measure_limits, measure_pickup, measure_intake, measure_life, measure_startup),
        strict=True,
    )
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds in turns; 3 take six to eight minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="beside the anchor, bare Dramatiq")
    parser.add_argument("--minutes", type=float, default=6, help="after so many nothing is measured a second time")
    parser.add_argument("--json", type=Path, default=ENVIRONMENTS / "bench.json", help="where the figures go")
    options = parser.parse_args()
    peers = [ANCHOR, *(name for name in options.peers if name != ANCHOR)]
    for name in {*peers, pickup.PEER}:
        peer_python(name)
    report = Report()
    run = Options(options.rounds, peers, time.monotonic() + options.minutes * 60)
    for part in options.only:
        MEASURES[part](report, run)
        report.write(options.json)
    print("\n".join(lines(report.document())))
    print(
        f"written to {options.json}; `python -m benchmarks.page {options.json}` puts it into docs/performance.md",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
