"""What ``alodial bench`` measures, each in a share of its time, on a store of its own."""

import array
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis.asyncio as aioredis

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store import inbox
from alodial.store.connect import connect
from alodial.testing.redis_server import free_port
from alodial.wakeup import Waker

from ..processes import ProcessEnded, Processes, environment_without_settings
from .scratch_store import clear

PHONES = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])
MAX_CALLS = 20_000
"""Calls in the store at once: about 60 MB of Redis."""

START_TIMEOUT = 60.0


class Times(NamedTuple):
    """Milliseconds, and how many a second."""

    p50_ms: float
    p99_ms: float
    rate: float


class Drained(NamedTuple):
    """POSTs a second, and milliseconds of Redis' processor for each; 0 where Redis does not tell."""

    rate: float
    redis_ms: float
    extids: list[str]
    site: "Site"


def settings_for(url: str, **values: Any) -> Settings:
    """Settings of the measurement; nothing of the caller's environment or ``.env`` reaches them."""
    defaults = {"calls_per_second": 0, "max_concurrent_calls": 0, "courtesy_hours": "off", "events_keep": 1000}
    return Settings(_env_file=None, _env_prefix="ALODIAL_OF_NO_ENVIRONMENT_", redis_url=url, **{**defaults, **values})


def _times(seconds: Sequence[float]) -> Times:
    ordered = sorted(seconds)
    total = sum(ordered)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Times(statistics.median(ordered) * 1000, p99 * 1000, len(ordered) / total if total else 0.0)


def round_trips(url: str, count: int = 300) -> Times:
    """How long Redis takes to answer PING."""
    took = []
    with connect(url) as client:
        client.ping()
        for _ in range(count):
            began = time.perf_counter()
            client.ping()
            took.append(time.perf_counter() - began)
    return _times(took)


