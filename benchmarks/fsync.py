"""``python -m benchmarks.fsync``: what ``appendfsync always`` costs beside ``everysec``, at a PBX's pace and at full speed.

One worker on core 1; Redis, the stub and the measuring on core 0. At a pace each call is enqueued at its moment and watched
until its POST arrives; at full speed a full queue is drained.
"""

import os
import statistics
import tempfile
import time

from alodial import CallQueue, TwoWayCall
from alodial.store.keys import Keys

from . import drain
from .machine import WORKER_CORE, child, redis_on_other_core, stub

keys = Keys()

PACES = (5, 20, 50)
SECONDS = 20
MODES = (("everysec", "fast"), ("always", "fsync"))


def disk() -> float:
    """Median seconds of an fsync after 200 bytes, where the append-only file lies."""
    found = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(200):
            file.write(b"x" * 200)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - began)
    return statistics.median(found)


def paced(fsync: str, durability: str, pace: int) -> tuple[list[float], list[float]]:
    """Seconds that each ``enqueue`` took, and from its call to the POST's arrival."""
    accepted, arrived = [], []
    with redis_on_other_core(fsync) as redis, stub(0) as stubbed, CallQueue(redis_url=redis.url) as queue:
        env = {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_URL": stubbed.url,
            "ALODIAL_PROVIDER_TOKEN": drain.TOKEN,
            "ALODIAL_CALLS_PER_SECOND": "1000",
            "ALODIAL_MAX_CONCURRENT_CALLS": "100000",
            "ALODIAL_DURABILITY": durability,
        }
        with child(["-c", drain.WORKER], WORKER_CORE, env), redis.client() as client:
            while not client.hlen(keys.WORKERS):
                time.sleep(0.1)
            start = time.perf_counter() + 0.5
            for n in range(pace * SECONDS):
                time.sleep(max(0.0, start + n / pace - time.perf_counter()))
                began = time.perf_counter()
                queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
                accepted.append(time.perf_counter() - began)
                while stubbed.seen().posts <= n:
                    time.sleep(0.002)
                    if time.perf_counter() - began > 10:
                        raise TimeoutError(f"no POST of call {n} within 10 s")
                arrived.append(time.perf_counter() - began)
    return accepted, arrived


def summary(values: list[float]) -> str:
    return f"median {statistics.median(values) * 1000:5.1f} ms, p99 {sorted(values)[int(len(values) * 0.99)] * 1000:5.1f} ms"


def main() -> None:
    print(f"an fsync on this disk: {disk() * 1000:.2f} ms")
    for pace in PACES:
        for fsync, durability in MODES:
            accepted, arrived = paced(fsync, durability, pace)
            print(f"{pace:>3} calls/s  {fsync:>8}  enqueue {summary(accepted)}  to POST {summary(arrived)}", flush=True)
    for delay in (0.0, 0.05):
        for fsync, durability in MODES:
            rates = [
                drain.alodial(delay, 6000, fsync=fsync, settings={"ALODIAL_DURABILITY": durability}) for _ in range(3)
            ]
            print(
                f"drain, answers after {delay * 1000:.0f} ms  {fsync:>8}  {statistics.median(rates):.0f} calls/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
