"""Following the primary that Sentinels name: in parallel, by the majority, at once, and never for longer than 2 s."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from fake_sentinel import FakeSentinel

from alodial import CallQueue
from alodial.errors import ConfigurationError, StoreUnavailable
from alodial.settings import Settings
from alodial.store.client import confirmation
from alodial.store.connect import connect, connect_async, read_sentinel_url, watcher_of
from alodial.store.script_connections import POOL_ARGUMENTS
from alodial.testing.redis_server import EmbeddedRedis, free_port
from waiting import wait_until


class Sentinels:
    """Three Sentinels that name one primary."""

    def __init__(self, primary: EmbeddedRedis) -> None:
        self.primary = ("127.0.0.1", primary.port)
        self.all = [FakeSentinel(self.primary) for _ in range(3)]

    def url(self, *first: int) -> str:
        ports = [*first, *(sentinel.port for sentinel in self.all)]
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/calls/0"


@pytest.fixture
def sentinels(redis_server: EmbeddedRedis) -> Iterator[Sentinels]:
    made = Sentinels(redis_server)
    yield made
    for sentinel in made.all:
        sentinel.close()


@pytest.fixture
def other() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(fsync="no") as server:
        yield server


def run_id(client: "redis.Redis") -> str:
    info: Any = client.info("server")
    return str(info["run_id"])


def test_a_silent_sentinel_that_stands_first_delays_nobody(sentinels: Sentinels) -> None:
    silent = FakeSentinel(None, silent=True)
    began = time.monotonic()
    with connect(sentinels.url(free_port(), silent.port)) as client:
        assert client.ping()
    assert time.monotonic() - began < 1
    silent.close()


def test_one_discovery_serves_all_pools_of_a_process(sentinels: Sentinels) -> None:
    clients = [connect(sentinels.url()) for _ in range(20)]
    for client in clients:
        assert client.ping()
    assert len({watcher_of(client) for client in clients}) == 1
    assert sentinels.all[0].asked <= 3


@pytest.mark.parametrize("silent", [True, False], ids=["connections-hang", "connections-are-refused"])
def test_all_sentinels_silent_is_known_within_two_seconds(silent: bool) -> None:
    hung = [FakeSentinel(None, silent=True) for _ in range(3)]
    ports = [sentinel.port if silent else free_port() for sentinel in hung]
    url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/calls/0"
    began = time.monotonic()
    with CallQueue(settings=Settings(_env_file=None, redis_url=url)) as queue, pytest.raises(StoreUnavailable):
        queue.count()
    assert time.monotonic() - began < 2.5
    for sentinel in hung:
        sentinel.close()


def test_a_switch_is_followed_at_once_and_pooled_connections_are_left(
    sentinels: Sentinels, other: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alodial.store.sentinel.ASK_EVERY", 600.0)  # their news alone can tell of the switch
    with connect(sentinels.url()) as client:
        before = run_id(client)
        watcher = watcher_of(client)
        assert watcher is not None
        wait_until(lambda: watcher.view.confirmed)
        for sentinel in sentinels.all:
            sentinel.switch(("127.0.0.1", other.port))
        wait_until(lambda: watcher.view.address == ("127.0.0.1", other.port))
        assert run_id(client) != before


def test_an_event_loop_follows_a_switch_too(sentinels: Sentinels, other: EmbeddedRedis) -> None:
    async def work() -> None:
        client = connect_async(sentinels.url())
        before: Any = await client.info("server")
        for sentinel in sentinels.all:
            sentinel.switch(("127.0.0.1", other.port))
        watcher = watcher_of(client)
        assert watcher is not None
        await asyncio.to_thread(wait_until, lambda: watcher.view.address == ("127.0.0.1", other.port))
        after: Any = await client.info("server")
        assert after["run_id"] != before["run_id"]
        await client.aclose()

    asyncio.run(work())


def test_a_request_under_way_is_finished_on_the_connection_that_it_began_on(
    sentinels: Sentinels, other: EmbeddedRedis
) -> None:
    with connect(sentinels.url()) as client:
        watcher = watcher_of(client)
        connection: Any = client.connection_pool.get_connection(*POOL_ARGUMENTS)
        connection.send_command("INFO", "server")
        for sentinel in sentinels.all:
            sentinel.switch(("127.0.0.1", other.port))
        assert watcher is not None
        wait_until(lambda: watcher.view.generation == 2)
        assert b"run_id" in connection.read_response()
        client.connection_pool.release(connection)


def test_a_single_sentinel_of_three_moves_nobody_and_confirms_nothing(
    sentinels: Sentinels, other: EmbeddedRedis
) -> None:
    with connect(sentinels.url()) as client:
        client.ping()
        watcher = watcher_of(client)
        assert watcher is not None
        wait_until(lambda: watcher.view.confirmed)
        sentinels.all[0].switch(("127.0.0.1", other.port))
        asked = sentinels.all[0].asked
        wait_until(lambda: sentinels.all[0].asked > asked + 1)
        assert watcher.view.address == sentinels.primary
        assert watcher.view.confirmed  # two of three still name it
        for sentinel in sentinels.all[1:]:
            sentinel.silent = True
        wait_until(lambda: not watcher.view.confirmed, within=8)


def test_a_primary_is_confirmed_for_two_seconds_from_when_the_sentinels_were_asked(sentinels: Sentinels) -> None:
    with connect(sentinels.url()) as client:
        client.ping()
        watcher = watcher_of(client)
        assert watcher is not None
        wait_until(lambda: watcher.view.confirmed)
        for sentinel in sentinels.all:
            sentinel.silent = True
        began = time.monotonic()
        wait_until(lambda: not watcher.view.confirmed)
        assert time.monotonic() - began <= 2.1
        assert client.ping()  # what is known is used on, until somebody knows better


def test_a_server_that_calls_itself_replica_is_not_written_to(sentinels: Sentinels, other: EmbeddedRedis) -> None:
    with other.client() as replica:
        replica.replicaof("127.0.0.1", str(sentinels.primary[1]))
        for sentinel in sentinels.all:
            sentinel.address = ("127.0.0.1", other.port)
        with connect(sentinels.url()) as client, pytest.raises(redis.ConnectionError, match="no primary"):
            client.ping()
        replica.replicaof("NO", "ONE")


def test_sentinels_may_have_passwords_of_their_own(redis_server: EmbeddedRedis) -> None:
    sentinel = FakeSentinel(("127.0.0.1", redis_server.port), password="planted-word")
    base = f"redis+sentinel://127.0.0.1:{sentinel.port}/calls/0"
    with connect(f"{base}?sentinel_password=planted-word") as client:
        assert client.ping()
    with connect(f"{base}?sentinel_password=wrong") as client, pytest.raises(redis.ConnectionError):
        client.ping()
    sentinel.close()


def test_a_sentinel_url_is_read_with_passwords_tls_and_ipv6() -> None:
    service, options = read_sentinel_url(
        "redis+sentinel://:p%40ss@s1,[::1]:26380/mymaster/3"
        "?ssl=true&sentinel_ssl=1&sentinel_username=watch&sentinel_password=w&ssl_ca_certs=/ca.pem"
    )
    assert service.nodes == (("s1", 26379), ("::1", 26380))
    assert service.name == "mymaster"
    assert service.options == {"username": "watch", "password": "w", "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert options == {"username": None, "password": "p@ss", "db": 3, "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert "w'" not in repr(service)
    for wrong in (
        "redis+sentinel://h:x/calls",
        "redis+sentinel://h:1",
        "redis+sentinel:///calls",
        "redis+sentinel://h/c/x",
    ):
        with pytest.raises(ConfigurationError):
            read_sentinel_url(wrong)


def test_replica_waits_for_every_replica_that_may_be_promoted(sentinels: Sentinels) -> None:
    sentinels.all[1].replicas = ["slave", "slave", "slave,s_down,disconnected"]
    settings = Settings(_env_file=None, redis_url=sentinels.url(), durability="replica")
    with connect(sentinels.url()) as client:
        client.ping()
        watcher = watcher_of(client)
        assert watcher is not None
        wait_until(lambda: watcher.view.replicas == 2)
        assert confirmation(settings, client) == ("WAIT", 2, 1000)
        for sentinel in sentinels.all:
            sentinel.replicas = ["slave,o_down"]
        wait_until(lambda: watcher.view.replicas == 1)  # never none: what only the primary has is lost with it
        assert confirmation(settings.model_copy(update={"durability": "fast"}), client) is None


def test_a_watcher_ends_when_no_pool_uses_it(sentinels: Sentinels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alodial.store.sentinel.IDLE_AFTER", 0.1)
    with ExitStack() as stack:
        client = stack.enter_context(connect(sentinels.url()))
        watcher = watcher_of(client)
        assert watcher is not None
        client.ping()
    del client
    import gc  # noqa: PLC0415  # only here

    gc.collect()
    wait_until(lambda: watcher.ended)
    with connect(sentinels.url()) as again:
        assert again.ping()
        assert watcher_of(again) is not watcher


def test_a_forked_process_asks_for_itself(sentinels: Sentinels, other: EmbeddedRedis) -> None:
    with connect(sentinels.url()) as client:
        client.ping()
        for sentinel in sentinels.all:
            sentinel.switch(("127.0.0.1", other.port), tell=False)
        pid = os.fork()
        if pid == 0:
            try:
                client.ping()
                watcher = watcher_of(client)
                assert watcher is not None
                wait_until(lambda: watcher.view.address == ("127.0.0.1", other.port))
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
