"""The promise under fire: every call at one end, one terminal event each, no phone rung twice, none forgotten."""

import os
import random
import time
from pathlib import Path

import pytest
from plant import API_KEY, CALLBACK_SECRET, TOKEN, Plant

from alodial import TwoWayCall
from alodial_schemas import ENDS
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

FULL = os.environ.get("ALODIAL_CHAOS") == "full"
CALLS = 2000 if FULL else 400
WORKERS = [f"worker-{n}" for n in range(4)]
FAULTS = ("--fault", "answer_lost=0.03", "--fault", "refuse=0.03", "--fault", "double=0.1", "--fault", "early=0.05")
FROM = "712037006"


def number(n: int) -> str:
    """A recipient's number whose ending makes no trouble of its own."""
    return f"90{n:05d}10"


def calls_of_a_campaign(calls: int) -> list[TwoWayCall]:
    return [TwoWayCall(callfrom=FROM, callto=[number(n)], reference=f"row-{n}") for n in range(calls)]


def check_the_promise(plant: Plant, calls: int) -> None:
    """Every accepted call is at exactly one end with exactly one terminal event, and no extid was rung twice."""
    counts = plant.counts()
    assert sum(counts.values()) == calls, counts
    assert set(counts) <= set(ENDS), counts
    events = plant.terminal_events()
    assert len(events) == calls
    assert set(events.values()) == {1}
    rings = plant.rings()
    assert {extid: n for extid, n in rings.items() if n > 1} == {}
    # What rang came to its result: the sandbox sends one for every call, so a call that rang and did not complete was lost.
    with plant.queue() as queue:
        forgotten = [extid for extid in rings if queue.get(extid).state != "completed"]
    assert forgotten == []
    with plant.redis.client() as client:
        assert client.zcard("alodial:{dial}:chan:default") == 0
        assert client.zcard("alodial:{dial}:lease") == 0
        assert client.zcard("alodial:{dial}:await") == 0


def check_no_secret_escaped(plant: Plant) -> None:
    text = plant.log_text()
    with plant.redis.client() as client:
        for key in client.scan_iter(count=1000):
            match client.type(key):
                case b"stream":
                    text += str(client.xrange(key))
                case b"hash":
                    text += str(client.hgetall(key))
                case b"list":
                    text += str(client.lrange(key, 0, -1))
                case b"zset":
                    text += str(client.zrange(key, 0, -1))
                case b"string":
                    text += str(client.get(key))
    for secret in (TOKEN, CALLBACK_SECRET, API_KEY):
        assert secret not in text


def check_no_number_in_logs(plant: Plant, calls: int) -> None:
    logs = plant.log_text()
    for n in range(0, calls, 7):
        assert number(n) not in logs
    assert FROM not in logs


