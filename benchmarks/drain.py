"""How fast one worker process on one core empties a full queue: alodial, and the same job in other queues."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from alodial import CallQueue, TwoWayCall
from alodial.settings import AccountSettings
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.dev.bench.measures import rate_of

from .foreign import foreign_load, moment, process_seconds, tree_seconds
from .machine import HERE, WORKER_CORE, Stub, child, peer_python, redis_on_other_core, stub

TOKEN = "benchmark-token"
WORKER = """
from alodial.settings import load_settings
from alodial_workers.main import run_worker
run_worker(load_settings())
"""
OUT_OF_THE_WAY = {
    "ALODIAL_CALLS_PER_SECOND": "100000",
    "ALODIAL_MAX_CONCURRENT_CALLS": "1000000",
    "ALODIAL_BURST": "100000",
}
"""Limits that are checked for every call and never reached: a worker does some 15,000 calls a second at most."""

DELAYS = (0.0, 0.05, 0.2)
"""Seconds after which AloVoice answers."""

CALLS = {
    "dramatiq": (1300, 900, 320),
    "taskiq": (4500, 4500, 4000),
    "celery": (900, 900, 900),
    "arq": (1200, 1200, 1200),
    "saq": (2000, 2000, 2000),
    "alodial": (12_000, 9000, 5000),
}
"""For each delay, so many that a drain takes one and a half to two seconds."""


class Drain(NamedTuple):
    """Calls a second and processor seconds of the worker for 1,000 calls; ``foreign`` is how many cores others used."""

    rate: float
    cpu: float
    foreign: float
    redis: float
    stub: float
    connections: int


def _measured(redis: EmbeddedRedis, stubbed: Stub, worker: int, calls: int, delay: float) -> Drain:
    """Waits for the queue to be drained. The processor's time is that between the first tenth and the end."""
    assert redis.process is not None
    start = stubbed.wait(max(1, calls // 10), 60)
    before, cpu = moment(), tree_seconds(worker)
    others = [process_seconds(pid) for pid in (redis.process.pid, stubbed.pid)]
    end = stubbed.wait(calls, 120)
    after, cpu = moment(), tree_seconds(worker) - cpu
    took = after.at - before.at
    shares = [
        (process_seconds(pid) - old) / took for pid, old in zip((redis.process.pid, stubbed.pid), others, strict=True)
    ]
    rate = rate_of(list(stubbed.arrivals())[:calls], delay)
    per_1000 = cpu / max(1, end.posts - start.posts) * 1000
    return Drain(rate, per_1000, foreign_load(before, after), shares[0], shares[1], end.connections)


@contextmanager
def feeder(name: str, redis_url: str, url: str = "http://127.0.0.1:1", core: int = WORKER_CORE) -> Iterator["Feeder"]:
    """A process that enqueues for a peer, with its own library; ``alodial`` is ours."""
    command = [str(HERE / "peers" / f"{name}_peer.py")] if name != "alodial" else ["-m", "benchmarks.feed"]
    python = sys.executable if name == "alodial" else peer_python(name)
    with child([*command, "feed", redis_url, url], core, stdin=subprocess.PIPE, python=python) as process:
        yield Feeder(process)


class Feeder:
    """Asks a feeding process for jobs, see peers/feeder.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        assert self._out.readline().strip() == "ready", "the feeder did not start"

    def send(self, jobs: int | str) -> tuple[int, float, float]:
        """When it began (``time.monotonic_ns``), the seconds it took, and those of its processor."""
        self._in.write(f"{jobs}\n")
        self._in.flush()
        began, ended, cpu = (int(part) for part in self._out.readline().split())
        return began, (ended - began) / 1e9, cpu / 1e9


@contextmanager
def worker_of(
    name: str, redis_url: str, url: str, settings: Mapping[str, str] | None = None, core: int = WORKER_CORE
) -> Iterator[int]:
    """A worker process; its pid. Settings are those of alodial."""
    if name == "alodial":
        env = {"ALODIAL_REDIS_URL": redis_url, "ALODIAL_PROVIDER_URL": url, "ALODIAL_PROVIDER_TOKEN": TOKEN}
        with child(["-c", WORKER], core, {**env, **OUT_OF_THE_WAY, **(settings or {})}) as process:
            yield process.pid
        return
    module = str(HERE / "peers" / f"{name}_peer.py")
    post_url = f"{url}/requestcall/{TOKEN}"
    with child([module, "work", redis_url, post_url], core, python=peer_python(name)) as process:
        yield process.pid


def drain(name: str, delay: float, calls: int, settings: Mapping[str, str] | None = None) -> Drain:
    """One drain of a full queue. An alodial worker has its limits on (set out of the way) and writes its log."""
    with redis_on_other_core(append_only=False) as redis, stub(delay) as stubbed:
        if name == "alodial":
            enqueue(redis, calls)
        else:
            with feeder(name, redis.url) as sender:
                sender.send(calls)
        with worker_of(name, redis.url, stubbed.url, settings) as worker:
            return _measured(redis, stubbed, worker, calls, delay)


def enqueue(redis: EmbeddedRedis, calls: int) -> None:
    with CallQueue(redis_url=redis.url) as queue:
        queue.enqueue_many(TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]) for _ in range(calls))


def alodial(delay: float, calls: int, *, fsync: str = "everysec", settings: Mapping[str, str] | None = None) -> float:
    """An alodial worker's calls a second with an append-only file that is synced so."""
    with redis_on_other_core(fsync) as redis, stub(delay) as stubbed:
        enqueue(redis, calls)
        with worker_of("alodial", redis.url, stubbed.url, settings) as worker:
            return _measured(redis, stubbed, worker, calls, delay).rate


class Limited(NamedTuple):
    """Under a rate limit: processor seconds of all workers for a call, POSTs a second, and those of the fullest second."""

    cpu: float
    rate: float
    fullest: int
    foreign: float
    redis_commands: float


def limited(rate: int, workers: int = 2, seconds: float = 4.0, delay: float = 0.0) -> Limited:
    """Workers that share a core take calls at an allowed rate."""
    burst = AccountSettings(calls_per_second=rate).burst_calls  # as where nothing is set
    settings = {"ALODIAL_CALLS_PER_SECOND": str(rate), "ALODIAL_BURST": str(burst)}
    cores = os.cpu_count() or 1
    with redis_on_other_core(append_only=False) as redis, stub(delay) as stubbed, redis.client() as client:
        enqueue(redis, int(rate * (seconds + 6)))
        with ExitStack() as running:
            pids = [
                running.enter_context(
                    worker_of("alodial", redis.url, stubbed.url, settings, WORKER_CORE + n % max(1, cores - 1))
                )
                for n in range(workers)
            ]
            stubbed.wait(rate, 60)
            time.sleep(0.5)
            start, before = stubbed.seen(), moment()
            cpu, ran = sum(tree_seconds(pid) for pid in pids), client.info("stats")["total_commands_processed"]
            time.sleep(seconds)
            end, after = stubbed.seen(), moment()
            cpu = sum(tree_seconds(pid) for pid in pids) - cpu
            ran = client.info("stats")["total_commands_processed"] - ran
        posts = end.posts - start.posts
        times = list(stubbed.arrivals())[start.posts : end.posts]
        took = after.at - before.at
        return Limited(cpu / posts, posts / took, fullest_second(times), foreign_load(before, after), ran / posts)


def fullest_second(times: list[int]) -> int:
    """The most POSTs that came within any second, from their arrivals in nanoseconds."""
    best = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1_000_000_000:
            first += 1
        best = max(best, last - first + 1)
    return best
