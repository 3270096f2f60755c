"""Ctrl-C at the moments at which it is least convenient leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from alodial.testing.interruptions import uninterrupted
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.dev.processes import Processes

SLEEP = ["-c", "import time; time.sleep(600)"]


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(cwd=tmp_path, environment=os.environ, open_output=lambda _name: subprocess.DEVNULL, grace=30)


def ctrl_c(*_args: Any, **_options: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def started_and_interrupted(*args: Any, popen: Any = subprocess.Popen, **options: Any) -> Any:
    """A process whose start Ctrl-C breaks off before anybody has it."""
    process = popen(*args, **options)
    ctrl_c()
    return process


@pytest.mark.parametrize("moment", ["start", "wait"])
def test_a_redis_whose_start_is_interrupted_is_stopped(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    server = EmbeddedRedis(append_only=False)
    if moment == "start":
        monkeypatch.setattr(subprocess, "Popen", started_and_interrupted)
    else:
        monkeypatch.setattr(redis.Redis, "ping", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert server.process is not None
    assert server.process.poll() is not None


def test_a_process_is_known_before_ctrl_c_is_heard(monkeypatch: pytest.MonkeyPatch, processes: Processes) -> None:
    monkeypatch.setattr(subprocess, "Popen", started_and_interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.start("web", SLEEP)
    monkeypatch.undo()
    processes.stop()
    assert processes.started["web"].poll() is not None


LOOKED_AT = """
import os, signal, subprocess, sys, time
from pathlib import Path
from alodial.testing import interruptions
from alodial_workers.dev.processes import Processes

processes = Processes(cwd=Path.cwd(), environment=os.environ, open_output=lambda _name: subprocess.DEVNULL, grace=30)
interruptions.ENDINGS = (signal.SIGVTALRM,)  # comes in the midst of our own steps
processes.start("web", ["-c", "import time; time.sleep(600)"])
signal.signal(signal.SIGVTALRM, signal.default_int_handler)
interrupted = 0
for number in range(200):
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.001 + number / 1e6)
        while True:
            processes.check()
    except KeyboardInterrupt:
        interrupted += 1
signal.signal(signal.SIGVTALRM, signal.SIG_IGN)
began = time.monotonic()
processes.stop()
print(interrupted, time.monotonic() - began < 10)
"""


@pytest.mark.slow  # and so not under coverage, which makes each step slower than the time until the signal
def test_ctrl_c_while_processes_are_looked_at_holds_up_no_stop(tmp_path: Path) -> None:
    # A process of its own: a signal that comes late would end the tests.
    done = subprocess.run(
        [sys.executable, "-c", LOOKED_AT], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "200 True\n", done.stderr


def test_ctrl_c_again_while_everything_is_stopped_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, processes: Processes
) -> None:
    for name in ("web", "worker", "archive"):
        processes.start(name, SLEEP)
    monkeypatch.setattr(subprocess.Popen, "terminate", ctrl_c)
    processes.stop()
    assert all(process.poll() is not None for process in processes.started.values())


@pytest.mark.slow  # as above: coverage hears SIGTERM itself
def test_what_is_ignored_stays_ignored() -> None:
    script = (
        "import signal; from alodial.testing.interruptions import end_as_ctrl_c, uninterrupted; "
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); end_as_ctrl_c()\n"
        "with uninterrupted(): signal.raise_signal(signal.SIGHUP)\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "try: signal.raise_signal(signal.SIGTERM)\n"
        "except KeyboardInterrupt: print('ended')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "ended\n"


def test_a_signal_is_heard_once_the_block_has_ended() -> None:
    steps = []

    def work() -> None:
        with uninterrupted():
            ctrl_c()
            steps.append("done")
        steps.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["done"]