@pytest.mark.parametrize("redis_dies", [False, True], ids=["workers-die", "workers-and-redis-die"])
def test_no_phone_rings_twice_and_no_call_is_forgotten_while_workers_are_killed_every_second(
    tmp_path: Path, redis_dies: bool
) -> None:
    rng = random.Random(20261123)
    # Slow enough that kills fall into every stage: 40 calls a second, about 8 POSTs under way at any moment.
    with Plant(
        tmp_path,
        sandbox=("--speed", "60", "--seed", "7", "--answer-delay", "0.2", *FAULTS),
        calls_per_second="40",
        max_concurrent_calls="200",
        result_timeout="45",
        channel_timeout="20",
    ) as plant:
        for name in WORKERS:
            plant.start_worker(name)
        with plant.queue() as queue:
            rows = queue.enqueue_many(calls_of_a_campaign(CALLS))
        assert all(hasattr(row, "extid") for row in rows)
        kills = 0
        redis_deaths = [CALLS // 4, CALLS // 2] if redis_dies else []
        began = time.monotonic()
        while not plant.all_ended(CALLS):
            assert time.monotonic() - began < (600 if FULL else 240), plant.counts()
            ended = (
                sum(n for state, n in plant.counts().items() if state in ENDS)
                if plant.redis.process and plant.redis.process.poll() is None
                else 0
            )
            if redis_deaths and ended >= redis_deaths[0]:
                redis_deaths.pop(0)
                plant.redis.kill()
                time.sleep(1)
                plant.redis.start()
            if ended < CALLS * 0.9:
                victim = rng.choice(WORKERS)
                plant.kill(victim)
                plant.start_worker(victim)
                kills += 1
            time.sleep(1)
        assert kills >= 5
        check_the_promise(plant, CALLS)
        check_no_secret_escaped(plant)
        check_no_number_in_logs(plant, CALLS)


def test_a_worker_killed_while_its_work_waits_is_replaced_within_30_s(tmp_path: Path) -> None:
    with Plant(tmp_path, sandbox=("--speed", "60", "--answer-delay", "2")) as plant:
        plant.start_worker("worker-0")
        with plant.queue() as queue:
            call = queue.enqueue(TwoWayCall(callfrom=FROM, callto=[number(1)]))
            # Its phone rings, its answer is 2 s away. Armed alone would not do: dead between arming and sending, it never rang.
            wait_until(plant.rings, within=15, what="the POST arrived")
            plant.kill("worker-0")
            assert queue.get(call.id).state == "submitting"
            plant.start_worker("worker-1")
            died = time.monotonic()
            wait_until(lambda: queue.get(call.id).state != "submitting", within=40, what="the orphan was found")
            assert time.monotonic() - died < 30
            wait_until(lambda: queue.get(call.id).state == "completed", within=30, what="its result settled it")
        assert set(plant.rings().values()) == {1}


def test_work_goes_on_within_30_s_after_redis_was_away_for_15_s(tmp_path: Path) -> None:
    with Plant(tmp_path, sandbox=("--speed", "200"), calls_per_second="20") as plant:
        plant.start_worker("worker-0")
        with plant.queue() as queue:
            queue.enqueue_many(calls_of_a_campaign(100))
            wait_until(lambda: len(plant.rings()) > 5, within=20, what="the first calls went out")
        plant.redis.kill()
        time.sleep(15 if FULL else 6)
        plant.redis.start()
        back = time.monotonic()
        before = len(plant.rings())
        wait_until(lambda: len(plant.rings()) > before, within=30, what="the next call went out")
        assert time.monotonic() - back < 30
        wait_until(lambda: plant.all_ended(100), within=60, what="every call ended")
        check_the_promise(plant, 100)


def test_sigterm_lets_the_posts_under_way_settle_and_exits_0(tmp_path: Path) -> None:
    with Plant(tmp_path, sandbox=("--speed", "200", "--answer-delay", "1")) as plant:
        plant.start_worker("worker-0")
        with plant.queue() as queue:
            call = queue.enqueue(TwoWayCall(callfrom=FROM, callto=[number(1)]))
            wait_until(lambda: queue.get(call.id).state == "submitting", within=15, what="the POST is under way")
            plant.kill("worker-0", 15)
            assert plant.processes["worker-0"].wait(timeout=15) == 0
            assert queue.get(call.id).state in {"submitted", "completed"}


def test_a_worker_that_slept_through_its_lease_does_not_ring(tmp_path: Path) -> None:
    import signal  # noqa: PLC0415  # only here

    with Plant(
        tmp_path,
        sandbox=(
            "--speed",
            "200",
        ),
        calls_per_second="10",
    ) as plant:
        plant.start_worker("worker-0")
        with plant.queue() as queue:
            rows = queue.enqueue_many(calls_of_a_campaign(60))
            wait_until(lambda: len(plant.rings()) > 5, within=20, what="the first calls went out")
            plant.kill("worker-0", signal.SIGSTOP)
            plant.start_worker("worker-1")
            wait_until(lambda: plant.all_ended(50), within=60, what="the other worker went on")
            time.sleep(9)  # longer than the lease of 3 + 5 s
            plant.kill("worker-0", signal.SIGCONT)
            wait_until(lambda: plant.all_ended(60), within=90, what="every call ended")
            assert len(rows) == 60
        check_the_promise(plant, 60)
