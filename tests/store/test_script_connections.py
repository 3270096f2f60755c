"""Connections that scripts keep: no answer goes to another command, and a broken one is replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.client import AsyncStore
from alodial.store.connect import connect_async
from alodial.store.script_connections import KEPT, ScriptConnections
from alodial.testing.redis_server import EmbeddedRedis


def run(url: str, work: Callable[[ScriptConnections], Awaitable[None]]) -> None:
    async def connected() -> None:
        client = connect_async(url, timeout=5)
        try:
            await work(ScriptConnections(client))
        finally:
            await client.aclose(close_connection_pool=True)

    asyncio.run(connected())


def test_commands_run_at_once_get_their_own_answers_and_give_back_what_is_not_kept(redis_server: EmbeddedRedis) -> None:
    async def work(connections: ScriptConnections) -> None:
        for _ in range(2):
            answers = await asyncio.gather(*(connections.execute("ECHO", n) for n in range(3 * KEPT)))
            assert answers == [b"%d" % n for n in range(3 * KEPT)]
        assert len(connections._kept) == KEPT
        assert len(connections._pool._in_use_connections) == KEPT

    run(redis_server.url, work)


def test_the_answer_of_a_command_that_was_canceled_goes_to_no_other(redis_server: EmbeddedRedis) -> None:
    async def work(connections: ScriptConnections) -> None:
        assert await connections.execute("ECHO", "before") == b"before"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connections.execute("BLPOP", "nothing", 1), 0.1)
        assert await connections.execute("ECHO", "after") == b"after"
        assert len(connections._kept) == 1

    run(redis_server.url, work)


def test_a_connection_that_redis_closed_is_replaced(redis_server: EmbeddedRedis) -> None:
    async def work(connections: ScriptConnections) -> None:
        with redis_server.client() as admin:
            for _ in range(3):
                own = await connections.execute("CLIENT", "ID")
                admin.client_kill_filter(_id=str(own))
                assert await connections.execute("CLIENT", "ID") != own

    run(redis_server.url, work)


def test_every_kind_of_argument_is_sent_as_it_is_written(redis_server: EmbeddedRedis) -> None:
    async def work(connections: ScriptConnections) -> None:
        arguments: list[Any] = ["Ўзбекистон", b"\xff\x00", 0, -7, 2**53, 0.1, 500.0]
        answer = await connections.execute("EVAL", "return ARGV", 0, *arguments)
        assert answer[:2] == ["Ўзбекистон".encode(), b"\xff\x00"]
        assert [float(value) for value in answer[2:]] == arguments[2:]

    run(redis_server.url, work)


def test_a_store_that_went_away_is_unavailable_and_works_again_once_it_is_back(settings: Settings) -> None:
    async def work() -> None:
        with EmbeddedRedis() as server:
            store = AsyncStore(settings.model_copy(update={"redis_url": SecretStr(server.url)}))
            await store.run(call_transitions.resume(""))
            server.kill()
            with pytest.raises(StoreUnavailable):
                await store.run(call_transitions.resume(""))
            server.start()
            await store.run(call_transitions.resume(""))
            await store.aclose()

    asyncio.run(work())
