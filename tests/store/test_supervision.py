"""A loop survives every error of a round: it is logged, counted, repeated after a growing pause, and seen from outside."""

import asyncio
import threading
import time
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from alodial.errors import StoreUnavailable
from alodial.store import supervision
from alodial.store.client import Store
from alodial.store.counters import LOOP_FAILURES, Counters, read_sums
from alodial.store.keys import Keys
from alodial.store.supervision import SupervisedThread, Supervisor

keys = Keys()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "AWAY_PAUSE", 0.01)


class Flaky:
    """Fails with each of these errors in turn, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.worked = threading.Event()
        self.rounds = 0

    def __call__(self) -> float:
        self.rounds += 1
        if self.errors:
            raise self.errors.pop(0)
        self.worked.set()
        return 0.01


def test_a_thread_outlives_every_error_of_its_rounds(store: Store) -> None:
    counters = Counters()
    flaky = Flaky(ValueError("a bug"), MemoryError(), OSError(24, "too many open files"), StoreUnavailable("away"))
    with capture_logs() as lines:
        thread = SupervisedThread("flaky", flaky, Supervisor(counters))
        thread.start()
        assert flaky.worked.wait(5)
        thread.stop(5)
    assert not thread.is_alive()
    assert [line["error"] for line in lines if line["event"] == "loop.failed"] == [
        "ValueError",
        "MemoryError",
        "OSError",
    ]
    assert [line["event"] for line in lines][-1] == "loop.recovered"
    counters.flush(store.redis, keys)
    (row,) = read_sums(store.redis.hgetall(keys.TALLY))[LOOP_FAILURES.name]
    assert (row.labels, row.count) == (("flaky",), 3)


def test_a_log_that_fails_too_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise OSError(24, "too many open files")

    monkeypatch.setattr(supervision, "log", structlog.wrap_logger(None, processors=[broken]))
    flaky = Flaky(ValueError("a bug"))
    thread = SupervisedThread("flaky", flaky, Supervisor(Counters()))
    thread.start()
    assert flaky.worked.wait(5)
    thread.stop(5)


def test_a_failing_part_pauses_longer_and_longer_and_the_others_go_on() -> None:
    supervisor = Supervisor(Counters())
    bad, good = Flaky(*(ValueError("a bug") for _ in range(1000))), Flaky()
    ends = time.monotonic() + 0.5
    with capture_logs():
        while time.monotonic() < ends:
            supervisor.attempt("bad", bad)
            supervisor.attempt("good", good)
            time.sleep(0.001)
    assert 3 <= bad.rounds <= 7  # after 0, 10, 30, 70, 150, 310 ms
    assert good.rounds > 50
    assert supervisor.failing() == {"bad": "ValueError"}


def test_a_store_that_is_away_is_no_failure_of_the_loop() -> None:
    supervisor = Supervisor(Counters())
    flaky = Flaky(*(StoreUnavailable("away") for _ in range(5)))
    thread = SupervisedThread("flaky", flaky, supervisor)
    thread.start()
    assert flaky.worked.wait(5)
    thread.stop(5)
    assert supervisor.failing() == {}


def test_a_loop_on_an_event_loop_is_kept_alive_alike() -> None:
    supervisor = Supervisor(Counters())
    flaky = Flaky(ValueError("a bug"), StoreUnavailable("away"))

    async def step() -> float:
        return flaky()

    async def work() -> None:
        with capture_logs():
            task = asyncio.create_task(supervisor.run_async("flaky", step))
            while not flaky.worked.is_set():
                await asyncio.sleep(0.01)
            task.cancel()

    asyncio.run(asyncio.wait_for(work(), 5))
    assert supervisor.failing() == {}


def test_a_part_that_is_not_tried_any_more_is_not_failing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(Counters())
    with capture_logs():
        supervisor.attempt("hopper of an ended campaign", Flaky(ValueError("a bug")))
    assert supervisor.failing()
    monkeypatch.setattr(supervision, "FORGET_AFTER", -1.0)
    time.sleep(0.02)
    assert supervisor.failing() == {}
