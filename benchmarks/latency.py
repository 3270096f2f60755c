"""From idle: how long from enqueue to the POST's arrival."""

import statistics
import time

from alodial import CallQueue, TwoWayCall
from alodial.store.keys import Keys

from .drain import TOKEN, WORKER
from .machine import WORKER_CORE, child, posts, redis_on_other_core, stub

keys = Keys()

TRIES = 60


def idle_latencies(tries: int = TRIES) -> list[float]:
    """Seconds from the call of ``enqueue`` to the POST's arrival, the system idle before each."""
    with redis_on_other_core() as redis, stub(0) as url, CallQueue(redis_url=redis.url) as queue:
        env = {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_URL": url,
            "ALODIAL_PROVIDER_TOKEN": TOKEN,
            "ALODIAL_CALLS_PER_SECOND": "50",
            "ALODIAL_MAX_CONCURRENT_CALLS": "1000",
        }
        found = []
        with child(["-c", WORKER], WORKER_CORE, env):
            with redis.client() as client:
                while not client.hlen(keys.WORKERS):
                    time.sleep(0.1)
            for _ in range(tries + 1):
                time.sleep(0.5)  # longer than an engine lingers: the measurement is from idle, by a wake-up
                before = posts(url)
                began = time.perf_counter()
                queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
                while posts(url) == before:
                    if time.perf_counter() - began > 10:
                        raise TimeoutError("no POST within 10 s")
                found.append(time.perf_counter() - began)
        return found[1:]


def report() -> bool:
    found = idle_latencies()
    median, p99 = statistics.median(found), sorted(found)[int(len(found) * 0.99)]
    print(f"idle to POST      median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms   goal 20 and 100 ms")
    return median < 0.02 and p99 < 0.1
