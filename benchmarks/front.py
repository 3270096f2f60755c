"""The front door: ``enqueue_many`` with validation included, and the memory that a stored call takes."""

import os
import time

from alodial import CallQueue, TwoWayCall
from alodial.store.keys import Keys

from .machine import WORKER_CORE, redis_on_other_core

keys = Keys()

CALLS = 50_000


def enqueue_many(calls: int = CALLS) -> tuple[float, float, float]:
    """Calls a second, bytes of Redis for one stored call without its event, bytes of its event in the stream."""
    before = os.sched_getaffinity(0)
    with redis_on_other_core() as server, CallQueue(redis_url=server.url) as queue, server.client() as client:
        os.sched_setaffinity(0, {WORKER_CORE})
        try:
            queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
            used = client.info("memory")["used_memory"]
            stream = client.memory_usage(keys.EVENTS, samples=0)
            began = time.perf_counter()
            rows = queue.enqueue_many(
                TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"], reference=f"order-{n}")
                for n in range(calls)
            )
            took = time.perf_counter() - began
            assert len(rows) == calls
            grown = client.info("memory")["used_memory"] - used
            events = client.memory_usage(keys.EVENTS, samples=0) - stream
        finally:
            os.sched_setaffinity(0, before)
        return calls / took, (grown - events) / calls, events / calls
