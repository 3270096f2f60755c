"""Now, Workers and the emergency stop."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from alodial import CallQueue
from alodial.store import call_transitions, workers
from alodial.store.holds import stopped
from alodial.store.keys import Keys
from alodial.store.workers import Heartbeat
from waiting import wait_until
from web.conftest import Web

from .client import Operator, words_on

keys = Keys()

TWO_WAY = {"callfrom": "712037006", "callto": ["994412860"]}


def beat(queue: CallQueue, name: str, ago: float = 0.0, in_flight: int = 0) -> None:
    at = int((time.time() - ago) * 1000)
    heartbeat = Heartbeat(name, at, 4711, "dialer-1", in_flight, at - 60_000, "1.0")
    queue.store.call(workers.write_heartbeat, heartbeat)


def test_a_quiet_installation_says_that_nothing_is_wrong(web: Web, queue: CallQueue) -> None:
    operator = Operator(web)

    def shown() -> str:
        beat(queue, "dialer-1:1")
        return words_on(operator.get("/"))

    wait_until(lambda: "Nothing is wrong." in shown(), what=shown)
    assert "0 of 5" in shown()  # starts a second, of the default limit


def test_an_empty_installation_shows_the_steps_to_its_first_call_and_no_alarm(web: Web, queue: CallQueue) -> None:
    operator = Operator(web)
    shown = words_on(operator.get("/now"))
    assert "Five steps to the first call" in shown
    assert "Done Redis answers" in shown
    assert "To do A worker is running: alodial worker" in shown
    assert "No worker is alive" not in shown
    assert "Nothing is wrong." not in shown
    queue.enqueue(TWO_WAY)
    shown = words_on(operator.get("/now"))
    assert "Five steps" not in shown
    assert "No worker is alive. 1 call or result waits." in shown


def test_a_problem_is_explained_with_what_to_do(web: Web, queue: CallQueue) -> None:
    queue.enqueue(TWO_WAY)
    beat(queue, "dialer-1:2", ago=30, in_flight=3)
    operator = Operator(web)
    shown = words_on(operator.get("/now"))
    assert "No worker is alive. 1 call or result waits." in shown
    assert "Worker dialer-1:2 has been silent for 30 s; it had 3 calls in flight." in shown
    assert "1 normal, oldest" in shown
    russian = words_on(Operator(web, language="ru").get("/now"))
    assert "Ни один воркер не отвечает" in russian


def test_an_expired_call_does_not_count_as_waiting_although_it_is_still_in_its_list(web: Web, queue: CallQueue) -> None:
    beat(queue, "dialer-1:1")
    placed = queue.enqueue(TWO_WAY, expires_at=datetime.now(UTC) + timedelta(seconds=1.5))
    operator = Operator(web)
    assert "1 normal, oldest" in words_on(operator.get("/now"))
    deadline = time.monotonic() + 10
    while queue.get(placed.id).state != "expired":
        assert time.monotonic() < deadline
        queue.store.run(call_transitions.sweep(queue.settings))
        time.sleep(0.1)
    shown = words_on(operator.get("/now"))
    assert "normal, oldest" not in shown
    assert "wait, the oldest" not in shown


def test_channels_that_are_all_in_use_are_named_as_the_bottleneck(web: Web, queue: CallQueue) -> None:
    beat(queue, "dialer-1:1")
    queue.enqueue(TWO_WAY)
    later = int((time.time() + 60) * 1000)
    queue.store.redis.zadd(keys.channels("default"), {str(n): later for n in range(10)})
    shown = words_on(Operator(web).get("/now"))
    assert "Channels are the bottleneck of account default: 10 of 10 are in use, 1 call waits." in shown


def test_the_rate_is_named_as_the_bottleneck(web: Web, queue: CallQueue) -> None:
    beat(queue, "dialer-1:1")
    for _ in range(20):
        queue.enqueue(TWO_WAY)
    now = int(time.time() * 1e6)
    queue.store.redis.lpush(f"{keys.PREFIX}starts:default", now - 60_000_000, *[now] * 49)  # 49 in the last ten seconds
    shown = words_on(Operator(web).get("/now"))
    assert (
        "The rate is the bottleneck of account default: 4.9 of 5 a second are used, 20 calls wait, about 4 s." in shown
    )


def test_the_last_hour_is_charted_from_the_counters_and_listed_in_a_table(web: Web, queue: CallQueue) -> None:
    minute = int(time.time() // 60)
    queue.store.redis.hset(
        keys.minute(minute), mapping={"a": 130, "c": 40, "e:failed": 2, "d:answered": 25, "d:busy": 3}
    )
    operator = Operator(web)
    series = json.loads(operator.get("/now/series").text)
    armed, limit = series["rate"]["series"][1:]
    assert len(armed["values"]) == 60
    assert armed["values"][-1] + armed["values"][-2] == 130
    assert set(limit["values"]) == {300}
    assert [one["label"] for one in series["outcomes"]["series"]] == ["time", "answered", "busy", "not placed"]
    shown = words_on(operator.get("/"))
    assert "25 answered" in shown or "answered 25" in shown


def test_a_day_and_a_week_are_charted_by_hour_and_a_limit_far_above_is_left_out(web: Web, queue: CallQueue) -> None:
    hour = int(time.time() // 3600)
    queue.store.redis.hset(keys.hour(hour - 30), mapping={"a": 70, "c": 80, "d:answered": 60, "e:rejected": 7})
    queue.store.redis.hset(keys.hour(hour - 2), mapping={"a": 30, "c": 40, "d:busy": 3})
    operator = Operator(web)
    day = json.loads(operator.get("/now/series?range=24h").text)
    week = json.loads(operator.get("/now/series?range=7d").text)
    assert [len(charts["rate"]["series"][0]["values"]) for charts in (day, week)] == [24, 168]
    assert [sum(charts["rate"]["series"][1]["values"]) for charts in (day, week)] == [30, 100]
    # 18,000 calls an hour are allowed: a line up there would leave the 30 on the ground.
    assert [line["label"] for line in day["rate"]["series"]] == ["time", "placed"]
    shown = words_on(operator.get("/?range=7d"))
    assert "The last 7 days" in shown
    assert "80 70 60" in shown
    assert len(json.loads(operator.get("/now/series?range=x").text)["rate"]["series"][0]["values"]) == 60


def test_a_worker_that_stopped_responding_comes_first_with_its_log(web: Web, queue: CallQueue) -> None:
    beat(queue, "dialer-1:1")
    beat(queue, "dialer-1:9", ago=90, in_flight=2)
    page = Operator(web).get("/workers")
    shown = words_on(page)
    assert "1 worker is alive , 1 has stopped responding" in shown
    assert shown.index("dialer-1:9") < shown.index("dialer-1:1 ")
    assert "1 min 30 s ago" in shown
    assert 'href="/logs?worker=dialer-1%3A9"' in page.text


def test_the_emergency_stop_is_pulled_with_a_reason_and_lifted(web: Web, queue: CallQueue) -> None:
    operator = Operator(web, name="Aziza")
    assert 'href="/stop"' in operator.get("/calls").text
    done = words_on(operator.post("/stop", {"reason": "wrong list"}, page="/stop"))
    assert "Stopped. No new call goes out." in done
    assert queue.store.call(stopped) == "wrong list"
    assert "wrong list (key:#1 (Aziza)" in words_on(operator.get("/"))
    again = words_on(operator.post("/stop", {"reason": "other"}, page="/stop"))
    assert "It was on already" in again
    assert queue.store.call(stopped) == "wrong list"
    assert "Resumed" in words_on(operator.post("/stop/resume", page="/stop"))
    assert queue.store.call(stopped) is None
    assert len(web.logged("operator.acted", "wrong list")) == 1


@pytest.mark.parametrize("address", ["/stop", "/stop/resume"])
def test_a_form_of_another_site_neither_stops_nor_resumes(web: Web, queue: CallQueue, address: str) -> None:
    queue.stop("here") if address.endswith("resume") else None
    operator = Operator(web)
    assert operator.http.post(address, data={"reason": "x"}).status_code == 403
    assert operator.post(address, Origin="https://elsewhere.example").status_code == 403
    assert (queue.store.call(stopped) == "here") is address.endswith("resume")


def test_a_stop_that_an_older_version_pulled_is_shown(web: Web, queue: CallQueue) -> None:
    queue.store.redis.set(keys.STOP, "by hand")
    assert "by hand" in words_on(Operator(web).get("/stop"))
    assert "by hand" in words_on(Operator(web).get("/now"))
