"""The program as a process: exit codes, signals, pipes, colours, and all processes together."""

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import PROGRAM, TWO_WAY, Alodial


@pytest.mark.parametrize(
    "wrong",
    [
        ("bogus",),
        ("calls",),
        ("calls", "bogus"),
        ("calls", "list", "--bogus"),
        ("calls", "show"),
        ("calls", "list", "--limit", "x"),
        ("web", "--port", "70000"),
        ("sandbox", "--fault", "x=y"),
        ("demo", "--speed", "0"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_a_message(wrong: tuple[str, ...], program: Alodial) -> None:
    done = program(*wrong)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "error: " in done.err or "Usage: " in done.err


def test_a_traceback_is_printed_with_debug_only(program: Alodial) -> None:
    assert "Traceback" not in program("calls", "show", "99").err
    asked = program("--debug", "calls", "show", "99")
    assert asked.code == 1
    assert "Traceback" in asked.err
    assert "--debug" not in program("--help").out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("events", "--follow"), []),
        ((*TWO_WAY, "--wait"), ["warning: the call is stored and goes on", "hint: alodial calls cancel"]),
    ],
    ids=["events", "call"],
)
def test_ctrl_c_ends_with_130_and_says_no_more_than_what_goes_on(
    command: tuple[str, ...], said: list[str], program: Alodial
) -> None:
    program(*TWO_WAY)  # so that there is something to print, which shows that the command is at work
    process = subprocess.Popen(
        [*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        assert "queued" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 130
    finally:
        process.kill()
    assert [line.rstrip(" 0123456789") for line in rest.splitlines()] == said


def test_a_closed_pipe_is_no_failure_and_stops_nothing_half_way(program: Alodial) -> None:
    extids = [json.loads(program(*TWO_WAY, "--json").out)["extid"] for _ in range(3)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "calls", "cancel", *extids],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        timeout=30,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    states = [json.loads(line)["state"] for line in program("calls", "list", "--json").out.splitlines()]
    assert states == ["canceled"] * 3


def _on_a_terminal(*command: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen([*PROGRAM, *command], stdout=theirs, env=env | {"TERM": "xterm"} | environment)
    os.close(theirs)
    out = b""
    try:
        while part := os.read(ours, 65536):
            out += part
    except OSError:
        pass  # Linux says so when the other end is closed
    finally:
        os.close(ours)
        process.wait(30)
    return out.decode()


def test_colours_are_for_terminals_only_and_can_be_switched_off(program: Alodial) -> None:
    program(*TWO_WAY)
    assert "\x1b[" not in program("calls", "list").out
    assert "\x1b[34m" in _on_a_terminal("calls", "list")
    assert "\x1b[34m" not in _on_a_terminal("calls", "list", NO_COLOR="1")


@pytest.mark.slow
def test_waiting_follows_a_call_to_its_end_through_web_worker_and_sandbox(
    program: Alodial, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = os.environ["ALODIAL_CALLBACK_SECRET"]
    parts: list[subprocess.Popen[str]] = []

    def start(*command: str) -> str:
        with (tmp_path / f"{command[0]}.log").open("a") as log:
            parts.append(
                subprocess.Popen(
                    [*PROGRAM, *command],
                    stdout=subprocess.PIPE if command[0] != "worker" else log,
                    stderr=log,
                    text=True,
                    env=dict(os.environ),
                )
            )
        out = parts[-1].stdout
        return "" if out is None else out.readline().split()[-1]

    try:
        web = start("web", "--port", "0")
        callback = f"{web}/callbacks/alovoice/{secret}"
        environment.setenv(
            "ALODIAL_PROVIDER_URL", start("sandbox", "--port", "0", "--speed", "1000", "--callback-url", callback)
        )
        start("worker")
        answered = program(*TWO_WAY, "--wait", "--timeout", "60")
        assert answered.code == 0, answered.err
        told = answered.err.splitlines()
        assert ("queued" in told[0], "completed" in told[-1]) == (True, True)
        for words in (
            "state       completed",
            "disposition answered",
            "HTTP 200",
            "result: answered (ANSWER)",
            "attempt 1",
        ):
            assert words in answered.out
        busy = program("call", "two-way", "--from", "712037006", "--to", "994412890", "--wait", "--json")
        assert busy.code == 0, "completed, although busy"
        assert json.loads(busy.out)["disposition"] == "busy"
        refused = program("call", "two-way", "--from", "712037006", "--to", "994412886", "--wait", "--json")
        assert refused.code == 1
        assert json.loads(refused.out)["state"] == "rejected"
        assert "workers" in program("doctor").out
        assert program("doctor").code == 0
    finally:
        for process in parts:
            process.terminate()
        codes = [process.wait(30) for process in parts]
        for process in parts:
            if process.stdout is not None:
                process.stdout.close()
    assert codes == [0, 0, 0]
