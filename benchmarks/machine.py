"""What every measurement needs: processes on chosen cores, a stub, a Redis, medians."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alodial.testing.redis_server import EmbeddedRedis

WORKER_CORE = 1
OTHER_CORE = 0


def pinned(core: int) -> Callable[[], None]:
    """Sets a child's core before it runs; does nothing on a machine with one core."""
    return lambda: os.sched_setaffinity(0, {core}) if (os.cpu_count() or 1) > 1 else None


@contextmanager
def child(
    args: list[str], core: int, env: dict[str, str] | None = None, *, quiet: bool = True
) -> Iterator["subprocess.Popen[str]"]:
    """A child process on one core, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        env={**os.environ, **(env or {})},
        preexec_fn=pinned(core),  # noqa: PLW1509  # sets the core of a child that is started before any thread
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def stub(delay: float) -> Iterator[str]:
    """The AloVoice stub's URL."""
    with child(["-m", "benchmarks.stub", str(delay)], OTHER_CORE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def redis_on_other_core(fsync: str = "everysec") -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(fsync=fsync) as server:
        assert server.process is not None
        os.sched_setaffinity(server.process.pid, {OTHER_CORE})
        yield server


def posts(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.read())


def drained(url: str, calls: int, limit: float = 120) -> float:
    """Calls a second between the first tenth and the last of ``calls`` POSTs: start-up is left out for both sides."""
    start_at, began = max(1, calls // 10), 0.0
    seen_at_start = 0
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        seen = posts(url)
        if not began and seen >= start_at:
            began, seen_at_start = time.monotonic(), seen
        if seen >= calls:
            return (seen - seen_at_start) / (time.monotonic() - began)
        time.sleep(0.02)
    raise TimeoutError(f"{posts(url)} of {calls} POSTs after {limit} s")
