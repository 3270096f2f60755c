"""Our own troubles say nothing about a result: it stays in the inbox, is read again, and stops no other."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from alodial.settings import Settings
from alodial.store import inbox
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial_schemas.alovoice.result import CallResult, parse_results
from alodial_workers import collect as collecting
from alodial_workers.collect import GIVE_UP_AFTER, GIVE_UP_READS, recover, retry_orphans

from .test_collect import JSON, Plant, result

keys = Keys()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def plant(settings: Settings, store: Store) -> Plant:
    return Plant(settings, store)


def _crashing(mark: bytes, error: type[Exception]) -> Callable[..., Any]:
    def crash(body: bytes, content_type: str) -> Any:
        if mark in body:
            raise error("a trouble of ours")
        return parse_results(body, content_type)

    return crash


def _read_again(plant: Plant) -> None:
    recover(plant.store, plant.settings, "second", idle=0)


@pytest.mark.parametrize("error", [OSError, MemoryError, RecursionError, TypeError])
def test_a_body_that_we_fail_to_read_stays_in_the_inbox_and_stops_no_other(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    extids = [plant.submitted() for _ in range(4)]
    plant.put(*(result(extid, "BUSY" if extid == extids[1] else "ANSWER") for extid in extids))
    with monkeypatch.context() as broken:
        broken.setattr(collecting, "parse_results", _crashing(b"BUSY", error))
        plant.collect()
        for _ in range(GIVE_UP_READS + 2):
            _read_again(plant)
    assert [plant.state(extid) for extid in extids] == ["completed", "submitted", "completed", "completed"]
    assert (plant.dead(), plant.waiting()) == ([], 1)
    _read_again(plant)
    assert (plant.queue.get(extids[1]).disposition, plant.waiting()) == ("busy", 0)


def test_a_failure_behind_the_parser_leaves_the_body_in_the_inbox(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    extids = [plant.submitted() for _ in range(4)]
    plant.put(*(result(extid, "BUSY" if extid == extids[1] else "ANSWER") for extid in extids))
    real = collecting.result_json

    def crash(result: CallResult) -> str:
        if result.dialstatus == "BUSY":
            raise MemoryError
        return real(result)

    with monkeypatch.context() as broken:
        broken.setattr(collecting, "result_json", crash)
        assert plant.collect() == 4
    assert [plant.state(extid) for extid in extids] == ["completed", "submitted", "completed", "completed"]
    _read_again(plant)
    assert plant.state(extids[1]) == "completed"
    assert (plant.dead(), plant.waiting(), len(plant.events("call.completed"))) == ([], 0, 4)


def test_a_damaged_record_stops_no_other_result_and_its_own_waits_for_the_record(plant: Plant) -> None:
    extids = [plant.submitted() for _ in range(3)]
    plant.redis.hset(keys.record(extids[0]), "s", "nonsense")
    plant.put(*(result(extid) for extid in extids))
    plant.collect()
    assert [plant.state(extid) for extid in extids[1:]] == ["completed", "completed"]
    assert plant.dead() == []
    plant.redis.hset(keys.record(extids[0]), "s", "submitted")
    _read_again(plant)
    assert plant.state(extids[0]) == "completed"


def test_a_body_that_we_never_manage_to_read_becomes_a_dead_letter_with_the_reason(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "parse_results", _crashing(b"BOOM", MemoryError))
    old = plant.store.server_ms() - int((GIVE_UP_AFTER + 1) * 1000)
    plant.redis.xadd(keys.INBOX, {"b": b"BOOM", "t": JSON}, id=f"{old}-0")
    plant.collect()
    for _ in range(GIVE_UP_READS - 2):
        _read_again(plant)
    assert (plant.dead(), plant.waiting()) == ([], 1)
    _read_again(plant)
    (dead,) = plant.dead()
    assert (dead.kind, dead.body) == ("unreadable", b"BOOM")
    assert dead.reason == f"processing failed {GIVE_UP_READS} times: MemoryError"
    assert (plant.waiting(), len(plant.events("result.unreadable"))) == (0, 1)


def test_an_orphan_that_we_fail_to_apply_waits_and_a_damaged_one_is_a_dead_letter(plant: Plant) -> None:
    plant.put(result("777000111"), result("777000222"))
    plant.collect()
    plant.redis.set(keys.record("777000111"), "no hash")
    plant.redis.zadd(keys.ORPHANS, {"{damaged": plant.store.server_ms()})
    now = plant.store.server_ms()
    for _ in range(2):
        retry_orphans(plant.store, plant.settings, now)
    assert [dead.body for dead in plant.dead()] == [b"{damaged"]
    assert plant.redis.zcard(keys.ORPHANS) == 2
    retry_orphans(plant.store, plant.settings, now + int(plant.settings.orphan_timeout * 1000) + 1000)
    reasons = {dead.reason.partition(":")[0] for dead in plant.dead()}
    assert reasons == {"processing failed", "unknown_extid"}
    assert plant.redis.zcard(keys.ORPHANS) == 0


SHORT_OF_DESCRIPTORS = """
import os, resource, sys
from alodial.observability.logging import configure
from alodial.settings import Settings
from alodial.store.client import Store
from alodial_workers.collect import collect, recover
settings = Settings(_env_file=None, redis_url=sys.argv[1], log_format="json")
configure(settings)
store = Store(settings)
store.redis.ping()
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), limits[1]))
collect(store, settings, "reader")
print(store.redis.xlen(store.keys.INBOX), store.redis.xlen(store.keys.DEAD))
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
recover(store, settings, "reader", 0)
print(store.redis.xlen(store.keys.INBOX), store.redis.xlen(store.keys.DEAD))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="lists the open files of a process")
def test_a_worker_without_free_descriptors_leaves_a_good_result_for_later(plant: Plant) -> None:
    """The codec of a body in cp1251 is loaded from its file when the first such body comes."""
    extid = plant.submitted()
    body = json.dumps({**result(extid), "comment": "занято"}, ensure_ascii=False).encode("cp1251")
    plant.put(body)
    done = subprocess.run(  # this Python
        [sys.executable, "-c", SHORT_OF_DESCRIPTORS, plant.settings.redis_url.get_secret_value()],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in done.stdout.splitlines() if line[:1].isdigit() and len(line) == 3] == ["1 0", "0 0"]
    assert plant.state(extid) == "completed"


def test_a_lost_store_gets_its_group_of_collectors_again(plant: Plant) -> None:
    """FLUSHALL takes the group with everything else: results that come afterwards must not wait for a restart."""
    plant.redis.flushall()
    assert plant.collect() == 0
    plant.put(result("777000111"))
    assert plant.collect() == 1
    plant.redis.flushall()
    assert recover(plant.store, plant.settings, "second", idle=0) == 0
    plant.redis.flushall()
    inbox.forget_readers(plant.redis, keys, 0)
