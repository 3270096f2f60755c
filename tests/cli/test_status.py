"""``alodial status`` and ``alodial top``."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from alodial import CallQueue
from alodial.store import workers
from alodial.store.keys import Keys
from alodial.store.workers import Heartbeat

from .conftest import PROGRAM, Alodial

keys = Keys()


def beat(queue: CallQueue, ago: float = 0.0) -> None:
    at = int((time.time() - ago) * 1000)
    workers.write_heartbeat(queue.store.redis, keys, Heartbeat("dialer-1:1", at, 1, "dialer-1", 2, at, "1"))


def test_an_installation_without_problems_ends_with_0(alodial: Alodial, queue: CallQueue) -> None:
    beat(queue)
    done = alodial("status")
    assert done.code == 0
    assert "no problems" in done.out
    assert "1 alive, 2 calls in flight" in done.out


def test_a_problem_that_stops_calls_has_a_command_and_ends_with_1(alodial: Alodial, queue: CallQueue) -> None:
    queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]})
    beat(queue, ago=30)
    done = alodial("status")
    assert done.code == 1
    assert "problem: No worker is alive. 1 call or result waits." in done.out
    assert "hint: alodial worker" in done.out
    assert "normal         1 waiting" in done.out


def test_a_campaign_whose_hours_are_closed_is_named_though_its_hopper_is_empty(
    alodial: Alodial, queue: CallQueue
) -> None:
    beat(queue)
    opens = round((time.time() + 7200) * 1000)
    redis = queue.store.redis
    redis.sadd(keys.CAMPAIGNS_LIVE, "night-1")
    redis.hset(keys.campaign("night-1"), mapping={"n": "night", "s": "running", "a": "default", "tot": 30, "cur": 10})
    redis.zadd(keys.calendar("night-1"), {f"o{opens}": opens, f"c{opens + 60_000}": opens + 60_000})
    (status,) = alodial("status", "--json").documents
    (finding,) = status["findings"]
    assert (finding["code"], finding["cause"], finding["ready"]) == ("campaign_bound", "closed", 20)
    redis.zadd(keys.calendar("night-1"), {f"c{opens - 60_000}": opens - 60_000})
    (status,) = alodial("status", "--json").documents
    assert status["findings"] == []


def test_a_misspelt_setting_is_a_finding(alodial: Alodial, queue: CallQueue, environment: pytest.MonkeyPatch) -> None:
    beat(queue)
    environment.setenv("ALODIAL_MAX_CONCURENT_CALLS", "3")
    (status,) = alodial("status", "--json").documents
    (finding,) = status["findings"]
    assert (finding["code"], finding["severity"]) == ("setting_unknown", "warning")
    assert "did you mean ALODIAL_MAX_CONCURRENT_CALLS?" in finding["text"]


def test_it_is_one_document_for_programs(alodial: Alodial, queue: CallQueue) -> None:
    beat(queue)
    queue.store.redis.hset(keys.minute(int(time.time() // 60)), mapping={"d:busy": 3, "e:failed": 1})
    (told,) = alodial("status", "--json").documents
    assert told["findings"] == []
    assert told["last_hour"] == {"ends": {"failed": 1}, "dispositions": {"busy": 3}}
    assert told["workers"][0]["name"] == "dialer-1:1"


def test_lines_fit_a_narrow_terminal_and_have_no_colour_in_a_pipe(
    alodial: Alodial, queue: CallQueue, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("COLUMNS", "60")
    beat(queue)
    done = alodial("status")
    assert "\x1b" not in done.out
    assert max(map(len, done.out.splitlines())) <= 60


def test_a_second_stop_names_the_first(alodial: Alodial) -> None:
    assert "stopped: no worker places new calls" in alodial("stop", "--reason", "wrong list").err
    again = alodial("stop", "--reason", "other")
    assert "already stopped by" in again.err
    assert "wrong list" in again.err
    assert "problem: The emergency stop has been on" in alodial("status").out
    assert alodial("resume").code == 0


@pytest.mark.slow
def test_in_a_pipe_top_prints_each_update_after_the_last(environment: pytest.MonkeyPatch, queue: CallQueue) -> None:
    beat(queue)
    program = subprocess.Popen(
        [*PROGRAM, "top", "--every", "0.2", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    looks = [json.loads(program.stdout.readline()) for _ in range(3)]
    assert looks[0]["now"] < looks[1]["now"] < looks[2]["now"]
    program.send_signal(signal.SIGINT)
    assert program.wait(10) == 130


@pytest.mark.slow
def test_on_a_terminal_top_redraws_and_restores_the_screen(environment: pytest.MonkeyPatch, queue: CallQueue) -> None:
    beat(queue)
    lead, follow = pty.openpty()
    program = subprocess.Popen([*PROGRAM, "top", "--every", "0.2"], stdout=follow, stderr=follow, env=os.environ)
    os.close(follow)
    seen = b""
    until = time.monotonic() + 20
    while seen.count(b"in flight") < 3 and time.monotonic() < until:
        if select.select([lead], [], [], 0.2)[0]:
            seen += os.read(lead, 65536)
    program.send_signal(signal.SIGINT)
    while True:
        try:
            block = os.read(lead, 65536)
        except OSError:
            break
        if not block:
            break
        seen += block
    assert program.wait(10) == 130
    assert b"no problems" in seen
    assert seen.rstrip().endswith(b"\x1b[?1049l\x1b[?25h") or b"\x1b[?1049l" in seen  # the screen is given back
    assert b"Traceback" not in seen
    assert re.search(rb"\x1b\[\d+m", seen)
    os.close(lead)
