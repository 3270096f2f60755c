"""A real server on a free port, in a process of its own, on a real Redis."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alodial.settings import Settings

API_KEY = "planted-api-key-90dd"
OTHER_KEY = "planted-api-key-of-another-client-17ce"
SECRET = "planted-callback-secret-51b2"
PROGRAM = "from alodial.cli.web import web; web(port={port}, drain={drain})"
TWO_WAY = {"callfrom": "712037006", "callto": ["994412860", "977076909"]}


def in_a_year() -> str:
    """A time as far ahead as most callers ask for, ISO 8601."""
    return (datetime.now(UTC) + timedelta(days=360)).isoformat()


class Web:
    """One ``alodial web``. Everything it writes is kept and can be searched for what must not be there."""

    def __init__(self, redis_url: str, folder: Path, *, port: int = 0, drain: float = 0, **settings: str) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.log = folder / "web.log"
        given = {
            "REDIS_URL": redis_url,
            "API_KEYS": f"{API_KEY},{OTHER_KEY}",
            "CALLBACK_SECRET": SECRET,
            "SPOOL_DIR": str(self.spool),
            "LOG_LEVEL": "debug",
            "COURTESY_HOURS": "off",
        } | settings
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
        # An empty one is left out: set and empty, it would be refused.
        environment |= {f"ALODIAL_{name}": value for name, value in given.items() if value}
        with self.log.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM.format(port=port, drain=drain)],
                env=environment,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        assert self.said.startswith("alodial web listening on http://127.0.0.1:"), self.log.read_text()
        self.url = self.said.split()[-1]
        self.port = int(self.url.rpartition(":")[2])
        self.http = self.client(API_KEY)
        self.callback = f"/callbacks/alovoice/{SECRET}"

    def client(self, key: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    def place(self, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.post("/v1/calls", json=TWO_WAY if body is None else body, headers=headers)

    def logged(self, *words: str, least: int = 1) -> list[str]:
        """The log's lines with all these words, as soon as there are ``least``: a thread writes them, after the answers."""
        deadline = time.monotonic() + 15
        while True:
            lines = [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]
            if len(lines) >= least or time.monotonic() > deadline:
                return lines
            time.sleep(0.02)

    def memory_kib(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4

    def stop(self) -> int:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def shared_web(redis_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(redis_server.url, tmp_path_factory.mktemp("web"))
    yield web
    assert web.stop() == 0


@pytest.fixture
def web(shared_web: Web, settings: Settings) -> Web:
    """The module's server on an emptied Redis."""
    return shared_web
