"""What is said of a Redis that is too old, a replica, closed to CONFIG, wasteful, or behind too few Sentinels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from fake_sentinel import FakeSentinel

from alodial.settings import Settings
from alodial.store import redis_checks
from alodial.store.connect import connect
from alodial.store.keys import Keys
from alodial.store.redis_checks import RedisCheck
from alodial.testing.redis_server import EmbeddedRedis, free_port

keys = Keys()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder=tmp_path, fsync="no") as server:
        yield server


def checks_of(client: "redis.Redis") -> dict[str, RedisCheck]:
    return {check.name.removeprefix("redis."): check for check in redis_checks.inspect(client)}


def test_a_redis_that_hides_its_configuration_is_judged_by_what_info_says(server: EmbeddedRedis) -> None:
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-config")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    with redis.Redis(port=server.port, username="app", password="secret") as client:
        assert (checks_of(client)["eviction"].level, checks_of(client)["durability"].level) == ("ok", "ok")
        with server.client() as admin:
            admin.config_set("maxmemory-policy", "allkeys-lru")
            admin.config_set("appendonly", "no")
        eviction, durability = checks_of(client)["eviction"], checks_of(client)["durability"]
    assert (eviction.level, eviction.finding) == ("error", "store_evicts")
    assert (durability.level, durability.finding) == ("warning", "store_not_durable")


def test_a_part_of_a_redis_cluster_is_an_error(server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.client() as client:
        info: dict[str, Any] = client.info()  # type: ignore[assignment]  # redis-py's answer may be awaitable
        monkeypatch.setattr(client, "info", lambda: info | {"cluster_enabled": 1})
        assert (checks_of(client)["cluster"].level, checks_of(client)["cluster"].finding) == ("error", "store_cluster")


def test_a_replica_is_an_error_because_nothing_can_be_written_to_it(server: EmbeddedRedis) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", free_port())  # type: ignore[no-untyped-call]  # as above
        assert checks_of(client)["role"].level == "error"


def test_a_redis_before_6_2_is_an_error_with_what_to_install(
    server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.client() as client:
        old: dict[str, Any] = {"redis_version": "6.0.16", "role": "master"}
        monkeypatch.setattr(client, "info", lambda: old)
        check = checks_of(client)["version"]
    assert (check.level, check.message) == ("error", "Redis 6.0.16 is too old")
    assert check.hint == "install Redis 6.2 or newer"


def test_records_that_are_not_packed_are_warned_of_with_the_command(server: EmbeddedRedis) -> None:
    with server.client() as client:
        assert "packing" not in checks_of(client)
        client.config_set("hash-max-ziplist-value", 64)
        check = checks_of(client)["packing"]
    assert (check.level, check.hint) == ("warning", "redis-cli CONFIG SET hash-max-listpack-value 1024")


@pytest.mark.parametrize(("sentinels", "warned"), [(1, True), (3, False)])
def test_fewer_sentinels_than_a_majority_needs_are_warned_of(
    sentinels: int, warned: bool, server: EmbeddedRedis
) -> None:
    fakes = [FakeSentinel(("127.0.0.1", server.port)) for _ in range(sentinels)]
    url = f"redis+sentinel://{','.join(f'127.0.0.1:{fake.port}' for fake in fakes)}/calls/0"
    settings = Settings(_env_file=None, redis_url=url, durability="replica")
    with connect(url) as client:
        client.config_set("min-replicas-to-write", 1)
        names = {check.name for check in redis_checks.inspect_for(client, keys, settings)}
    for fake in fakes:
        fake.close()
    assert ("redis.sentinels" in names) == warned
    assert redis_checks.LOSES_ON_FAILOVER not in names
