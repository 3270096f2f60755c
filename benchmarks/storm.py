"""A storm of callbacks: how fast they are answered, and whether each call's event comes out exactly once.

Everything shares the machine's two cores: ``alodial web``, one worker that applies the results, Redis, and the generator.
Each call's result is sent twice, and beside the storm slow clients hold connections open with a byte a second. The load
is open: a request has its moment whether the one before it was answered or not, and its latency counts from that moment.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.call_transitions import Arming, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

from .intake import RESULT
from .machine import child

keys = Keys()

SECRET = "storm-callback-secret"
WORKER = """
from alodial.settings import load_settings
from alodial_workers.main import run_worker
run_worker(load_settings())
"""
CONNECTIONS = 64
SLOW = 50


class Storm(NamedTuple):
    """Latencies in ms; ``events`` counts terminal events by how many a call had."""

    sent: int
    rate: float
    median: float
    p99: float
    worst: float
    refused: int
    events: dict[int, int]
    lost: int


@contextmanager
def house(fsync: str, calls: int) -> Iterator[tuple[CallQueue, str, list[str]]]:
    """Redis with calls whose results are awaited, then the web process and a worker; the system places them on the cores."""
    with EmbeddedRedis(fsync=fsync) as redis:
        env = {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_TOKEN": "storm-token",
            "ALODIAL_CALLBACK_SECRET": SECRET,
            "ALODIAL_EVENTS_KEEP": "1000000",
            "ALODIAL_LOG_LEVEL": "warning",
        }
        settings = Settings(_env_file=None, redis_url=redis.url, calls_per_second=0, max_concurrent_calls=0)
        with CallQueue(settings=settings) as queue:
            extids = submitted(queue, calls)
            with (
                child(["-m", "alodial.cli", "web", "--port", "0"], 0, env) as web,
                child(["-c", WORKER], 0, env) as worker,
            ):
                assert web.stdout is not None
                url = web.stdout.readline().split()[-1]
                for pid in (web.pid, worker.pid):
                    os.sched_setaffinity(pid, range(os.cpu_count() or 1))
                while not queue.store.redis.hlen(keys.WORKERS):
                    time.sleep(0.05)
                yield queue, url, extids


def submitted(queue: CallQueue, count: int) -> list[str]:
    """Calls that AloVoice took, made by the store's own operations. Their extids."""
    settings, limits = queue.settings, queue.settings.account("default")
    epoch = redis_checks.epoch(queue.store.redis, keys)
    queue.enqueue_many(TwoWayCall(callfrom="712037006", callto=["994412860"]) for _ in range(count))
    extids: list[str] = []
    while len(extids) < count:
        claim = call_transitions.claim(settings, "default", limits, epoch=epoch, room=500, horizon=1, attend=0)
        calls = queue.store.run(claim).calls
        armed = [Arming(call.record, call.token, call.slot) for call in calls]
        queue.store.run(call_transitions.arm(settings, limits, armed, epoch=epoch, worker="storm"))
        taken = [Settling(call.record, call.token, "taken", answer='{"status": 200}') for call in calls]
        queue.store.run(call_transitions.settle(settings, limits, taken))
        extids += [call.extid for call in calls]
    return extids


def request(host: str, extid: str) -> bytes:
    body = json.dumps(RESULT | {"externalid": int(extid), "id": [int(extid) % 10**6]}).encode()
    head = (
        f"POST /callbacks/alovoice/{SECRET} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _client(
    host: str, port: int, moments: asyncio.Queue[tuple[float, bytes] | None], took: list[float], answers: Counter[int]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (item := await moments.get()) is not None:
        due, raw = item
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        took.append(time.perf_counter() - due)
        answers[int(head[9:12])] += 1
    writer.close()


async def _slow(host: str, port: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"POST /callbacks/alovoice/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n".encode())
    try:
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(1)
    except OSError:
        return


async def _blow(url: str, requests: list[bytes], rate: float) -> tuple[list[float], Counter[int], float]:
    host, _, port = url.removeprefix("http://").partition(":")
    moments: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    took: list[float] = []
    answers: Counter[int] = Counter()
    clients = [asyncio.create_task(_client(host, int(port), moments, took, answers)) for _ in range(CONNECTIONS)]
    slow = [asyncio.create_task(_slow(host, int(port))) for _ in range(SLOW)]
    await asyncio.sleep(1)
    gc.collect()
    gc.freeze()  # the generator's own pauses would be counted as the server's
    began = time.perf_counter()
    sent = 0
    while sent < len(requests):
        now = time.perf_counter()
        while sent < len(requests) and began + sent / rate <= now:
            moments.put_nowait((began + sent / rate, requests[sent]))
            sent += 1
        await asyncio.sleep(0.001)
    for _ in clients:
        moments.put_nowait(None)
    await asyncio.gather(*clients)
    ended = time.perf_counter()
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return took, answers, len(requests) / (ended - began)


def _events(queue: CallQueue, after: str) -> list[Any]:
    rows: Any = queue.store.redis.xrange(keys.EVENTS, min=after, count=5000)
    return list(rows)


def _completed(queue: CallQueue, count: int, patience: float = 60) -> dict[str, int]:
    """How many ``completed`` events each call has, once ``count`` calls have one or nothing moves any more."""
    deadline = time.monotonic() + patience
    while queue.store.redis.xlen(keys.INBOX) and time.monotonic() < deadline:
        time.sleep(0.2)
    found: Counter[str] = Counter()
    position = "-"
    while rows := _events(queue, position):
        for _, fields in rows:
            event = json.loads(fields[b"event"])
            if event["type"] == "alodial.call.completed":
                found[event["data"]["extid"]] += 1
        position = f"({rows[-1][0].decode()}"
    return dict(found)


def run(calls: int, rate: float, fsync: str = "everysec") -> Storm:
    with house(fsync, calls) as (queue, url, extids):
        host = url.removeprefix("http://")
        both = [request(host, extid) for extid in extids for _ in range(2)]
        random.Random(1).shuffle(both)
        took, answers, reached = asyncio.run(_blow(url, both, rate))
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            assert answer.status == 200
        found = _completed(queue, calls)
        ordered = sorted(took)
        return Storm(
            len(both),
            reached,
            statistics.median(ordered) * 1000,
            ordered[int(len(ordered) * 0.99)] * 1000,
            ordered[-1] * 1000,
            sum(count for status, count in answers.items() if status != 200),
            dict(Counter(found.values())),
            sum(1 for extid in extids if extid not in found),
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description="A storm of callbacks, each twice.")
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--rate", type=float, default=3000)
    parser.add_argument("--fsync", choices=["no", "everysec", "always"], default="everysec")
    given = parser.parse_args()
    storm = run(given.calls, given.rate, given.fsync)
    print(f"sent {storm.sent} callbacks, half of them duplicates, at {storm.rate:.0f}/s (asked {given.rate:.0f}/s)")
    print(f"answered after: median {storm.median:.1f} ms, p99 {storm.p99:.1f} ms, worst {storm.worst:.0f} ms")
    print(f"not 200: {storm.refused}; calls by number of completed events: {storm.events}; lost: {storm.lost}")
    good = storm.p99 < 100 and storm.refused == 0 and storm.lost == 0 and set(storm.events) == {1}
    print("good" if good and storm.rate >= given.rate * 0.98 else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
