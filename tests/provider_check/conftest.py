"""The check as a program, against the sandbox, web and a worker as processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import API_KEY, CALLBACK_SECRET, TOKEN

from alodial.settings import Settings
from alodial.testing.redis_server import free_port
from alodial_workers.dev.processes import Processes, environment_without_settings

PHONE = "901234567"


def post(form: str, status: int | None, body: str, *, rang: bool) -> dict[str, Any]:
    """A POST of a cassette."""
    return {"form": form, "status": status, "headers": {"content-type": "application/json"}, "body": body, "rang": rang}


REFUSED = post("multipart-brackets", 400, '{"error": "callto: missing"}', rang=False)
TAKEN = post("multipart-json", 200, '{"answer": {"id": 17, "extid": "{extid}"}}', rang=True)
RESULT = {
    "content_type": "application/json",
    "body": '{"id": [17], "to_number": ["{phone}"], "dialstatus": "BUSY", "externalid": {extid}}',
}


@dataclass
class Checked:
    """The check's exit code, steps and words for people; ``ledger`` is what the sandbox counted."""

    code: int
    steps: list[dict[str, Any]]
    err: str
    ledger: dict[str, Any]
    cassette: dict[str, Any] | None

    def step(self, name: str) -> dict[str, Any]:
        return next(step for step in self.steps if step["step"] == name)

    def all(self, name: str) -> list[dict[str, Any]]:
        return [step for step in self.steps if step["step"] == name]


class Stack:
    """A sandbox and web; a worker where a test needs it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.web_port, self.sandbox_port = free_port(), free_port()
        self.sandbox = f"http://127.0.0.1:{self.sandbox_port}"
        self.environment = environment_without_settings() | {
            "ALODIAL_REDIS_URL": settings.redis_url.get_secret_value(),
            "ALODIAL_PROVIDER_URL": self.sandbox,
            "ALODIAL_PROVIDER_TOKEN": TOKEN,
            "ALODIAL_CALLBACK_SECRET": CALLBACK_SECRET,
            "ALODIAL_API_KEYS": API_KEY,
            "ALODIAL_COURTESY_HOURS": "off",
            "ALODIAL_SPOOL_DIR": str(folder / "spool"),
            "ALODIAL_PROVIDER_TIMEOUT": "10",
        }
        self.processes = Processes(
            cwd=folder,
            environment=self.environment,
            open_output=lambda name: (folder / f"{name}.log").open("ab"),
        )

    def start(self, cassette: dict[str, Any] | None = None, *options: str, worker: bool = False) -> None:
        args = ["--speed", "1000", *options]
        if cassette is not None:
            path = self.folder / "played.json"
            path.write_text(json.dumps({"cassette": 1, **cassette}))
            args += ["--cassette", str(path)]
        url = f"http://127.0.0.1:{self.web_port}/callbacks/alovoice/{CALLBACK_SECRET}"
        self.processes.start_sandbox(self.sandbox_port, args, callback_url=url)
        self.processes.start_web(self.web_port)
        if worker:
            self.processes.start_worker()
        self.processes.wait_until_healthy("sandbox", self.sandbox)
        self.processes.wait_until_healthy("web", f"http://127.0.0.1:{self.web_port}")

    def alodial(self, *args: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "alodial.cli", *args],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def check(self, *options: str, wait: float = 20, **environment: str) -> Checked:
        done = subprocess.run(
            [sys.executable, "-m", "alodial.cli", "provider", "check", "--json", "--wait", str(wait), *options],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        for secret in (TOKEN, CALLBACK_SECRET, API_KEY):
            assert secret not in done.stdout + done.stderr
        steps = [json.loads(line) for line in done.stdout.splitlines()]
        file = self.folder / "provider-check.json"
        kept = json.loads(file.read_text()) if file.exists() else None
        ledger = httpx.get(f"{self.sandbox}/sandbox/ledger", trust_env=False).json()
        return Checked(done.returncode, steps, done.stderr, ledger, kept)


@pytest.fixture
def stack(settings: Settings, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(settings, tmp_path)
    yield stack
    stack.processes.stop()
