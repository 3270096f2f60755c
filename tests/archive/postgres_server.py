"""A real PostgreSQL in a folder of its own, on a Unix socket alone; as another user where the tests run as root."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg


def postgres_folder() -> Path | None:
    """Where the server's programs are; None on a machine without them."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgresServer:
    """Runs until :meth:`stop`. ``kill`` ends it as a power failure does."""

    def __init__(self) -> None:
        programs = postgres_folder()
        assert programs is not None
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="alodial-pg-"))
        self._as_user: dict[str, Any] = {}
        if os.getuid() == 0:
            name = next(name for name in ("postgres", "nobody") if _is_user(name))
            self._as_user = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
            shutil.chown(self.folder, name)
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        options = ["--auth=trust", "--username=alodial", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run("initdb", "-D", str(self._data), *options)

    def _run(self, program: str, *args: str) -> None:
        subprocess.run(
            [str(self._programs / program), *args], check=True, capture_output=True, cwd=self.folder, **self._as_user
        )

    def start(self) -> "PostgresServer":
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "shared_buffers": "128MB"}
        args = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(self._programs / "postgres"), "-D", str(self._data), *args],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
            cwd=self.folder,
            **self._as_user,
        )
        ends = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return self
            except psycopg.OperationalError:
                assert time.monotonic() < ends, (self.folder / "log").read_text()
                time.sleep(0.05)

    def execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="alodial", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self, name: str) -> str:
        """Makes an empty database and returns its URL."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://alodial@/{name}?host={self.folder}"

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def hang(self) -> None:
        """Stops its processes where they are: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for process in (server, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # its data goes too
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
