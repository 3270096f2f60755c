"""The command line on a real Redis: in this process, where that is enough, or as the program that people start."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alodial.cli.app import run
from alodial.settings import Settings, load_settings
from alodial.store import dead_letters, inbox
from alodial.store.client import Store
from alodial.store.keys import Keys

keys = Keys()

CALLBACK_SECRET = "planted-callback-secret-51b2"
PROVIDER_TOKEN = "planted-token-7f3a9c"
API_KEY = "planted-api-key-90dd"
PROGRAM = (sys.executable, "-m", "alodial.cli")
TWO_WAY = ("call", "two-way", "--from", "712037006", "--to", "994412860")


@dataclass(frozen=True)
class Done:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """Standard output as one JSON document a line; fails when it is anything else."""
        return [json.loads(line) for line in self.out.splitlines()]


Alodial = Callable[..., Done]


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Settings as people give them. A command finds no ``.env`` where it runs."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "ALODIAL_REDIS_URL": settings.redis_url.get_secret_value(),
        "ALODIAL_PROVIDER_TOKEN": PROVIDER_TOKEN,
        "ALODIAL_CALLBACK_SECRET": CALLBACK_SECRET,
        "ALODIAL_API_KEYS": API_KEY,
        "ALODIAL_COURTESY_HOURS": "off",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def alodial(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Alodial:
    """One command in this process."""

    def alodial(*args: str) -> Done:
        load_settings.cache_clear()
        capsys.readouterr()
        code = run(list(args))
        return Done(code, *capsys.readouterr())

    return alodial


@pytest.fixture
def program(environment: pytest.MonkeyPatch) -> Alodial:
    """One command as a process of its own."""

    def program(*args: str) -> Done:
        done = subprocess.run(
            [*PROGRAM, *args], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return program


@pytest.fixture
def dead(store: Store) -> Callable[..., str]:
    """Makes a dead result of a body, as the collectors do; returns its id."""

    def dead(body: bytes, content_type: str = "application/json") -> str:
        store.call(inbox.create_group)
        store.call(lambda client, _: client.xadd(keys.INBOX, {"b": body, "t": content_type}))
        entry = store.call(inbox.read_new, "test", 1)[0]
        kept = inbox.ParkedResult("unreadable", body, content_type, "not JSON")
        store.run(inbox.park("ack", entry.id, [kept], 600))
        return next(dead_letters.ids(store, limit=1))

    return dead
