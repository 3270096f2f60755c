"""The demo as a newcomer runs it: a process of its own, with nothing in its environment."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alodial.errors import ConfigurationError
from alodial.testing.redis_server import find_server, free_port

pytestmark = pytest.mark.slow

PLANTED = "planted-token-7f3a9c"
COMMAND = "import sys; sys.argv = ['alodial', 'demo']; from alodial.cli import main; main()"
RUN = "from alodial_workers.demo import run_demo; raise SystemExit(run_demo({}))"

MISANNOUNCED = """
import dataclasses
from alodial_schemas import Disposition
from alodial_workers.demo import run, run_demo, scenarios
first, detailed, *_ = scenarios.VARIED
run.demo_calls = lambda count: [dataclasses.replace(first, disposition=Disposition.BUSY), detailed]
raise SystemExit(run_demo(speed=1000))
"""
WORKER_DIES = """
from alodial_workers.demo import run_demo
from alodial_workers.dev import processes
processes._WORK = "raise SystemExit('last words of the worker')"
raise SystemExit(run_demo(speed=1000))
"""


@pytest.fixture(autouse=True)
def _a_redis_server_is_there() -> None:
    try:
        find_server()
    except ConfigurationError as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(exc))


class Demo:
    """One run, in a folder of its own, by which processes that outlive it are found."""

    def __init__(self, folder: Path, code: str, *, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "TMPDIR": str(folder),
                **(env or {}),
            },
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=120)
        return self.process.returncode, out

    def read_until(self, wanted: str) -> str:
        """Its output up to the line that holds ``wanted``."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if wanted in line:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def left_over(self) -> list[int]:
        """Processes of this run that still live. Redis overwrites its environment, so the folder tells."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cwd"):
            try:
                # A folder that was removed under a process is still named here, with a mark behind it.
                if os.readlink(path).startswith(str(self.folder)):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
        for pid in self.left_over():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Demo]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    def start(code: str, **options: dict[str, str]) -> Demo:
        demo = Demo(tmp_path, code, **options)
        request.addfinalizer(demo.close)
        return demo

    return start


def test_the_demo_shows_every_outcome_and_leaves_nothing_behind(start: Start) -> None:
    # Settings of a real installation are in the environment; the demo must neither use nor show them.
    demo = start(
        COMMAND,
        env={
            "ALODIAL_PROVIDER_TOKEN": PLANTED,
            "ALODIAL_PROVIDER_URL": "http://127.0.0.1:9",
            "ALODIAL_API_KEYS": PLANTED,
            "ALODIAL_CALLS_PER_SECOND": "not a number",
        },
    )
    code, out = demo.finish()
    assert code == 0, out
    for state in ("scheduled", "unconfirmed", "completed", "rejected", "expired", "canceled", "timed_out"):
        assert state in out
    for disposition in ("answered", "busy", "no_answer", "congestion", "unavailable", "unknown"):
        assert f"completed  {disposition}" in out
    assert "rung twice for one attempt: 0" in out
    assert "Every call ended as it was announced." in out
    assert "trying-next.wav" in out
    assert '"type": "alodial.call.completed"' in out
    assert PLANTED not in out
    assert "Traceback" not in out
    assert demo.left_over() == []
    assert [path.name for path in demo.folder.iterdir() if path.name.startswith("alodial-")] == []


def test_a_call_that_does_not_end_as_announced_is_reported_and_fails_the_demo(start: Start) -> None:
    demo = start(MISANNOUNCED)
    code, out = demo.finish()
    assert code == 1, out
    assert "not as announced: one recipient, who answers: announced completed busy" in out
    assert "is completed answered" in out
    assert demo.left_over() == []


def test_a_process_that_dies_ends_the_demo_with_the_tail_of_its_log(start: Start) -> None:
    demo = start(WORKER_DIES)
    code, out = demo.finish()
    assert code == 1
    assert "error: the worker ended with exit code 1" in out
    assert "last words of the worker" in out
    assert demo.left_over() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_ends_every_child(start: Start, number: signal.Signals) -> None:
    demo = start(RUN.format(""))
    demo.read_until("submitted")
    assert len(demo.left_over()) == 5  # ourselves, Redis, sandbox, web, worker
    os.killpg(demo.process.pid, number)  # as a terminal does: whoever shares the group gets it
    code, out = demo.finish()
    assert code == 130, out
    assert "interrupted" in out
    assert demo.left_over() == []


def test_more_calls_are_counted_together_and_keep_stays_up_and_shows_no_secret(start: Start) -> None:
    demo = start(RUN.format("calls=40, keep=True, speed=1000"))
    output = demo.read_until("logs:")
    assert "40 calls through real processes" in output
    assert "8 more: answers" in output
    env = next(demo.folder.glob("alodial-demo-*/env"))
    settings = dict(line.split("=", 1) for line in env.read_text().splitlines())
    assert env.stat().st_mode & 0o077 == 0
    for name in ("ALODIAL_API_KEYS", "ALODIAL_CALLBACK_SECRET", "ALODIAL_PROVIDER_TOKEN"):
        assert settings[name].strip("'") not in output
    demo.process.send_signal(signal.SIGINT)
    code, out = demo.finish()
    assert code == 0, out
    assert demo.left_over() == []


def test_a_wrong_value_is_refused_before_anything_starts(start: Start) -> None:
    code, out = start(RUN.format("speed=0.5")).finish()
    assert code == 2
    assert "--speed 1 to 10000" in out


def test_no_outgoing_connection_takes_a_port_before_its_server_has_it() -> None:
    outgoing = 32_768  # the first that Linux gives to a connection; other systems begin higher
    ports = [free_port() for _ in range(50)]
    assert max(ports) < outgoing
    assert len(set(ports)) > 40
