"""A whole installation for the documentation's examples: every part started by the command that the pages name."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from alodial.testing.redis_server import EmbeddedRedis

from .forked_commands import ForkedCommands

KEY = "documented-key-5d0c"
SECRET = "documented-secret-81be"
ALODIAL = str(Path(sys.executable).with_name("alodial"))


class Installation:
    """Redis, sandbox, web and worker; ``run`` is a shell in the midst of them."""

    def __init__(self, redis: EmbeddedRedis, folder: Path) -> None:
        self.folder = folder
        self.commands = ForkedCommands(folder)
        self.key = KEY
        self.started: list[subprocess.Popen[str]] = []
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")} | {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_PROVIDER_TOKEN": "documented-token-2f77",
            "ALODIAL_CALLBACK_SECRET": SECRET,
            "ALODIAL_API_KEYS": KEY,
            "ALODIAL_CALLS_PER_SECOND": "0",
            "ALODIAL_MAX_CONCURRENT_CALLS": "0",
            "COLUMNS": "200",
        }
        self.web = self.start("web", "--port", "0")
        self.sandbox = self.start(
            "sandbox", "--port", "0", "--speed", "1000", "--callback-url", f"{self.web}/callbacks/alovoice/{SECRET}"
        )
        self.env["ALODIAL_PROVIDER_URL"] = self.sandbox
        self.start("worker", listens=False)

    def start(self, *command: str, listens: bool = True) -> str:
        """Starts a part; answers the URL that its first line tells."""
        log = (self.folder / f"{command[0]}.log").open("a")
        process = subprocess.Popen(
            [ALODIAL, *command],
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE if listens else log,
            stderr=log,
            text=True,
        )
        log.close()
        self.started.append(process)
        if not listens:
            return ""
        assert process.stdout is not None
        said = process.stdout.readline()
        assert " listening on http://" in said, f"{command[0]}: {(self.folder / f'{command[0]}.log').read_text()}"
        # A campaign's lines fill a pipe that nobody reads, and the part would wait for its reader.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        return said.split()[-1]

    def forget_campaigns(self) -> None:
        """Each page is read by another newcomer: which files were submitted and who must not be called is forgotten."""
        with redis.Redis.from_url(self.env["ALODIAL_REDIS_URL"]) as client:
            for pattern in ("gf:*", "gr:*", "gd:*", "campaigns", "dnc*"):
                for key in client.scan_iter(f"alodial:{{dial}}:{pattern}", count=1000):
                    client.delete(key)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run(command, self.env, self.folder)

    def python(self, blocks: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs Python blocks in a process of their own."""
        program = str(Path(__file__).with_name("run_blocks.py"))
        return subprocess.run(
            [sys.executable, program],
            input=json.dumps(blocks),
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def stop(self) -> list[int]:
        self.commands.stop()
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        return [process.wait(30) for process in self.started]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with EmbeddedRedis() as redis:
        there = Installation(redis, tmp_path_factory.mktemp("installation"))
        try:
            yield there
        finally:
            codes = there.stop()
        assert codes == [0, 0, 0], "web, sandbox and worker end with 0 when they are told to"
