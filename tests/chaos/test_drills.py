"""Drills on running processes: each trouble is named rightly in `alodial status`, `alodial doctor` and on Now, in time.

One stack for all of them, in this order; each drill leaves it as it found it.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import pytest
from plant import API_KEY, CALLBACK_SECRET, Plant

from alodial import TwoWayCall
from alodial.errors import NotCancelable
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.drill, pytest.mark.timeout(240)]

SOON: Final = 15.0
"""Seconds within which a trouble is named."""

MISSING: Final = 60.0
"""The same where it takes time to know that results do not come."""

CHANNELS: Final = 20
SPEED: Final = ("--speed", "1000")
FROM: Final = "712037006"


@dataclass(frozen=True)
class Reading:
    """What a command or page says at one moment: findings by code, each with its text and remedy, and all of its output."""

    codes: dict[str, str]
    text: str


class Operator:
    """Somebody who looks at the stack in the three ways that there are."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.http = httpx.Client(base_url=plant.web_url, headers={"Origin": plant.web_url}, timeout=20, trust_env=False)
        form = re.search(r'name="form_token" value="([0-9a-f]+)"', self.http.get("/").text)
        assert form is not None
        signed = self.http.post("/sign-in", data={"key": API_KEY, "name": "", "to": "/", "form_token": form[1]})
        assert signed.status_code == 303, signed.text

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the stack's environment."""
        return subprocess.run(  # our own command
            [sys.executable, "-m", "alodial.cli", *command],
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"} | self.plant.environment(),
            cwd=self.plant.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> Reading:
        done = self.run("status", "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        findings = [row for document in rows for row in document.get("findings", [])]
        codes = {row["code"]: f"{row['severity']}: {row['text']} {row['remedy']}" for row in findings}
        return Reading(codes, done.stdout + done.stderr)

    def doctor(self) -> Reading:
        done = self.run("doctor", "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        codes = {
            row["code"] or row["name"]: f"{row['level']}: {row['message']} {row['hint']}"
            for row in rows
            if row.get("level") in {"warning", "error", "info"}
        }
        return Reading(codes, done.stdout + done.stderr)

    def now(self) -> Reading:
        page = self.http.get("/").text
        findings = re.findall(r'<li class="notice[^>]*data-code="(\w+)"[^>]*>(.*?)</li>', page, re.DOTALL)
        return Reading({code: re.sub(r"<[^>]+>|\s+", " ", text) for code, text in findings}, page)

    def sees(self, code: str, since: float, within: float = SOON) -> dict[str, str]:
        """What each of the three says of ``code``; fails unless each began to say it within so many seconds of ``since``."""
        ways: dict[str, Callable[[], Reading]] = {"status": self.status, "doctor": self.doctor, "now": self.now}
        texts: dict[str, str] = {}
        while ways.keys() - texts.keys():
            for way in ways.keys() - texts.keys():
                asked_at = time.monotonic() - since
                reading = ways[way]()
                if code in reading.codes:
                    texts[way] = reading.codes[code]
                    print(f"{code}: {way} after {asked_at:.1f} s: {texts[way]}")
                else:
                    assert asked_at < within, f"{way} does not name {code} after {asked_at:.0f} s: {reading.codes}"
            time.sleep(0.3)
        return texts


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("drills")
    with Plant(folder, fsync="no", sandbox=SPEED, calls_per_second="5", max_concurrent_calls=str(CHANNELS)) as plant:
        plant.start_worker("worker-0")
        yield plant


@pytest.fixture(scope="module")
def operator(plant: Plant) -> Operator:
    operator = Operator(plant)
    wait_until(lambda: "no_worker" not in operator.status().codes, within=30, what="the worker is there")
    return operator


def place(plant: Plant, calls: int, ending: str = "10") -> list[str]:
    """Enqueues calls to numbers with that ending."""
    with plant.queue() as queue:
        rows = queue.enqueue_many([TwoWayCall(callfrom=FROM, callto=[f"90{n:05d}{ending}"]) for n in range(calls)])
    return [row.id for row in rows if hasattr(row, "id")]


def restart_sandbox(plant: Plant, *options: str, secret: str = CALLBACK_SECRET) -> None:
    plant.kill("sandbox")
    url = f"{plant.web_url}/callbacks/alovoice/{secret}"
    port = int(plant.sandbox_url.rpartition(":")[2])
    plant._children.start_sandbox(port, [*SPEED, *options], callback_url=url)
    plant._children.wait_until_healthy("sandbox", plant.sandbox_url)


def cancel_waiting(plant: Plant, ids: list[str]) -> None:
    with plant.queue() as queue:
        for id in ids:
            with suppress(NotCancelable):  # it went out a moment ago
                queue.cancel(id)
    wait_until(lambda: plant.all_ended(sum(plant.counts().values())), within=30, what="every call ended")


def test_a_rate_that_binds(plant: Plant, operator: Operator) -> None:
    began = time.monotonic()
    ids = place(plant, 150)
    texts = operator.sees("rate_bound", began)
    assert all("ALODIAL_CALLS_PER_SECOND" in text for text in texts.values())
    cancel_waiting(plant, ids)


def test_a_campaign_outside_its_hours(plant: Plant, operator: Operator) -> None:
    away = datetime.now(UTC) + timedelta(hours=5 + 8)  # Tashkent's clock, eight hours on
    hours = f"{away:%H}:00-{away:%H}:59"
    (plant.folder / "rows.csv").write_text("phone\n" + "".join(f"90{n:05d}10\n" for n in range(30)))
    began = time.monotonic()
    done = operator.run("campaign", "submit", "rows.csv", "--from", FROM, "--name", "night", "--hours", hours)
    assert done.returncode == 0, done.stderr
    texts = operator.sees("campaign_bound", began)
    assert all("hours" in text for text in texts.values())
    assert {"stuck", "rate_bound", "channels_full"} & operator.status().codes.keys() == set()
    assert operator.run("campaign", "cancel", "night", "--yes").returncode == 0


def test_workers_that_differ(plant: Plant, operator: Operator) -> None:
    plant._children.start("worker-1", ["-m", "alodial.cli", "worker"], {"ALODIAL_CALLS_PER_SECOND": "50"})
    began = time.monotonic()
    texts = operator.sees("workers_differ", began)
    assert all("limits" in text for text in texts.values())
    plant.kill("worker-1", 15)
    assert plant.processes.pop("worker-1").wait(timeout=30) == 0
    wait_until(lambda: "workers_differ" not in operator.status().codes, within=20, what="no worker differs")


def test_calls_that_alovoice_rejects_in_numbers(plant: Plant, operator: Operator) -> None:
    began = time.monotonic()
    place(plant, 40, "86")
    operator.sees("mass_rejection", began)
    wait_until(lambda: plant.all_ended(sum(plant.counts().values())), within=30, what="every call ended")


def test_a_token_that_is_refused(plant: Plant, operator: Operator) -> None:
    restart_sandbox(plant, "--token", "another-token")
    began = time.monotonic()
    place(plant, 20)
    texts = operator.sees("breaker_open", began)
    assert all("token" in text for text in texts.values())
    restart_sandbox(plant)
    assert operator.run("resume").returncode == 0
    wait_until(lambda: plant.all_ended(sum(plant.counts().values())), within=60, what="every call ended")


def test_a_provider_that_is_down(plant: Plant, operator: Operator) -> None:
    plant.kill("sandbox")
    began = time.monotonic()
    place(plant, 20)
    texts = operator.sees("breaker_open", began)
    assert all("onnection" in text and "token of" not in text for text in texts.values())
    restart_sandbox(plant)
    assert operator.run("resume").returncode == 0
    wait_until(lambda: plant.all_ended(sum(plant.counts().values())), within=60, what="every call ended")


def test_callbacks_with_a_wrong_secret_and_the_results_and_channels_that_are_lost_by_it(
    plant: Plant, operator: Operator
) -> None:
    restart_sandbox(plant, secret="of-another-installation-51b2")
    began = time.monotonic()
    place(plant, 3 * CHANNELS // 2)
    texts = operator.sees("callbacks_refused", began)
    assert all("secret" in text for text in texts.values())
    # Channels that lost results fill are no reason to have more of them, once the last good result is some seconds old.
    for way in (operator.status, operator.doctor, operator.now):
        wait_until(
            lambda way=way: "MAX_CONCURRENT" not in " ".join(way().codes.values()),  # type: ignore[misc]  # mypy infers no default
            within=SOON,
            what="nobody is told to have more channels",
        )
    operator.sees("results_missing", began, MISSING)
    for reading in (operator.status(), operator.doctor(), operator.now()):
        assert next(iter(reading.codes)) in {"callbacks_refused", "results_missing"}
        assert "MAX_CONCURRENT" not in " ".join(reading.codes.values())
    restart_sandbox(plant)
    released = operator.run("channels", "release", "--yes")
    assert released.returncode == 0, released.stderr
    wait_until(lambda: plant.counts().get("completed", 0), within=30, what="results come again")


def test_a_worker_that_is_killed(plant: Plant, operator: Operator) -> None:
    plant.kill("worker-0")
    began = time.monotonic()
    place(plant, 3)
    operator.sees("no_worker", began)
    plant.start_worker("worker-0")
    wait_until(lambda: "no_worker" not in operator.status().codes, within=30, what="a worker is there")


def test_a_redis_that_is_full(plant: Plant, operator: Operator) -> None:
    with plant.redis.client() as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used * 1.02))
        began = time.monotonic()
        operator.sees("store_full", began)
        client.config_set("maxmemory", 0)


def test_a_redis_that_is_killed(plant: Plant, operator: Operator) -> None:
    plant.redis.kill()
    began = time.monotonic()
    for way in (operator.status, operator.doctor, operator.now):
        reading = way()
        print(way.__name__, f"after {time.monotonic() - began:.1f} s", reading.codes, reading.text[:600])
        assert "Redis" in reading.text
    assert time.monotonic() - began < SOON
    plant.redis.start()
    wait_until(lambda: operator.run("status").returncode == 0, within=30, what="all is well again")
