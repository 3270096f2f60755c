"""A real worker process: its signals, its threads, its heartbeat, and what a lost store does to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial.store import inbox, workers
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.sweeper import INBOX_IDLE
from waiting import wait_until

keys = Keys()

WAIT = 30.0

MAIN = "import sys; sys.argv = ['alodial', 'worker']; from alodial.cli import main; main()"


class WorkerProcess:
    """One worker process and the lines of its log."""

    def __init__(self, url: str, folder: Path, *, before: str = "", **env: str) -> None:
        self._out = folder / "worker.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")},
            "ALODIAL_REDIS_URL": url,
            "ALODIAL_PROVIDER_URL": "http://127.0.0.1:9",
            "ALODIAL_PROVIDER_TOKEN": "planted-token-7f3a9c",
            "ALODIAL_PROVIDER_TIMEOUT": "1",
            "ALODIAL_LOG_FORMAT": "json",
            "ALODIAL_SPOOL_DIR": str(folder / "spool"),
            **env,
        }
        self._file = self._out.open("wb")
        self.process = subprocess.Popen(  # this Python
            [sys.executable, "-c", before + MAIN],
            env=self._environment,
            stdout=self._file,
            stderr=self._file,
            cwd=folder,
        )

    def events(self) -> list[dict[str, Any]]:
        lines = self._out.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def count(self, event: str) -> int:
        return sum(line.get("event") == event for line in self.events())

    def wait_for(self, event: str, times: int = 1) -> None:
        wait_until(lambda: self.count(event) >= times or self.process.poll() is not None)
        assert self.count(event) >= times, self._out.read_text()[-3000:]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        return self.process.wait(WAIT)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._file.close()


Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    started: list[WorkerProcess] = []

    def begin(url: str = "", **more: str) -> WorkerProcess:
        worker = WorkerProcess(url or settings.redis_url.get_secret_value(), tmp_path, **more)
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.close()


def test_a_restart_does_not_take_back_an_end(start: Start) -> None:
    worker = start()
    worker.wait_for("worker.started")
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGHUP)
    assert worker.end() == 0
    assert worker.count("worker.started") == 1


def test_an_end_replaces_a_restart(start: Start) -> None:
    worker = start()
    worker.wait_for("worker.started")
    worker.send(signal.SIGHUP)
    worker.send(signal.SIGTERM)
    assert worker.end() in (0, -signal.SIGTERM)
    assert worker.count("worker.started") == 1


def test_a_second_restart_does_not_kill_the_first(start: Start) -> None:
    worker = start()
    worker.wait_for("worker.started")
    worker.send(signal.SIGHUP)
    wait_until(lambda: worker.count("worker.stopped") == 1)
    for _ in range(20):  # while the new process loads its modules
        worker.send(signal.SIGHUP)
        time.sleep(0.02)
    worker.wait_for("worker.started", 2)
    assert worker.process.poll() is None
    worker.send(signal.SIGTERM)
    assert worker.end() == 0


def test_a_restart_while_it_waits_for_redis_goes_on_waiting_with_new_settings(start: Start, tmp_path: Path) -> None:
    server = EmbeddedRedis(folder=tmp_path, fsync="no")
    worker = start(server.url)
    worker.wait_for("store.unavailable")
    worker.send(signal.SIGHUP)
    worker.wait_for("store.unavailable", 2)
    with server:
        worker.wait_for("worker.started")
        worker.send(signal.SIGTERM)
        assert worker.end() == 0


def test_a_redis_that_answers_and_takes_no_writes_is_waited_for_at_the_start(start: Start, store: Store) -> None:
    store.redis.config_set("min-replicas-to-write", 1)
    try:
        worker = start()
        worker.wait_for("store.unavailable")
    finally:
        store.redis.config_set("min-replicas-to-write", 0)
    worker.wait_for("worker.started")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0


def test_an_end_while_it_waits_for_redis_is_an_end(start: Start) -> None:
    worker = start("redis://127.0.0.1:9/0")
    worker.wait_for("store.unavailable")
    worker.send(signal.SIGTERM)
    assert worker.end() == 0


DYING_CONSUMER = """
import os, pathlib
from alodial_workers import broker
real = broker.PatientConsumer.__next__
def die(self):
    if pathlib.Path('die').exists():
        raise SystemExit
    return real(self)
