"""Rate, channels and urgency, as the sandbox saw them from outside, over two worker processes."""

import os
import statistics
import threading
import time
from bisect import bisect_left
from pathlib import Path

import pytest
from plant import Plant

from alodial import TwoWayCall
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.alone, pytest.mark.timeout(600)]

FULL = os.environ.get("ALODIAL_CHAOS") == "full"
FROM = "712037006"


def number(n: int) -> str:
    return f"90{n:05d}10"


def bulk(calls: int) -> list[TwoWayCall]:
    return [TwoWayCall(callfrom=FROM, callto=[number(n)], priority="bulk") for n in range(calls)]


def most_in_one_second(moments: list[float]) -> int:
    """The fullest window of one second."""
    return max(bisect_left(moments, start + 1.0) - i for i, start in enumerate(moments))


def armed_at(plant: Plant, extids: list[str]) -> list[float]:
    """When each call was armed, by Redis' clock, in order, seconds."""
    moments = []
    with plant.redis.client() as client:
        for extid in extids:
            for entry in client.hget(f"alodial:{{dial}}:c:{extid}", "tl").decode().split(";"):
                state, at, *_ = entry.split(" ")
                if state == "submitting":
                    moments.append(int(at) / 1000)
    return sorted(moments)


def test_50_calls_a_second_over_two_processes_are_used_and_never_passed(tmp_path: Path) -> None:
    calls = 3000 if FULL else 600
    with Plant(tmp_path, sandbox=("--speed", "10000"), calls_per_second="50") as plant:
        for name in ("worker-0", "worker-1"):
            plant.start_worker(name)
        with plant.queue() as queue:
            wait_until(
                lambda: plant.redis.client().hlen("alodial:{dial}:workers") == 2,
                within=20,
                what="both workers are there",
            )
            rows = queue.enqueue_many(bulk(calls))
            wait_until(lambda: plant.all_ended(calls), within=calls / 50 + 60, what="every call ended")
        arrivals, armed = plant.arrivals(), armed_at(plant, [row.extid for row in rows])  # type: ignore[union-attr]  # none was refused
        used = (len(armed) - 1) / (armed[-1] - armed[0]) / 50
        print(
            f"\nfullest second: armed {most_in_one_second(armed)}, arrived {most_in_one_second(arrivals)}; used {used:.3f}"
        )
        assert most_in_one_second(armed) <= 50
        # What the sandbox's own loop bunches up when the machine is busy is not the limiter's: 59 were seen beside another suite.
        assert most_in_one_second(arrivals) <= 65
        assert used >= 0.93  # 0.98 is what a limit is used at
        beats = {line.split(" ")[-1] for line in _workers(plant, rows)}
        assert len(beats) == 2, "both processes took part"


def _workers(plant: Plant, rows: list[object]) -> list[str]:
    with plant.redis.client() as client:
        return [client.hget(f"alodial:{{dial}}:c:{row.extid}", "a1").decode() for row in rows]  # type: ignore[attr-defined]  # as above