def fsync(folder: Path, count: int = 30) -> float:
    """Median milliseconds that the disk under ``folder`` takes to keep 200 bytes."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(count):
            file.write(b"x" * 200)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def enqueue_single(url: str, seconds: float) -> Times:
    """Calls stored one by one."""
    took: list[float] = []
    with CallQueue(settings=settings_for(url)) as queue:
        queue.enqueue(PHONES)
        ends = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ends and len(took) < MAX_CALLS:
            queue.enqueue(PHONES)
            took.append(time.perf_counter() - began)
    return _times(took)


def enqueue_many(url: str, seconds: float) -> float:
    """Calls a second of ``enqueue_many``."""
    with CallQueue(settings=settings_for(url)) as queue:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds and count < MAX_CALLS:
            count += len(queue.enqueue_many(PHONES for _ in range(1000)))
        return count / (time.perf_counter() - began)


class Site:
    """A stub of AloVoice and workers of a store, in processes of their own; they end with the context."""

    def __init__(self, url: str, folder: Path, delay: float, max_in_flight: int) -> None:
        port = free_port()
        self._provider = f"http://127.0.0.1:{port}"
        settings = {
            "ALODIAL_REDIS_URL": url,
            "ALODIAL_PROVIDER_URL": self._provider,
            "ALODIAL_PROVIDER_TOKEN": secrets.token_urlsafe(24),
            "ALODIAL_CALLS_PER_SECOND": "0",
            "ALODIAL_MAX_CONCURRENT_CALLS": "0",
            "ALODIAL_MAX_IN_FLIGHT": str(max_in_flight),
            "ALODIAL_COURTESY_HOURS": "off",
            "ALODIAL_EVENTS_KEEP": "1000",
            "ALODIAL_LOG_FORMAT": "json",
        }
        self._processes = Processes(
            cwd=folder,
            environment=environment_without_settings() | settings,
            open_output=lambda name: (folder / f"{name}.log").open("ab"),
        )
        arguments = ["-m", "alodial_workers.dev.bench.stub", str(port), str(int(delay * 1e6))]
        self._processes.start("stub", arguments)
        self._processes.wait_until_healthy("stub", self._provider)

    def start_workers(self, count: int) -> None:
        """Starts workers; they place calls after a second or two."""
        for number in range(count):
            self._processes.start_worker(f"worker-{number}")

    def posts(self) -> int:
        """How many POSTs have come."""
        return int(self._processes.http.get(self._provider + "/").text.split()[0])

    def last_ns(self) -> int:
        """When the last one came, ``time.monotonic_ns``."""
        return int(self._processes.http.get(self._provider + "/").text.split()[1])

    def wait_for(self, posts: int, seconds: float) -> bool:
        """Waits for so many POSTs; false when time is up. Raises ProcessEnded."""
        ends = time.monotonic() + seconds
        while self.posts() < posts:
            self._processes.check()
            if time.monotonic() > ends:
                return False
            time.sleep(0.01)
        return True

    def arrivals(self) -> list[int]:
        """When each POST came, nanoseconds."""
        times: array.array[int] = array.array("q")
        times.frombytes(self._processes.http.get(self._provider + "/times").content)
        return list(times)

    def stop(self) -> None:
        self._processes.stop()


@contextmanager
def site(url: str, delay: float, max_in_flight: int) -> Iterator[Site]:
    """Raises ProcessEnded when a process does not start."""
    with tempfile.TemporaryDirectory(prefix="alodial-bench-") as folder:
        there = Site(url, Path(folder), delay, max_in_flight)
        try:
            yield there
        finally:
            there.stop()


def rate_of(times: list[int], delay: float) -> float:
    """POSTs a second from their arrivals in nanoseconds, the first tenth left out.

    Answers after a delay make POSTs come in waves: whole waves are counted, as a part of one would change the figure.
    """
    times = times[max(1, len(times) // 10) :]
    length, wave = times[-1] - times[0], int(delay * 1e9)
    if wave and length > 2 * wave:
        length = length // wave * wave
    return sum(at - times[0] < length for at in times) / (length / 1e9) if length else 0.0


@contextmanager
def drained(url: str, seconds: float, *, delay: float, workers: int, max_in_flight: int) -> Iterator[Drained]:
    """Fills a queue and lets workers empty it for at most so many seconds; they run until the context ends."""
    calls = int(min(MAX_CALLS, max(600, seconds * 1500, 4 * max_in_flight * bool(delay))))
    with site(url, delay, max_in_flight) as there, connect(url) as client:
        with CallQueue(settings=settings_for(url)) as queue:
            rows = queue.enqueue_many(PHONES for _ in range(calls))
        there.start_workers(workers)
        if not there.wait_for(max(1, calls // 10), START_TIMEOUT):
            raise ProcessEnded("worker", f"the workers placed no call within {START_TIMEOUT:.0f} s")
        spent, start = _redis_seconds(client), there.posts()
        # What is measured next begins when every call is placed; with a delay nothing does.
        there.wait_for(calls, max(1.0, seconds) if delay else START_TIMEOUT)
        spent, posted = _redis_seconds(client) - spent, there.posts() - start
        times = there.arrivals()
        extids = [extid for row in rows if (extid := getattr(row, "extid", ""))]
        yield Drained(
            rate_of(times, delay), spent / max(1, posted) * 1000, extids if len(times) == calls else [], there
        )


def _redis_seconds(client: Any) -> float:
    info = client.info("cpu")
    return float(info.get("used_cpu_user", 0)) + float(info.get("used_cpu_sys", 0))


def cleared(url: str) -> None:
    """Deletes what a measure left."""
    with connect(url) as client:
        clear(client)


def results(url: str, extids: Sequence[str]) -> float:
    """Results a second that a running worker applies."""
    settings = settings_for(url)
    with CallQueue(settings=settings) as queue:
        waker = Waker(settings)
        began = time.perf_counter()
        asyncio.run(_put(url, queue, extids))
        waker.collect()
        while queue.store.redis.xlen(queue.store.keys.INBOX) and time.perf_counter() - began < START_TIMEOUT:
            time.sleep(0.01)
        waker.close()
        return len(extids) / (time.perf_counter() - began)


async def _put(url: str, queue: CallQueue, extids: Sequence[str]) -> None:
    async with aioredis.from_url(url) as client:
        for start in range(0, len(extids), 20):
            bodies = [
                json.dumps({"externalid": int(extid), "dialstatus": "ANSWERED", "duration": 20}).encode()
                for extid in extids[start : start + 20]
            ]
            await inbox.put(client, queue.store.keys, [inbox.RawResult(body, "application/json") for body in bodies])


def pick_up(url: str, there: Site, tries: int) -> Times:
    """From ``enqueue`` to the POST's arrival while a running worker is idle."""
    took = []
    before = there.posts()
    with CallQueue(settings=settings_for(url)) as queue:
        for number in range(tries + 1):
            time.sleep(0.4)  # longer than a worker lingers: each try begins from idle
            began = time.monotonic_ns()
            queue.enqueue(PHONES)
            if not there.wait_for(before + number + 1, START_TIMEOUT):
                raise ProcessEnded("worker", f"the worker placed no call within {START_TIMEOUT:.0f} s")
            took.append((there.last_ns() - began) / 1e9)
    return _times(took[1:])


def python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))
