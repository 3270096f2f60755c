"""Every command: wrong usage, Redis away, and JSON documents on standard output."""

import json
from pathlib import Path

import pytest

from .conftest import TWO_WAY, Alodial
from .test_help import COMMANDS

AWAY = "redis://:planted-password@127.0.0.1:1/0"
LEAVES = {" ".join(path) for path, command in COMMANDS.items() if not hasattr(command, "commands")} | {
    "events",
    "archive",
}
FILE = "numbers.csv"

ASKS_REDIS: dict[str, tuple[str, ...]] = {
    "call two-way": TWO_WAY[2:],
    "call ivr": ("--fromline", "712037006", "--to", "994412860", "--ivrid", "7"),
    "calls list": (),
    "calls show": ("17",),
    "calls cancel": ("17",),
    "calls redial": ("17", "--yes"),
    "campaign submit": (FILE, "--name", "n", "--from", "712037006"),
    "campaign list": (),
    "campaign show": ("n",),
    "campaign watch": ("n",),
    "campaign pause": ("n",),
    "campaign resume": ("n",),
    "campaign cancel": ("n", "--yes"),
    "campaign pace": ("n", "5"),
    "campaign add": ("n", FILE),
    "campaign clone": ("n", "--name", "m"),
    "campaign retry": ("n",),
    "campaign activity": ("n",),
    "campaign problems": ("n",),
    "campaign export": ("n", "out.csv"),
    "campaign report": ("n", "out.html"),
    "dnc add": ("994412860",),
    "dnc remove": ("994412860", "--yes"),
    "dnc list": (),
    "dnc import": (FILE,),
    "dnc export": ("out.csv",),
    "dead list": (),
    "dead show": ("1-0",),
    "dead replay": ("1-0",),
    "dead drop": ("1-0", "--yes"),
    "events": (),
    "events resend": ("--endpoint", "https://example.com/hook", "--since", "1h"),
    "webhooks list": (),
    "webhooks enable": ("https://example.com/hook",),
    "webhooks disable": ("https://example.com/hook",),
    "webhooks test": ("https://example.com/hook",),
    "audit": (),
    "forget": ("994412860", "--yes"),
    "keys create": ("shop",),
    "keys list": (),
    "keys rotate": ("shop",),
    "keys revoke": ("shop",),
    "channels list": (),
    "channels release": ("--yes",),
    "archive status": (),
    "logs": (),
    "stop": (),
    "resume": (),
}
"""A right use of each command that asks Redis first of all."""

OTHERS = {
    "campaign check": "reads a file, and goes on without Redis",
    "campaign template": "writes an empty file",
    "webhooks secret": "makes a secret",
    "alerts test": "asks the receivers in ALODIAL_ALERTS",
    "report outcomes": "asks the archive alone",
    "report hours": "asks the archive alone",
    "report campaigns": "asks the archive alone",
    "archive recount": "asks the archive alone",
    "bench": "measures a Redis that it may start itself",
    "status": "reports that Redis does not answer, as a finding",
    "doctor": "reports that Redis does not answer and goes on",
    "top": "goes on, and prints that Redis does not answer",
    "worker": "waits for Redis",
    "web": "waits for Redis",
    "archive": "waits for Redis",
    "sandbox": "uses no Redis",
    "demo": "starts its own",
    "dev": "starts its own",
    "init": "writes a file",
    "provider check": "without a phone it asks AloVoice only",
    "completion": "prints a script",
}


def test_no_command_is_left_out() -> None:
    assert ASKS_REDIS.keys() | OTHERS.keys() == LEAVES


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_wrong_usage_names_what_is_wrong_and_a_command_that_helps(name: str, alodial: Alodial) -> None:
    done = alodial(*name.split(), "--no-such-option")
    assert (done.code, done.out) == (2, "")
    error, hint, *more = done.err.splitlines()
    assert error.startswith("error: ")
    assert "--no-such-option" in error
    assert hint == f"hint: alodial {name} --help"
    assert more == []
    assert alodial(*hint.removeprefix("hint: alodial ").split()).code == 0


@pytest.mark.parametrize("name", sorted(ASKS_REDIS))
def test_without_redis_a_command_fails_with_a_message_that_has_no_password(
    name: str, alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", AWAY)
    environment.setenv("ALODIAL_WEBHOOKS", "https://example.com/hook")
    environment.setenv("ALODIAL_WEBHOOK_SECRET", "whsec_" + "QUFB" * 8)
    Path(FILE).write_text("phone\n994412860\n")
    done = alodial(*name.split(), *ASKS_REDIS[name])
    assert (done.code, done.out) == (1, "")
    assert "error: Redis at 127.0.0.1:1 did not answer (refused); the address comes from" in done.err
    assert "ALODIAL_REDIS_URL in the environment" in done.err
    assert "hint: start Redis, or correct ALODIAL_REDIS_URL; alodial doctor checks it" in done.err
    assert "planted-password" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("calls", "list"),
        ("calls", "show", "17"),
        ("campaign", "list"),
        ("campaign", "show", "spring"),
        ("campaign", "activity", "spring"),
        ("campaign", "problems", "spring"),
        ("campaign", "pause", "spring"),
        ("campaign", "resume", "spring"),
        ("campaign", "pace", "spring", "5"),
        ("campaign", "check", FILE, "--from", "712037006"),
        ("dnc", "add", "901234567"),
        ("dnc", "list"),
        ("dead", "list"),
        ("events",),
        ("webhooks", "list"),
        ("webhooks", "disable", "https://example.com/hook"),
        ("webhooks", "enable", "https://example.com/hook"),
        ("keys", "create", "shop"),
        ("keys", "list"),
        ("audit",),
        ("status",),
        ("logs",),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_with_json_standard_output_is_json_documents_only(
    command: tuple[str, ...], alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALODIAL_WEBHOOKS", "https://example.com/hook")
    environment.setenv("ALODIAL_WEBHOOK_SECRET", "whsec_" + "QUFB" * 8)
    Path(FILE).write_text("phone\n994412860\n12\n")
    alodial(*TWO_WAY, "--extid", "17")
    alodial("campaign", "submit", FILE, "--name", "spring", "--from", "712037006")
    done = alodial(*command, "--json")
    assert done.code in {0, 1}, done.err
    for row in done.out.splitlines():
        assert isinstance(json.loads(row), dict)
    assert "Traceback" not in done.err
