"""``python -m benchmarks.feed feed REDIS_URL``: alodial's side of peers/feeder.py; "many N" is one ``enqueue_many``."""

import sys
import time

from alodial import CallQueue, TwoWayCall


def main() -> None:
    with CallQueue(redis_url=sys.argv[2]) as queue:
        print("ready", flush=True)
        for line in sys.stdin:
            kind, _, count = line.strip().rpartition(" ")
            began, cpu = time.monotonic_ns(), time.process_time_ns()
            calls = (TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]) for _ in range(int(count)))
            if kind == "many":
                queue.enqueue_many(calls)
            else:
                for call in calls:
                    queue.enqueue(call)
            print(began, time.monotonic_ns(), time.process_time_ns() - cpu, flush=True)


if __name__ == "__main__":
    main()
