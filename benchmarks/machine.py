"""What every measurement needs: processes on chosen cores, a stub, a Redis, compiled helpers, environments of peers."""

import array
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from alodial.testing.redis_server import EmbeddedRedis

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".venv-bench"
"""Peers, each with what its list pins, and compiled helpers; git ignores it, and `make clean` removes it."""

WORKER_CORE = 1
OTHER_CORE = 0
PEERS = ("dramatiq", "taskiq", "celery", "arq", "saq")


def pinned(core: int) -> Callable[[], None]:
    """Sets a child's core before it runs; does nothing on a machine with one core."""
    return lambda: os.sched_setaffinity(0, {core}) if (os.cpu_count() or 1) > 1 else None


@contextmanager
def child(
    args: Sequence[str],
    core: int,
    env: dict[str, str] | None = None,
    *,
    quiet: bool = True,
    python: str = sys.executable,
    stdin: int | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """A child process of a Python on one core, killed at the end."""
    with _started([python, *args], core, env, quiet=quiet, stdin=stdin) as process:
        yield process


@contextmanager
def _started(
    command: Sequence[str],
    core: int,
    env: dict[str, str] | None = None,
    *,
    quiet: bool = True,
    stdin: int | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command,
        stdin=stdin,
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


@cache
def native(name: str) -> str | None:
    """The path of a helper compiled from ``native/``; None where no C compiler is found."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    source, program = HERE / "native" / f"{name}.c", ENVIRONMENTS / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        ENVIRONMENTS.mkdir(exist_ok=True)
        part = program.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O2", "-o", str(part), str(source)], check=True)
        part.replace(program)
    return str(program)


def peer_python(name: str) -> str:
    """The Python of a peer's environment, which is made from PyPI the first time: its list pins every package."""
    folder, wanted = ENVIRONMENTS / name, (HERE / "peers" / f"{name}.txt").read_text()
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making the environment of {name} ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--requirement", str(HERE / "peers" / f"{name}.txt")], check=True)
        stamp.write_text(wanted)
    return str(python)


class Seen(NamedTuple):
    """What a stub has counted: POSTs, when the last one came (``time.monotonic_ns``), and connections."""

    posts: int
    last_ns: int
    connections: int


class Stub:
    """A running stub of AloVoice; ``pid`` is its process."""

    def __init__(self, port: int, pid: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pid = pid
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def seen(self) -> Seen:
        return Seen(*(int(part) for part in self._get("/").split()))

    def arrivals(self) -> "array.array[int]":
        """When each POST came, nanoseconds of ``time.monotonic_ns``."""
        times: array.array[int] = array.array("q")
        times.frombytes(self._get("/times"))
        return times

    def wait(self, posts: int, limit: float) -> Seen:
        """Waits for so many POSTs. Raises TimeoutError."""
        deadline = time.monotonic() + limit
        while (seen := self.seen()).posts < posts:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{seen.posts} of {posts} POSTs after {limit:.0f} s")
            time.sleep(0.01)
        return seen

    def _get(self, path: str) -> bytes:
        with self._opener.open(self.url + path, timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def stub(delay: float) -> Iterator[Stub]:
    """AloVoice that answers after ``delay`` seconds: the compiled one, or the Python one where there is no compiler."""
    microseconds, program = str(int(delay * 1e6)), native("stub")
    command = [program] if program else [sys.executable, "-m", "alodial_workers.dev.bench.stub", "0"]
    with _started([*command, microseconds], OTHER_CORE) as process:
        assert process.stdout is not None
        yield Stub(int(process.stdout.readline()), process.pid)


@contextmanager
def redis_on_other_core(fsync: str = "everysec", *, append_only: bool = True) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(fsync=fsync, append_only=append_only) as server:
        assert server.process is not None
        os.sched_setaffinity(server.process.pid, {OTHER_CORE})
        yield server


class Load(NamedTuple):
    """Of a closed load of HTTP: answers a second, how many were refused, and milliseconds until the answer."""

    rate: float
    refused: int
    p50_ms: float
    p99_ms: float


def http_load(url: str, request: bytes, *, connections: int = 64, seconds: float = 2.0) -> Load:
    """Sends one request again and again from the other core. Raises RuntimeError without a C compiler."""
    program = native("load")
    if program is None:
        raise RuntimeError("the HTTP load needs a C compiler (cc)")
    command = [program, url.rpartition(":")[2].strip("/"), str(connections), str(seconds)]
    done = subprocess.run(
        command, input=request, capture_output=True, check=True, preexec_fn=pinned(OTHER_CORE)
    )  # before any thread
    answered, refused, p50, p99, took = done.stdout.split()
    return Load(int(answered) / float(took), int(refused), int(p50) / 1000, int(p99) / 1000)
