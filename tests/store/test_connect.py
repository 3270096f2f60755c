"""Connections: URLs that cannot be used, Sentinels that know nothing, and what a new connection is checked for."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fake_sentinel import FakeSentinel
from redis.exceptions import ConnectionError

from alodial.errors import ConfigurationError, StoreUnavailable
from alodial.settings import Settings
from alodial.store import primary
from alodial.store.client import AsyncStore, Store
from alodial.store.connect import connect, connect_async, read_sentinel_url
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


@pytest.mark.parametrize("make", [connect, connect_async])
@pytest.mark.parametrize("url", ["http://app:hunter2@redis/0", "redis://app:hunter2@redis:port/0"])
def test_a_url_of_another_kind_is_refused_without_its_password(make: Callable[[str], Any], url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ALODIAL_REDIS_URL: (begins with|not a Redis URL)") as refused:
        make(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis+sentinel://:hunter2@one:26379", "name the service"),
        ("redis+sentinel:///calls/0", "name the Sentinels"),
        ("redis+sentinel://:hunter2@one:26379/calls/zero", "is a number"),
        ("redis+sentinel://:hunter2@one:port/calls/0", "ALODIAL_REDIS_URL"),
    ],
)
def test_a_sentinel_url_that_lacks_a_part_is_refused_with_that_part(url: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy) as refused:
        read_sentinel_url(url)
    assert "hunter2" not in str(refused.value)


def test_sentinels_that_do_not_know_the_service_are_a_store_that_is_unavailable(settings: Settings) -> None:
    sentinel = FakeSentinel(None)
    with pytest.raises(StoreUnavailable):
        Store(_behind(settings, sentinel.port)).call(lambda client, _: client.ping())
    sentinel.close()


def test_a_plain_redis_named_as_a_sentinel_is_a_store_that_is_unavailable(
    settings: Settings, redis_server: EmbeddedRedis
) -> None:
    with pytest.raises(StoreUnavailable):
        Store(_behind(settings, redis_server.port)).call(lambda client, _: client.ping())


def test_a_worker_writes_to_no_primary_that_the_sentinels_stopped_confirming(
    settings: Settings, redis_server: EmbeddedRedis
) -> None:
    sentinel = FakeSentinel(("127.0.0.1", redis_server.port))

    async def work() -> None:
        store = AsyncStore(_behind(settings, sentinel.port), on_connect=primary.introduce(settings))
        assert await store.redis.ping()
        sentinel.silent = True
        await asyncio.sleep(2.5)  # a confirmation is good for two seconds
        await store.redis.connection_pool.disconnect()
        with pytest.raises(ConnectionError, match="does not confirm"):
            await store.redis.ping()
        sentinel.silent = False
        async with asyncio.timeout(15):
            while not await _answers(store):
                await asyncio.sleep(0.05)
        await store.aclose()

    asyncio.run(work())
    sentinel.close()


async def _answers(store: AsyncStore) -> bool:
    try:
        return bool(await store.redis.ping())
    except ConnectionError:
        return False


def test_a_worker_that_may_not_read_info_works_and_begins_no_generation(
    settings: Settings, redis_server: EmbeddedRedis
) -> None:
    with redis_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "noinfo", "on", ">secret", "~*", "&*", "+@all", "-info")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def work() -> None:
        url = type(settings.redis_url)(f"redis://noinfo:secret@127.0.0.1:{redis_server.port}/0")
        ours = settings.model_copy(update={"redis_url": url})
        store = AsyncStore(ours, on_connect=primary.introduce(ours))
        assert await store.redis.ping()
        assert not await store.redis.exists(f"{keys.PREFIX}primary")
        await store.aclose()
        usual = AsyncStore(settings, on_connect=primary.introduce(settings))
        assert await usual.redis.ping()
        assert await usual.redis.exists(f"{keys.PREFIX}primary")
        await usual.aclose()

    try:
        asyncio.run(work())
    finally:
        with redis_server.client() as admin:
            admin.execute_command("ACL", "DELUSER", "noinfo")  # type: ignore[no-untyped-call]  # as above


def _behind(settings: Settings, port: int) -> Settings:
    url = type(settings.redis_url)(f"redis+sentinel://127.0.0.1:{port}/calls/0")
    return settings.model_copy(update={"redis_url": url})
