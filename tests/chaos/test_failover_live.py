"""Failovers of Redis under load, with real Sentinels: no phone rings twice, and with `replica` no accepted call is lost."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from plant import API_KEY, Plant
from redis_group import REPLICA_HOST, SENTINEL_HOST, RedisGroup

from alodial import CallQueue, TwoWayCall
from alodial.settings import Settings
from alodial_schemas import ENDS
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.failover, pytest.mark.timeout(900)]

FULL = os.environ.get("ALODIAL_CHAOS") == "full"
ALL = FULL or os.environ.get("ALODIAL_CHAOS") == "modes"
QUEUED = 700 if FULL else 200
INTAKE_SECONDS = 25 if FULL else 15
INTAKE_RATE = 30
RATE = 40 if FULL else 25
FROM = "712037006"
PREFIX = "alodial:{dial}:"


class FailoverPlant(Plant):
    """The stack of real processes on a group of Redis servers behind Sentinels."""

    def __init__(self, folder: Path, group: RedisGroup, durability: str, **values: Any) -> None:
        super().__init__(
            folder,
            sandbox=("--speed", "60", "--answer-delay", "0.1"),
            redis_url=group.url,
            durability=durability,
            accept_risk=durability != "replica",
            calls_per_second=RATE,
            result_timeout=60,
            channel_timeout=30,
            **values,
        )
        self.group = group
        self.intake = Intake(self)

    def stop(self) -> None:
        self.intake.ended = True
        super().stop()

    def queue(self) -> CallQueue:
        return CallQueue(settings=Settings(_env_file=None, redis_url=self.group.url, redis_timeout=5))

    def rings_by_number(self) -> Counter[str]:
        import json  # noqa: PLC0415  # only here

        found: Counter[str] = Counter()
        for line in self.ledger.read_text().splitlines() if self.ledger.exists() else ():
            found[json.loads(line)["to"][0]] += 1
        return found


@dataclass
class Intake:
    """POSTs calls at a steady rate and repeats each with its key until it is accepted."""

    plant: FailoverPlant
    accepted: dict[str, str] = field(default_factory=dict)
    at: list[float] = field(default_factory=list)
    slowest: float = 0.0
    ended: bool = False
    # One for all requests: making one takes longer than the request that is measured.
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(trust_env=False, timeout=8, limits=httpx.Limits(max_connections=None))
    )

    def run(self, number: int) -> None:
        url = f"{self.plant.web_url}/v1/calls"
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": f"order-{number}"}
        body = {"callfrom": {"phone": FROM}, "callto": [{"phone": phone(number)}], "reference": f"order-{number}"}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not self.ended:
            began = time.monotonic()
            try:
                answer = self.client.post(url, json=body, headers=headers)
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            finally:
                self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status_code in (200, 202):
                self.accepted[str(number)] = answer.json()["id"]
                self.at.append(time.monotonic())
                return
            assert answer.status_code == 503, answer.text
            time.sleep(0.2)

    def start(self, seconds: float) -> threading.Thread:
        thread = threading.Thread(target=self._pace, args=(seconds,), daemon=True)
        thread.start()
        return thread

    def _pace(self, seconds: float) -> None:
        began = time.monotonic()
        threads = []
        for number in range(int(seconds * INTAKE_RATE)):
            time.sleep(max(0.0, began + number / INTAKE_RATE - time.monotonic()))
            threads.append(threading.Thread(target=self.run, args=(10_000 + number,), daemon=True))
            threads[-1].start()
            if self.ended:
                return
        for thread in threads:
            thread.join(90)


def phone(number: int) -> str:
    """A number whose ending makes no trouble of its own."""
    return f"90{number:05d}10"


@dataclass
class Outcome:
    """What a failover did, by the ledger and the store."""

    twice: dict[str, int]
    lost: list[str]
    unfinished: Counter[str]
    back_after: float
    slowest: float
    accepted: int

    def line(self, name: str) -> str:
        return (
            f"FAILOVER {name}: accepted {self.accepted}, rung twice {len(self.twice)}, lost {len(self.lost)}, "
            f"not completed {dict(self.unfinished)}, HTTP back {self.back_after:.1f} s after the promotion"
        )


@contextmanager
def running(folder: Path, durability: str, **values: Any) -> Iterator[FailoverPlant]:
    options = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "5") if durability == "replica" else ()
    with (
        RedisGroup(folder / "group", options=options) as group,
        FailoverPlant(folder, group, durability, **values) as plant,
    ):
        for number in range(2):
            plant.start_worker(f"worker-{number}")
        yield plant


def fail(plant: FailoverPlant, how: str) -> float:
    """Makes the primary fail; returns when a replica was promoted."""
    group = plant.group
    match how:
        case "planned" | "sentinel-gone":
            if how == "sentinel-gone":
                group.kill_sentinel(0)
                time.sleep(1)
            group.fail_over()
        case "killed":
            group.primary.kill()
        case "paused":
            group.pause_primary()
        case "partitioned":
            group.proxy.cut(SENTINEL_HOST, REPLICA_HOST)
    wait_until(group.promoted, within=40, what="a replica was promoted", every=0.02)
    promoted_at = time.monotonic()
    if how == "paused":
        threading.Timer(3, lambda: group.pause_primary(resume=True)).start()
    if how == "partitioned":
        threading.Timer(8, group.proxy.heal).start()
    return promoted_at


def survive(folder: Path, how: str, durability: str) -> Outcome:
    """Fails over under load and counts what became of every accepted call."""
    with running(folder, durability) as plant:
        with plant.queue() as queue:
            rows = queue.enqueue_many([TwoWayCall(callfrom=FROM, callto=[phone(n)]) for n in range(QUEUED)])
        accepted = {str(n): row.id for n, row in enumerate(rows)}  # type: ignore[union-attr]  # none is refused
        intake = plant.intake
        pacing = intake.start(INTAKE_SECONDS)
        wait_until(lambda: len(plant.rings()) > 20, within=30, what="calls go out")
        promoted_at = fail(plant, how)
        back_at = wait_until(
            lambda: min((at for at in intake.at if at > promoted_at + 0.5), default=None),
            within=40,
            what="HTTP accepts calls again",
        )
        pacing.join(120)
        accepted |= intake.accepted
        primary = plant.group.promoted()
        assert primary is not None
        states = _wait_for_ends(plant, primary.port, accepted)
        twice = {number: n for number, n in plant.rings_by_number().items() if n > 1}
        lost = [name for name, state in states.items() if state is None]
        unfinished = Counter(state for state in states.values() if state not in (None, "completed"))
        return Outcome(twice, lost, unfinished, back_at - promoted_at, intake.slowest, len(accepted))


def _wait_for_ends(plant: FailoverPlant, port: int, accepted: dict[str, str]) -> dict[str, str | None]:
    """The state of each accepted call on the promoted server, after all had time to end."""
    deadline = time.monotonic() + (240 if FULL else 150)
    states: dict[str, str | None] = {}
    with plant.queue() as queue:
        while True:
            waiting = {name: id for name, id in accepted.items() if states.get(name, "") not in ENDS}
            for name, id in waiting.items():
                try:
                    states[name] = str(queue.get(id).state)
                except Exception as exc:
                    if type(exc).__name__ != "NotFound":
                        raise
                    states[name] = None
            if all(state is None or state in ENDS for state in states.values()) or time.monotonic() > deadline:
                return states
            time.sleep(1)


MODES = ("planned", "killed", "paused", "partitioned", "sentinel-gone")
SHORT = {("planned", "replica"), ("partitioned", "fast")}


def cases() -> list[Any]:
    rows = [(how, durability) for durability in ("replica", "fast") for how in MODES]
    return [row for row in rows if ALL or row in SHORT]


@pytest.mark.parametrize(("how", "durability"), cases())
def test_a_failover_under_load_rings_nobody_twice_and_loses_no_accepted_call(
    tmp_path: Path, how: str, durability: str
) -> None:
    outcome = survive(tmp_path, how, durability)
    print(outcome.line(f"{how} {durability}"))
    assert outcome.twice == {}
    assert outcome.back_after < 10
    if durability == "replica":
        assert outcome.lost == []
        assert outcome.unfinished == {}


def test_with_one_sentinel_gone_http_goes_on_and_readyz_stays_200(tmp_path: Path) -> None:
    with running(tmp_path, "replica") as plant:
        plant.group.kill_sentinel(0)
        intake = plant.intake
        pacing = intake.start(6)
        for _ in range(20):
            answer = plant.http.get(f"{plant.web_url}/readyz")
            assert answer.status_code == 200, answer.text
            time.sleep(0.25)
        pacing.join(30)
        assert len(intake.accepted) == 6 * INTAKE_RATE
        assert intake.slowest < 2


def test_with_all_sentinels_gone_nobody_waits_longer_than_two_seconds(tmp_path: Path) -> None:
    with running(tmp_path, "replica") as plant:
        plant.intake.run(1)
        for number in range(3):
            plant.group.kill_sentinel(number)
        time.sleep(4)
        before = len(plant.rings())
        intake = plant.intake
        intake.start(2).join(30)
        assert intake.slowest < 3  # the primary was known: requests go on
        assert len(intake.accepted) == 2 * INTAKE_RATE + 1
        assert len(plant.rings()) == before  # nobody confirms the primary: nothing is dialled
