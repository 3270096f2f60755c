"""Log lines on a real Redis: one of the session, or one of a test's own that can be stopped, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from web.conftest import shared_web

keys = Keys()

__all__ = ["shared_web"]

PLANTED = ("planted-token-7f3a9c", "planted-callback-secret-51b2", "planted-api-key-90dd")
NUMBERS = ("712037006", "994412860", "998994412860")
ALODIAL = (sys.executable, "-m", "alodial.cli")

LOGGING = """
import sys, structlog
from alodial.observability.logging import configure
from alodial.settings import load_settings
configure(load_settings(), stream=open("/dev/null", "w"), non_blocking=True, shared=True, worker=sys.argv[1])
log = structlog.get_logger("test")
"""
"""The beginning of a program that logs."""


class Processes:
    """Processes on one Redis; every one is ended by its pid. ``redis`` can be killed and started again."""

    def __init__(self, redis: EmbeddedRedis, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")} | {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_TOKEN": PLANTED[0],
            "ALODIAL_CALLBACK_SECRET": PLANTED[1],
            "ALODIAL_API_KEYS": PLANTED[2],
            "ALODIAL_REDIS_TIMEOUT": "1",
            "ALODIAL_LOG_LEVEL": "debug",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        given: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": None}
        process = subprocess.Popen(command, env=self.env, cwd=self.folder, text=True, **(given | options))
        self.started.append(process)
        return process

    def alodial(self, *command: str, **options: Any) -> "subprocess.Popen[str]":
        return self.start(*ALODIAL, *command, **options)

    def logging(self, program: str, name: str = "w1") -> "subprocess.Popen[str]":
        """A process that logs: ``log`` is there."""
        return self.start(sys.executable, "-c", LOGGING + program, name)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*ALODIAL, *command], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def lines(self) -> list[dict[str, Any]]:
        with self.redis.client() as client:
            rows: Any = client.xrange(keys.LOGS)
        return [json.loads(fields[b"l"]) for _, fields in rows]

    def raw(self) -> str:
        with self.redis.client() as client:
            return str(client.xrange(keys.LOGS))

    def pause_redis(self) -> None:
        assert self.redis.process is not None
        self.redis.process.send_signal(signal.SIGSTOP)

    def wake_redis(self) -> None:
        assert self.redis.process is not None
        self.redis.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "redis").mkdir()
    with EmbeddedRedis(folder=tmp_path / "redis", fsync="always") as redis:
        there = Processes(redis, tmp_path)
        try:
            yield there
        finally:
            if redis.process is not None and redis.process.poll() is None:
                redis.process.send_signal(signal.SIGCONT)
            there.stop()


class Reader:
    """What a process prints, line by line, as it comes."""

    def __init__(self, stream: Any) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.lines.append(line)

    def join(self) -> None:
        self._thread.join(10)
