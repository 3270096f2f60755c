"""The help of every command, and its entry in docs/cli.md."""

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from alodial.cli.app import app

from .conftest import Alodial


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


ROOT = Path(__file__).parents[2]
COMMANDS = dict(_commands(typer.main.get_command(app)))
PAGE = (ROOT / "docs" / "cli.md").read_text()


def test_all_public_commands_exist() -> None:
    assert {" ".join(path) for path, command in COMMANDS.items() if not hasattr(command, "commands")} == {
        *(f"call {name}" for name in ("two-way", "ivr")),
        *(f"calls {name}" for name in ("list", "show", "cancel", "redial")),
        *(
            f"campaign {name}"
            for name in (
                *("check", "submit", "list", "show", "watch", "pause", "resume", "cancel", "pace", "add", "clone"),
                *("retry", "activity", "problems", "export", "report", "template"),
            )
        ),
        *(f"dnc {name}" for name in ("add", "remove", "list", "import", "export")),
        *(f"dead {name}" for name in ("list", "show", "replay", "drop")),
        "events resend",
        *(f"keys {name}" for name in ("create", "list", "rotate", "revoke")),
        *(f"report {name}" for name in ("outcomes", "hours", "campaigns")),
        "alerts test",
        "archive status",
        "archive recount",
        *(f"webhooks {name}" for name in ("list", "enable", "disable", "test", "secret")),
        *(
            "audit",
            "forget",
            "status",
            "top",
            "logs",
            "doctor",
            "bench",
            "stop",
            "resume",
            "worker",
            "web",
            "sandbox",
            "demo",
            "dev",
            "init",
            "completion",
        ),
        "provider check",
        *(f"channels {name}" for name in ("list", "release")),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_an_example(path: tuple[str, ...], alodial: Alodial) -> None:
    done = alodial(*path, "--help")
    assert done.code == 0
    assert f"alodial {path[0]}" in done.out.partition("Example:")[2]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_page_names_the_command_and_its_options(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert f"alodial {' '.join(path)}" in PAGE
    page = (ROOT / "docs" / "sandbox.md").read_text() if path == ("sandbox",) else PAGE
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert {name for name in options - {"--help"} if f"`{name}" not in page and f" {name} " not in page} == set()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (("call", "show", "17"), "alodial calls show"),
        (("findings",), "alodial status"),
        (("why", "17"), "alodial calls show"),
        (("calls", "explain", "17"), "alodial calls show"),
        (("call", "list"), "alodial calls list"),
        (("pause", "clients"), "alodial campaign pause"),
        (("call", "status"), "alodial status"),
        (("export",), "alodial --help"),
        (("call", "nothing"), "alodial call --help"),
    ],
)
def test_a_command_in_the_wrong_group_is_answered_with_the_right_one(
    wrong: tuple[str, ...], hint: str, alodial: Alodial
) -> None:
    done = alodial(*wrong)
    assert done.code == 2
    assert done.err.endswith(f"\nhint: {hint}\n")


def test_without_a_command_there_is_help(alodial: Alodial) -> None:
    done = alodial()
    assert done.code == 2
    assert "Usage: alodial" in done.out + done.err


def test_the_version_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['alodial', '--version']; import alodial.cli; alodial.cli.main(); print(*sys.modules)"
    )
    said, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said == f"alodial {version('alodial')}"
    assert {"pydantic", "redis", "dramatiq", "typer", "rich", "fastapi", "httpx"}.isdisjoint(loaded.split())


def _seconds(*command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, capture_output=True, check=True)
    return time.monotonic() - began


def test_the_version_costs_little_more_than_python_itself() -> None:
    # The best of some, beside Python's own start: a bound in seconds alone would measure the machine's load.
    bare = min(_seconds(sys.executable, "-c", "import importlib.metadata, email.message") for _ in range(5))
    said = min(_seconds(sys.executable, "-m", "alodial.cli", "--version") for _ in range(5))
    assert said < bare + 0.2


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from alodial.cli.app import run; run(['--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "redis",
        "dramatiq",
        "fastapi",
        "uvicorn",
        "httpx",
        "pydantic",
        "structlog",
        "rich",
        "jinja2",
        "alodial_schemas",
    }
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes_commands(shell: str, program: Alodial) -> None:
    done = program("completion", shell)
    assert done.code == 0
    assert f"_ALODIAL_COMPLETE=complete_{shell}" in done.out


def test_a_shell_that_is_not_known_is_refused_with_those_that_are(alodial: Alodial) -> None:
    done = alodial("completion", "tcsh")
    assert done.code == 2
    assert "use bash, zsh or fish" in done.err


def test_a_shell_that_asks_is_answered_with_the_commands_that_fit(
    program: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("_ALODIAL_COMPLETE", "complete_bash")
    environment.setenv("COMP_WORDS", "alodial ca")
    environment.setenv("COMP_CWORD", "1")
    assert program().out.split() == ["call", "calls", "campaign"]


def test_the_help_has_each_command_under_a_title(alodial: Alodial) -> None:
    printed = alodial("--help").out
    assert "Begin:" in printed
    assert "Other:" not in printed
    assert {path[0] for path in COMMANDS} <= {row.split()[0] for row in printed.splitlines() if row.startswith("  ")}


def test_help_loads_few_modules() -> None:
    # Not its time, which measures the load of the machine: 242 modules, some 80 more while coverage is measured.
    code = "import sys; from alodial.cli.app import run; run(['--help']); print(len(sys.modules))"
    loaded = int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
    )
    assert loaded < 340