def test_ten_simultaneous_calls_are_never_passed_and_no_slot_leaks_after_kills(tmp_path: Path) -> None:
    calls = 400 if FULL else 120
    with Plant(
        tmp_path,
        sandbox=("--speed", "120"),
        max_concurrent_calls="10",
        result_timeout="30",
        channel_timeout="25",
    ) as plant:
        plant.start_worker("worker-0")
        plant.start_worker("worker-1")
        with plant.queue() as queue:
            queue.enqueue_many(bulk(calls))
            wait_until(lambda: len(plant.rings()) > calls // 4, within=60, what="a quarter went out")
            plant.kill("worker-1")
            plant.start_worker("worker-1")
            wait_until(lambda: plant.all_ended(calls), within=180, what="every call ended")
        view = plant.ledger_view()
        print(f"\npeak {view['peak_concurrent']} of 10")
        assert view["peak_concurrent"] <= 10
        assert set(plant.rings().values()) == {1}
        with plant.redis.client() as client:
            assert client.zcard("alodial:{dial}:chan:default") == 0


def test_an_urgent_call_overtakes_20000_bulk_calls(tmp_path: Path) -> None:
    tries = 40 if FULL else 12
    with Plant(tmp_path, sandbox=("--speed", "10000"), calls_per_second="20") as plant:
        plant.start_worker("worker-0")
        with plant.queue() as queue:
            queue.enqueue_many(bulk(20_000))
            wait_until(lambda: len(plant.rings()) > 20, within=20, what="bulk is going out")
            waits = []
            for n in range(tries):
                began = time.monotonic()
                call = queue.enqueue(TwoWayCall(callfrom=FROM, callto=[number(90_000 + n)], priority="urgent"))
                wait_until(
                    lambda c=call: queue.get(c.id).state != "queued",
                    within=10,
                    what="the urgent call goes",
                    every=0.002,
                )
                waits.append(time.monotonic() - began)
                time.sleep(0.11 + 0.1 * n / tries)  # at every moment of a tick
        waits.sort()
        p95 = waits[int(len(waits) * 0.95)]
        print(f"\nurgent: median {statistics.median(waits) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms")
        # At 20/s the 20,000 before it would take 1,000 s; a second of margin is for a busy machine, the figure is in benchmarks/.
        assert p95 < 1.0


def test_what_is_canceled_while_workers_claim_never_rings(tmp_path: Path) -> None:
    calls = 10_000 if FULL else 1500
    with Plant(tmp_path, sandbox=("--speed", "10000"), max_concurrent_calls="0") as plant:
        plant.start_worker("worker-0")
        plant.start_worker("worker-1")
        canceled: set[str] = set()
        with plant.queue() as queue:
            wait_until(
                lambda: plant.redis.client().hlen("alodial:{dial}:workers") == 2,
                within=20,
                what="both workers are there",
            )
            rows = [row.extid for row in queue.enqueue_many(bulk(calls))]  # type: ignore[union-attr]  # none was refused

            def cancel(mine: list[str]) -> None:
                from alodial import NotCancelable  # noqa: PLC0415  # a thread's own

                for extid in mine:
                    try:
                        queue.cancel(extid)
                    except NotCancelable:
                        continue
                    canceled.add(extid)

            threads = [threading.Thread(target=cancel, args=(rows[n::2],)) for n in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_until(lambda: plant.all_ended(calls), within=180, what="every call ended")
        rung = set(plant.rings())
        print(f"\ncanceled {len(canceled)}, rung {len(rung)} of {calls}")
        assert canceled & rung == set()
        assert len(canceled) + len(rung) == calls
        assert plant.counts() == {k: v for k, v in {"canceled": len(canceled), "completed": len(rung)}.items() if v}


def test_after_the_emergency_stop_under_load_no_worker_posts_later_than_a_second_and_restarts_change_nothing(
    tmp_path: Path,
) -> None:
    names = ["worker-0", "worker-1"]
    with Plant(tmp_path / "plant", sandbox=("--speed", "1000"), calls_per_second="100") as plant:
        for name in names:
            plant.start_worker(name)
        with plant.queue() as queue:
            queue.enqueue_many([{"callfrom": "712037006", "callto": ["994412810"]}] * 1500)
            wait_until(lambda: len(plant.rings()) > 200, within=30, what="it runs at full load")
            assert queue.stop("test", actor="test") is True
            stopped = time.monotonic()
            time.sleep(1.5)
            rung = len(plant.rings())
            for name in names:
                plant.kill(name)
                plant.start_worker(name)
            wait_until(
                lambda: plant.redis.client().hlen("alodial:{dial}:workers") >= 4, within=30, what="the workers are back"
            )
            time.sleep(1)
            assert len(plant.rings()) == rung < 1500
            assert [at for at in plant.arrivals() if at > stopped + 1] == []
            queue.resume()
            wait_until(lambda: len(plant.rings()) > rung + 100, within=30, what="it goes on")
        assert set(plant.rings().values()) == {1}
