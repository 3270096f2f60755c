"""Each command works with its extra of the distribution alone, and without it names the extra that it needs."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from alodial.cli import COMMAND_EXTRAS, EXTRAS
from alodial.testing.redis_server import EmbeddedRedis

from .test_every_command import ASKS_REDIS, AWAY, FILE, OTHERS

OF_NO_EXTRA = {
    "doctor": (),
    "status": (),
    "webhooks secret": (),
    "campaign check": (FILE,),
    "campaign template": ("empty.xlsx",),
    "init": ("--print", "env"),
    "completion": ("bash",),
}
"""A right use of each command that neither asks Redis first nor has an extra of its own."""

HIDE = "import sys; [sys.modules.__setitem__(name, None) for name in sys.argv.pop(1).split(',') if name]; "
MAIN = f"{HIDE}from alodial.cli import main; sys.argv[0] = 'alodial'; main()"
ALL = """
import contextlib, io, json
from alodial.cli import main
for name, arguments in json.loads(sys.argv[1]).items():
    sys.argv = ["alodial", *name.split(), *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps({"name": name, "code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


def without(*extras: str) -> str:
    """The modules that an installation without these extras lacks. Both web and worker install httptools."""
    names = {name for extra in extras for name in EXTRAS[extra]}
    return ",".join(sorted(names if {"web", "worker"} <= set(extras) else names - {"httptools"}))


def settings(**values: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
    return clean | {f"ALODIAL_{name}": value for name, value in {"REDIS_URL": AWAY, **values}.items()}


def start(hidden: str, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, hidden, *arguments],
        env=settings(**values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_all(hidden: str, commands: dict[str, tuple[str, ...]], folder: Path) -> dict[str, dict[str, Any]]:
    """All commands after one another in one process, because each process takes half a second to start."""
    (folder / FILE).write_text("phone\n994412860\n")
    done = subprocess.run(
        [sys.executable, "-c", HIDE + ALL, hidden, json.dumps(commands)],
        env=settings(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_each_command_without_an_extra_of_its_own_works_with_cli_alone(tmp_path: Path) -> None:
    # `provider` is of workers, like `worker` itself; `alerts test`, the recount and reports have extras of their own.
    reports = {f"report {name}" for name in ("outcomes", "hours", "campaigns")}
    assert (
        ASKS_REDIS.keys()
        | OF_NO_EXTRA.keys()
        | {"provider check", "alerts test", "archive recount"}
        | COMMAND_EXTRAS.keys()
        | reports
        | {"top"}
        == ASKS_REDIS.keys() | OTHERS.keys()
    )
    done = run_all(without("web", "worker", "zones", "archive"), ASKS_REDIS | OF_NO_EXTRA, tmp_path)
    assert {
        name for name in ASKS_REDIS if "error: Redis at 127.0.0.1:1 did not answer" not in done[name]["err"]
    } == set()
    assert {name for name in OF_NO_EXTRA if "Traceback" in done[name]["err"]} == set()
    assert "did not answer (refused)" in done["doctor"]["out"]
    assert (tmp_path / "empty.xlsx").stat().st_size
    assert [row["err"] for row in done.values() if "pip install" in row["err"]] == []


def test_help_of_every_command_needs_the_extra_cli_alone(tmp_path: Path) -> None:
    names = ["", *ASKS_REDIS, *OTHERS]
    done = run_all(without("web", "worker", "zones", "archive"), dict.fromkeys(names, ("--help",)), tmp_path)
    assert {name for name, row in done.items() if (row["code"], row["err"]) != (0, "")} == set()
    assert all("Example:" in row["out"] for row in done.values())


@pytest.mark.parametrize(
    ("command", "hidden", "extra"),
    [
        ("calls list", ("cli", "web", "worker"), "cli"),
        ("--help", ("cli", "web", "worker"), "cli"),
        ("web", ("web", "worker"), "web"),
        ("web", ("web",), "web"),
        ("web", ("cli", "web", "worker"), "web"),
        ("worker", ("web", "worker"), "worker"),
        ("worker", ("worker",), "worker"),
        ("archive", ("archive",), "archive"),
        ("--debug worker", ("web", "worker"), "worker"),
        ("sandbox", ("web", "worker"), "all"),
        ("sandbox", ("web",), "all"),
        ("sandbox", ("worker",), "all"),
        ("dev", ("web", "worker"), "demo"),
        ("dev", ("web",), "demo"),
        ("dev", ("worker",), "demo"),
        ("demo", ("web", "worker"), "demo"),
        ("demo", ("web",), "demo"),
        ("demo", ("worker",), "demo"),
    ],
)
def test_a_command_without_its_extra_names_it_and_no_other(command: str, hidden: tuple[str, ...], extra: str) -> None:
    done = start(without(*hidden), *command.split())
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: this command needs ")
    assert hint == f"hint: pip install 'alodial[{extra}]'"


def test_a_missing_module_that_no_extra_has_is_not_hidden() -> None:
    done = start("alodial.server.serve", "web")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


def until_ready(hidden: str, command: tuple[str, ...], word: str, **values: str) -> int:
    """The exit code of a server that is stopped as soon as it has written the word."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, hidden, *command],
        env=settings(**values),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    written = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            written.append(line)
            if word in line:
                process.terminate()
                process.stdout.read()
                return process.wait(30)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    raise AssertionError("".join(written))


def test_the_worker_runs_with_worker_alone(redis_server: EmbeddedRedis) -> None:
    values = {"REDIS_URL": redis_server.url, "PROVIDER_TOKEN": "t", "LOG_FORMAT": "json"}
    assert until_ready(without("web", "zones"), ("worker",), "worker.started", **values) == 0


def test_the_web_server_runs_with_web_alone(redis_server: EmbeddedRedis) -> None:
    assert (
        until_ready(without("worker", "zones"), ("web", "--port", "0"), "listening on", REDIS_URL=redis_server.url) == 0
    )


def test_the_package_without_extras_has_all_names_of_its_interface() -> None:
    code = "import alodial; [getattr(alodial, name) for name in alodial.__all__]"
    hidden = without("cli", "web", "worker", "zones")
    subprocess.run([sys.executable, "-c", HIDE + code, hidden], check=True, timeout=60)
