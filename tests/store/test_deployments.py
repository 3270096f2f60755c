"""The store on every kind of Redis that the settings name: cluster, Sentinel, unix socket, password, replica."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from alodial import CallQueue, TwoWayCall
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, events, redis_checks
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.client import AsyncStore, Store
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis, find_server, free_port

keys = Keys()

pytestmark = pytest.mark.slow

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
NO_LIMITS = AccountSettings(calls_per_second=50, max_concurrent_calls=10)


def settings_for(url: str, **more: object) -> Settings:
    return Settings(_env_file=None, redis_url=url, **more)  # type: ignore[call-arg, arg-type] # pydantic-settings' own


def a_whole_life(settings: Settings) -> None:
    """From enqueue to completed, and each script once."""
    store = Store(settings)
    with CallQueue(settings=settings, store=store) as queue:
        epoch = redis_checks.epoch(store.redis, keys)
        call = queue.enqueue(CALL)
        canceled = queue.enqueue(CALL)
        queue.cancel(canceled.id)
        store.run(call_transitions.pace())
        claimed = store.run(
            call_transitions.claim(settings, "default", NO_LIMITS, epoch=epoch, room=5, horizon=1, attend=1)
        ).calls
        assert [one.id for one in claimed] == [call.id]
        one = claimed[0]
        armed = store.run(
            call_transitions.arm(
                settings, NO_LIMITS, [Arming(one.record, one.token, one.slot)], epoch=epoch, worker="w"
            )
        )
        assert armed[0].outcome == "armed"
        assert store.run(
            call_transitions.settle(settings, NO_LIMITS, [Settling(one.record, one.token, "taken", answer="{}")])
        ) == ["submitted"]
        store.run(call_transitions.sweep(settings))
        applied = store.run(call_transitions.apply_results([Applying(one.extid, "{}", "digest", "answered")]))
        assert applied[0].outcome == "completed"
        store.run(events.trim(1000))
        assert queue.get(call.id).state == "completed"
        assert [row.id for row in queue.calls().calls] == [canceled.id, call.id]
        assert len(list(queue.events("test", block=0))) == 5


def test_every_script_stays_in_one_slot_of_a_cluster(tmp_path: Path) -> None:
    node = EmbeddedRedis(folder=tmp_path, fsync="no", options=("--cluster-enabled", "yes"))
    while node.port > 55_535:  # the cluster's own port is 10,000 higher
        node = EmbeddedRedis(folder=tmp_path, fsync="no", options=("--cluster-enabled", "yes"))
    with node as server:
        with server.client() as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            while "ok" not in str(client.cluster("info")["cluster_state"]):
                time.sleep(0.05)
        # Dramatiq's wake-ups do not keep to one slot: on a cluster they need a Redis of their own.
        (tmp_path / "broker").mkdir()
        with EmbeddedRedis(folder=tmp_path / "broker", fsync="no") as broker:
            a_whole_life(settings_for(server.url, broker_url=broker.url))


def test_a_redis_behind_a_password_and_one_on_a_unix_socket_are_used(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    with EmbeddedRedis(folder=tmp_path, fsync="no", options=("--unixsocket", str(socket))) as server:
        with server.client() as client:
            client.config_set("requirepass", "planted")
        a_whole_life(settings_for(f"unix://:planted@{socket}?db=0"))
        with redis.Redis(port=server.port, password="planted") as client:
            client.flushall()
        a_whole_life(settings_for(server.url.replace("redis://", "redis://:planted@")))


@contextmanager
def sentinel(folder: Path, master_port: int) -> Iterator[int]:
    port = free_port()
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor calls 127.0.0.1 {master_port} 1\n"
        "sentinel down-after-milliseconds calls 1000\nsentinel failover-timeout calls 3000\n"
    )
    process = subprocess.Popen([find_server(), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            for _ in range(500):
                try:
                    if client.execute_command("SENTINEL", "get-master-addr-by-name", "calls"):
                        break
                except redis.RedisError:
                    continue
        yield port
    finally:
        process.kill()
        process.wait()


def test_the_primary_is_found_through_sentinel(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with EmbeddedRedis(folder=tmp_path / "redis", fsync="no") as server, sentinel(tmp_path, server.port) as port:
        a_whole_life(settings_for(f"redis+sentinel://127.0.0.1:{port}/calls/0"))


def test_an_arm_waits_for_the_replica_and_is_refused_without_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with EmbeddedRedis(folder=tmp_path / "one", fsync="no", options=("--repl-diskless-sync-delay", "0")) as primary:
        settings = settings_for(primary.url, durability="replica")
        store = Store(settings)
        epoch = redis_checks.epoch(store.redis, keys)

        def arm(*, replica: bool) -> int:
            with CallQueue(settings=settings_for(primary.url)) as queue:
                queue.enqueue(CALL)
            one = store.run(
                call_transitions.claim(settings, "default", NO_LIMITS, epoch=epoch, room=1, horizon=1, attend=0)
            ).calls[0]
            op = call_transitions.arm(
                settings, NO_LIMITS, [Arming(one.record, one.token, one.slot)], epoch=epoch, worker="w"
            )

            async def run() -> int:
                mine = AsyncStore(settings)
                try:
                    return (await mine.run_durable(op, ("WAIT", 1, 2000 if replica else 300)))[1]
                finally:
                    await mine.aclose()

            return asyncio.run(run())

        assert arm(replica=False) == 0
        follow = ("--replicaof", "127.0.0.1", str(primary.port))
        with EmbeddedRedis(folder=tmp_path / "two", fsync="no", options=follow):
            while "online" not in str(store.redis.info("replication")):
                time.sleep(0.05)
            assert arm(replica=True) == 1
        store.close()


def test_a_redis_that_evicts_is_called_unfit(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path, fsync="no") as server, server.client() as client:
        assert {check.level for check in redis_checks.inspect(client)} == {"ok"}
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        checks = {check.name: check for check in redis_checks.inspect(client)}
        assert checks["redis.eviction"].level == "error"
        assert checks["redis.eviction"].hint == "redis-cli CONFIG SET maxmemory-policy noeviction"
        assert checks["redis.durability"].level == "warning"


def test_a_redis_that_does_not_sync_while_it_rewrites_is_unfit_for_fsync(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path, fsync="always") as server, server.client() as client:
        settings = settings_for(server.url, durability="fsync")
        assert {check.level for check in redis_checks.inspect_for(client, keys, settings)} == {"ok"}
        client.config_set("no-appendfsync-on-rewrite", "yes")
        checks = {check.name: check for check in redis_checks.inspect_for(client, keys, settings)}
        assert checks["redis.durability"].level == "warning"
        assert checks["redis.durability"].hint == "redis-cli CONFIG SET no-appendfsync-on-rewrite no"
        assert checks["redis.fsync"].level == "error"