broker.PatientConsumer.__next__ = die
"""


def test_a_dead_consumer_thread_ends_the_worker_for_its_supervisor(start: Start, tmp_path: Path) -> None:
    worker = start(before=DYING_CONSUMER)
    worker.wait_for("worker.started")
    (tmp_path / "die").touch()
    assert worker.end() == 1
    (died,) = [line for line in worker.events() if line["event"] == "worker.thread_died"]
    # The look that sees the first of them may come before the second has died.
    assert died["threads"]
    assert set(died["threads"]) <= {"consumer of submit", "consumer of collect"}


FAST_CLOCK = """
import time
real = time.time
time.time = lambda: real() - 7200
"""


def test_a_worker_whose_clock_is_two_hours_behind_is_alive(start: Start, store: Store) -> None:
    worker = start(before=FAST_CLOCK)
    worker.wait_for("worker.started")
    wait_until(lambda: store.call(workers.heartbeats))
    workers.forget_silent(store.redis, keys)
    (beat,) = store.call(workers.heartbeats)
    seconds: Any = store.redis.time()
    assert abs(seconds[0] - beat.at / 1000) < 10
    assert abs(seconds[0] - beat.started_at / 1000) < 30


def test_a_flushed_store_is_said_once_and_not_seven_times_a_second(
    start: Start, store: Store, settings: Settings
) -> None:
    with CallQueue(settings=settings) as queue:
        worker = start()
        worker.wait_for("worker.started")
        store.redis.flushall()
        queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]))
        store.redis.xadd(keys.INBOX, {"b": b"nonsense", "t": "text/plain"})
        worker.wait_for("store.data_lost")
        wait_until(lambda: store.redis.xlen(keys.DEAD))
        time.sleep(2)
    troubles = [line for line in worker.events() if line["level"] in ("error", "critical")]
    assert [line["event"] for line in troubles] == ["store.data_lost"], troubles


SILENT_NAMES = """
import socket, time
real = socket.getaddrinfo
def look_up(host, *args, **more):
    if host == 'silent.example':
        time.sleep(25)
    return real(host, *args, **more)
socket.getaddrinfo = look_up
"""


def test_a_worker_ends_in_time_although_its_webhooks_hang(start: Start, store: Store, settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        hooks = ",".join(f"https://silent.example/{i}" for i in range(8))
        worker = start(
            before=SILENT_NAMES,
            ALODIAL_WEBHOOKS=hooks,
            ALODIAL_WEBHOOK_SECRET="whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY",
        )
        worker.wait_for("worker.started")
        call = queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"]), extid="4242")
        # Its POST is refused, which the worker can only know when nothing waits for the silent name.
        wait_until(lambda: worker.count("call.not_sent"))
        assert queue.get(call.id).state == "scheduled"
    began = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.end() == 0
    assert time.monotonic() - began < 12


def test_workers_that_live_for_two_seconds_recover_what_a_dead_worker_left(
    start: Start, store: Store, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, CallQueue(settings=settings) as queue:
        slow = {
            "ALODIAL_PROVIDER_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "ALODIAL_PROVIDER_TIMEOUT": "2",
        }
        calls = [queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860"])) for _ in range(2)]
        dead = start(**slow)
        wait_until(lambda: all(queue.get(call.id).state == "submitting" for call in calls))
        dead.send(signal.SIGKILL)
        dead.end()
        # The result of the second one was read by a collector that died with it.
        body = json.dumps({"externalid": int(calls[1].extid), "dialstatus": "ANSWER", "to_number": ["994412860"]})
        store.redis.xadd(keys.INBOX, {"b": body.encode(), "t": "application/json"})
        assert len(inbox.read_new(store.redis, keys, "dead", 10)) == 1
        time.sleep(INBOX_IDLE)
        # A lease of 7 s counts only while somebody looks at the clock, which each of these does for 2 s.
        for _ in range(8):
            brief = start(**slow)
            brief.wait_for("worker.started")
            time.sleep(2)
            brief.send(signal.SIGKILL)
            brief.end()
            if [queue.get(call.id).state for call in calls] == ["unconfirmed", "completed"]:
                break
        assert [queue.get(call.id).state for call in calls] == ["unconfirmed", "completed"]
