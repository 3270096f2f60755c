"""What a call costs Redis from ``enqueue`` to its applied result, with its events and log lines, in processor time."""

import asyncio
import json
import time
from typing import Any, NamedTuple

import redis.asyncio as aioredis

from alodial import CallQueue, QueuedCall, TwoWayCall
from alodial.store import inbox
from alodial.store.keys import Keys
from alodial.wakeup import Waker

from .drain import worker_of
from .foreign import foreign_load, moment, process_seconds
from .intake import RESULT
from .machine import redis_on_other_core, stub

keys = Keys()


class Life(NamedTuple):
    """Milliseconds of Redis for one call."""

    redis_ms: float
    foreign: float


async def _put(url: str, extids: list[str]) -> None:
    async with aioredis.from_url(url) as client:
        for start in range(0, len(extids), 10):
            bodies = [json.dumps({**RESULT, "externalid": int(extid)}).encode() for extid in extids[start : start + 10]]
            await inbox.put(client, keys, [inbox.RawResult(body, "application/json") for body in bodies])


def life(calls: int = 3000) -> Life:
    """A worker places the calls and collects their results; the results come in tens, as web writes them under load."""
    with redis_on_other_core(append_only=False) as redis, stub(0) as stubbed, redis.client() as client:
        assert redis.process is not None
        with worker_of("alodial", redis.url, stubbed.url), CallQueue(redis_url=redis.url) as queue:
            while not client.hlen(keys.WORKERS):
                time.sleep(0.05)
            start, before = moment(), process_seconds(redis.process.pid)
            rows = queue.enqueue_many(
                TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]) for _ in range(calls)
            )
            stubbed.wait(calls, 60)
            asyncio.run(_put(redis.url, [row.extid for row in rows if isinstance(row, QueuedCall)]))
            waker = Waker(queue.settings)
            waker.collect()
            _applied(client, calls)
            waker.close()
            spent = process_seconds(redis.process.pid) - before
            return Life(spent / calls * 1000, foreign_load(start, moment()))


def _applied(client: Any, calls: int) -> None:
    deadline = time.monotonic() + 60
    while client.xlen(keys.INBOX) and time.monotonic() < deadline:
        time.sleep(0.02)
    done = int(client.hget(keys.COUNTS, "completed") or 0)
    assert done == calls, f"{done} of {calls} calls are completed"
