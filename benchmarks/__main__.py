"""``make bench``: prints each figure beside what it is measured against.

Method: one worker process on core 1; the AloVoice stub, Redis (append-only file, everysec) and the measuring on core 0.
Each drain is measured in turns, ours and the anchor's, and the median of the rounds is taken.
"""

import argparse
import statistics

from . import drain, front, latency, lists

DRAINS = ((0.0, 1.0), (0.05, 1.0), (0.2, 4.0))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--only", choices=["drain", "front", "latency", "lists"])
    given = parser.parse_args()
    good = True
    if given.only in (None, "drain"):
        print(f"{'answer after':>14} {'anchor':>10} {'alodial':>10} {'ratio':>7} {'goal':>6}")
        for delay, goal in DRAINS:
            theirs, ours = [], []
            for _ in range(given.rounds):
                theirs.append(drain.anchor(delay, max(600, given.calls // 3)))
                ours.append(drain.alodial(delay, given.calls))
            a, b = statistics.median(theirs), statistics.median(ours)
            good &= b / a >= goal
            print(f"{delay * 1000:>11.0f} ms {a:>8.0f}/s {b:>8.0f}/s {b / a:>6.1f}x {goal:>5.0f}x", flush=True)
    if given.only in (None, "front"):
        rate, record, event = (
            statistics.median(column)
            for column in zip(*(front.enqueue_many() for _ in range(given.rounds)), strict=True)
        )
        good &= rate >= 25_000 and record <= 450
        print(f"enqueue_many      {rate:>8.0f}/s   goal 25000/s")
        print(
            f"a stored call     {record:>8.0f} bytes   goal at most 450; its event, until it is trimmed: {event:.0f} bytes"
        )
    if given.only in (None, "latency"):
        good &= latency.report()
    if given.only in (None, "lists"):
        good &= lists.report()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
