"""A Redis that refuses for a while, in each way that it can: nothing dies, is lost, rings twice or answers 500."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from plant import API_KEY, Plant

from alodial import TwoWayCall
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CALLS = 120
"""Calls enqueued before each trouble."""

LASTS = 4.0
"""Seconds of each trouble."""

Admin = Any
FAULTS = ("Traceback", '"loop.failed"', '"actor.failed"', '"request.failed"', '"result.crashed"', '"result.postponed"')
"""What no process may log: that it took a Redis in trouble for a fault of ours, or for bad data."""


@contextmanager
def _config(admin: Admin, **values: str) -> Iterator[None]:
    before = {name: admin.config_get(name)[name] for name in values}
    for name, value in values.items():
        admin.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            admin.config_set(name, value)


@contextmanager
def no_replicas(admin: Admin) -> Iterator[None]:
    with _config(admin, **{"min-replicas-to-write": "1"}):
        yield


@contextmanager
def out_of_memory(admin: Admin) -> Iterator[None]:
    with _config(admin, maxmemory="1mb"):
        yield


@contextmanager
def read_only(admin: Admin) -> Iterator[None]:
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        admin.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def master_down(admin: Admin) -> Iterator[None]:
    with _config(admin, **{"replica-serve-stale-data": "no"}), read_only(admin):
        yield


@contextmanager
def no_permission(admin: Admin) -> Iterator[None]:
    admin.acl_setuser("admin", enabled=True, nopass=True, commands=["+@all"], keys=["*"], channels=["*"])
    admin.execute_command("AUTH", "admin", "any")
    admin.execute_command("ACL", "SETUSER", "default", "-@write", "-@scripting")
    try:
        yield
    finally:
        admin.execute_command("ACL", "SETUSER", "default", "+@all")


@contextmanager
def no_password(admin: Admin) -> Iterator[None]:
    admin.acl_setuser("admin", enabled=True, nopass=True, commands=["+@all"], keys=["*"], channels=["*"])
    admin.execute_command("AUTH", "admin", "any")
    admin.config_set("requirepass", "another-password")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        yield
    finally:
        admin.execute_command("ACL", "SETUSER", "default", "nopass")


@contextmanager
def busy_script(admin: Admin) -> Iterator[None]:
    at = admin.connection_pool.connection_kwargs
    other = redis.Redis(host=at["host"], port=at["port"], socket_timeout=60)

    def spin() -> None:
        with suppress(redis.RedisError):
            other.eval("while true do end", 0)

    with _config(admin, **{"lua-time-limit": "50"}):
        thread = threading.Thread(target=spin)
        thread.start()
        try:
            yield
        finally:
            while thread.is_alive():
                with suppress(redis.RedisError):
                    admin.execute_command("SCRIPT", "KILL")
                thread.join(0.1)
    other.close()


@contextmanager
def no_connections(admin: Admin) -> Iterator[None]:
    with _config(admin, maxclients="1"):
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield


TROUBLES: dict[str, Callable[[Admin], Any]] = {
    "NOREPLICAS": no_replicas,
    "OOM": out_of_memory,
    "READONLY": read_only,
    "MASTERDOWN": master_down,
    "NOPERM": no_permission,
    "NOAUTH": no_password,
    "BUSY": busy_script,
    "max number of clients": no_connections,
}


def test_a_redis_that_refuses_for_a_while_kills_loses_and_repeats_nothing(tmp_path: Path) -> None:
    with Plant(
        tmp_path,
        fsync="no",
        sandbox=("--speed", "200", "--answer-delay", "0.1"),
        calls_per_second="40",
        api_keys=API_KEY,
    ) as plant:
        for name in ("worker-0", "worker-1"):
            plant.start_worker(name)
        # One connection, which is there before the trouble and stays.
        admin = redis.Redis.from_url(plant.redis.url, single_connection_client=True, decode_responses=True)
        accepted, statuses = 0, Counter[int]()
        http = plant.http
        address = f"{plant.web_url}/v1/calls"
        headers = {"Authorization": f"Bearer {API_KEY}"}
        body = {"callfrom": "712037006", "callto": ["994412860"]}
        with plant.queue() as queue:
            for code, trouble in TROUBLES.items():
                queue.enqueue_many(TwoWayCall(callfrom="712037006", callto=["994412860"]) for _ in range(CALLS))
                accepted += CALLS
                before = len(plant.rings())
                wait_until(lambda before=before: len(plant.rings()) > before + 10, within=60, what=f"calls go ({code})")
                with trouble(admin):
                    ends = time.monotonic() + LASTS
                    while time.monotonic() < ends:
                        for answer in (
                            http.post(address, headers=headers, json=body, timeout=30),
                            http.get(address, headers=headers, timeout=30),
                        ):
                            statuses[answer.status_code] += 1
                            accepted += answer.status_code == 202
                        time.sleep(0.2)
                assert {name for name, process in plant.processes.items() if process.poll() is not None} == set(), code
                text = plant.log_text()
                assert [fault for fault in FAULTS if fault in text] == [], (code, text[-3000:])
        wait_until(lambda: plant.all_ended(accepted), within=200, what="every call ended", every=0.5)
        counts, rings = plant.counts(), plant.rings()
        print(f"{len(TROUBLES)} troubles; answers of HTTP: {dict(statuses)}; ends: {counts}")
        assert set(statuses) <= {200, 202, 503}
        assert {extid: n for extid, n in rings.items() if n > 1} == {}
        assert len(rings) >= accepted
        assert counts.get("completed") == sum(counts.values()), counts
        with plant.redis.client() as client:
            assert client.xlen("alodial:{dial}:dead") == 0
