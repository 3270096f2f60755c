"""Connections that scripts keep: no answer goes to another command, and a broken one is replaced."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis.exceptions
from error_server import read_command
from pydantic import SecretStr

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, script_connections
from alodial.store.client import AsyncStore, Operation, Store
from alodial.store.connect import connect, connect_async
from alodial.store.keys import Keys
from alodial.store.log_stream import LogWriter
from alodial.store.script_connections import ANSWER_SIZE, KEPT, AsyncScriptConnections, ScriptConnections, _is_plain
from alodial.store.scripts import CONFIRMED
from alodial.testing.redis_server import EmbeddedRedis


def run(url: str, work: Callable[[AsyncScriptConnections], Awaitable[None]]) -> None:
    async def connected() -> None:
        client = connect_async(url, timeout=5)
        try:
            await work(AsyncScriptConnections(client))
        finally:
            await client.aclose(close_connection_pool=True)

    asyncio.run(connected())


def test_commands_run_at_once_get_their_own_answers_and_give_back_what_is_not_kept(redis_server: EmbeddedRedis) -> None:
    async def work(connections: AsyncScriptConnections) -> None:
        for _ in range(2):
            answers = await asyncio.gather(*(connections.execute("ECHO", n) for n in range(3 * KEPT)))
            assert answers == [b"%d" % n for n in range(3 * KEPT)]
        assert len(connections._kept) == KEPT
        assert len(connections._pool._in_use_connections) == KEPT

    run(redis_server.url, work)


def test_the_answer_of_a_command_that_was_canceled_goes_to_no_other(redis_server: EmbeddedRedis) -> None:
    async def work(connections: AsyncScriptConnections) -> None:
        assert await connections.execute("ECHO", "before") == b"before"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connections.execute("BLPOP", "nothing", 1), 0.1)
        assert await connections.execute("ECHO", "after") == b"after"
        assert len(connections._kept) == 1

    run(redis_server.url, work)


def test_a_connection_that_redis_closed_is_replaced(redis_server: EmbeddedRedis) -> None:
    async def work(connections: AsyncScriptConnections) -> None:
        with redis_server.client() as admin:
            for _ in range(3):
                own = await connections.execute("CLIENT", "ID")
                admin.client_kill_filter(_id=str(own))
                assert await connections.execute("CLIENT", "ID") != own

    run(redis_server.url, work)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_connection_that_was_reset_while_nobody_used_it_is_replaced(loop: str, is_kept: bool) -> None:
    module = pytest.importorskip(loop)
    accepted: list[socket.socket] = []

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            accepted.append(connection)
            with connection, connection.makefile("rb") as stream:
                while read_command(stream):
                    connection.sendall(b"+OK\r\n")

    async def work(port: int) -> None:
        client = connect_async(f"redis://127.0.0.1:{port}/0", timeout=5)
        execute = AsyncScriptConnections(client).execute if is_kept else client.execute_command
        await execute("ECHO", "OK")
        pool: Any = client.connection_pool
        (idle,) = {*pool._available_connections} | {*pool._in_use_connections}
        # With no time to linger the close that follows resets the connection.
        accepted[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted[0].shutdown(socket.SHUT_RD)
        async with asyncio.timeout(15):
            while not idle._writer.transport.is_closing():
                await asyncio.sleep(0.01)
        if not is_kept:
            # Earlier versions of redis-py replace it and do not send the command again.
            with contextlib.suppress(Exception):
                await execute("ECHO", "OK")
        assert [await execute("ECHO", "OK") for _ in range(3)] == [b"OK"] * 3
        await client.aclose(close_connection_pool=True)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        module.run(work(server.getsockname()[1]))
        thread.join(15)


REPLICA = "READONLY You can't write against a read only replica."
WRAPPED = f"ERR Error running script (call to f_1): @user_script:1: -{REPLICA}"


@contextlib.contextmanager
def demoted(error: str, primary: bytes = b"+OK\r\n") -> Iterator[str]:
    """The URL of a server that became a replica; whoever connects anew comes to the primary."""

    def serve(server: socket.socket) -> None:
        for answer in (f"-{error}\r\n".encode(), primary):
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                while read_command(stream):
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        thread.join(15)


@pytest.mark.parametrize("error", [REPLICA, WRAPPED])
def test_a_connection_to_what_became_a_replica_is_given_up_for_one_to_the_primary(error: str) -> None:
    async def work(connections: AsyncScriptConnections) -> None:
        assert await connections.execute("ECHO", "OK") == b"OK"

    with demoted(error) as url:
        run(url, work)
    with demoted(error) as url:
        client = connect(url, timeout=5)
        assert ScriptConnections(client).execute("ECHO", "OK") == b"OK"
        client.connection_pool.disconnect()


@pytest.mark.parametrize("error", [REPLICA, WRAPPED])
def test_a_confirmed_operation_gives_up_a_connection_to_what_became_a_replica(settings: Settings, error: str) -> None:
    """Its answers were values, so that the connection went back to the pool, and each further operation failed too."""
    op: Operation[int] = Operation("resume", [], lambda answer: answer)
    assert op.script in CONFIRMED

    def at(url: str) -> Settings:
        return settings.model_copy(update={"redis_url": SecretStr(url), "durability": "replica"})

    async def work(url: str) -> int:
        store = AsyncStore(at(url))
        answer = await store.run(op)
        await store.aclose()
        return answer

    def ask(url: str, run: Callable[[Store], Any]) -> Any:
        store = Store(at(url))
        store._checked = True
        answer = run(store)
        store.close()
        return answer

    with demoted(error, b":1\r\n") as url:
        assert asyncio.run(work(url)) == 1
    with demoted(error, b":1\r\n") as url:
        assert ask(url, lambda store: store.run(op)) == 1
    with demoted(error, b":1\r\n") as url:
        assert ask(url, lambda store: list(store.run_overlapped([op]))) == [1]


def test_a_refusal_among_several_commands_is_an_answer_and_its_connection_stays(connections: ScriptConnections) -> None:
    first, refused, last = connections.execute_all([("CLIENT", "ID"), ("EVALSHA", "0" * 40, 0), ("ECHO", "last")])
    assert isinstance(refused, redis.exceptions.NoScriptError)
    assert (last, connections.execute("CLIENT", "ID")) == (b"last", first)


def test_a_command_finds_the_primary_again_where_its_connection_leads_to_a_replica() -> None:
    async def work(url: str) -> None:
        client: Any = connect_async(url, timeout=5)
        with contextlib.suppress(redis.exceptions.ReadOnlyError):  # redis-py before 6 does not send it again
            await client.execute_command("ECHO", "OK")
        assert await client.execute_command("ECHO", "OK") == b"OK"
        await client.aclose(close_connection_pool=True)

    with demoted(REPLICA) as url:
        asyncio.run(work(url))
    with demoted(REPLICA) as url:
        client: Any = connect(url, timeout=5)
        with contextlib.suppress(redis.exceptions.ReadOnlyError):
            client.execute_command("ECHO", "OK")
        assert client.execute_command("ECHO", "OK") == b"OK"
        client.connection_pool.disconnect()


def test_log_lines_go_to_the_primary_again_where_their_connection_leads_to_a_replica() -> None:
    with demoted(REPLICA) as url:
        client: Any = connect(url, timeout=5, connections=1, repeat=0)
        writer = LogWriter(client, Keys(), "mine", 1000)
        with pytest.raises(redis.exceptions.ReadOnlyError):
            writer.append(0, [b"{}"])
        assert writer._add(0, [b"{}"]) == [b"OK"]
        client.connection_pool.disconnect()


def test_every_kind_of_argument_is_sent_as_it_is_written(redis_server: EmbeddedRedis) -> None:
    async def work(connections: AsyncScriptConnections) -> None:
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


@pytest.fixture
def connections(redis_server: EmbeddedRedis) -> Iterator[ScriptConnections]:
    client = connect(redis_server.url, timeout=5)
    yield ScriptConnections(client)
    client.connection_pool.disconnect()


def test_threads_get_their_own_answers_and_give_back_what_is_not_kept(connections: ScriptConnections) -> None:
    count = 2 * KEPT
    together = threading.Barrier(count)

    def ask(number: int) -> list[Any]:
        together.wait(15)
        return [connections.execute("ECHO", f"{number} {i}") for i in range(50)]

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(ask, range(count)))
    assert answers == [[f"{number} {i}".encode() for i in range(50)] for number in range(count)]
    # Threads that gave back at once may each have seen room for one more.
    assert 1 <= len(connections._kept()) <= count
    connections.close()
    assert connections._kept() == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt, redis.exceptions.TimeoutError])
def test_an_answer_that_was_not_waited_for_goes_to_no_other_command(
    connections: ScriptConnections, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    connections.execute("PING")
    [kept] = connections._kept()

    def interrupted() -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(kept, "read_response", interrupted)
        with pytest.raises(fault):
            connections.execute("ECHO", "before")
    assert connections.execute("ECHO", "after") == b"after"
    assert connections._kept() == [kept]


def test_over_a_plain_socket_the_bytes_of_a_command_are_sent_and_received_at_once(
    connections: ScriptConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.execute("PING")
    [kept] = connections._kept()
    assert _is_plain(kept)
    monkeypatch.setattr(kept, "send_packed_command", None)
    assert [connections.execute("EVAL", f"return {n}", 0) for n in (1, 0, -1, 11)] == [1, 0, -1, 11]
    for length in (0, ANSWER_SIZE - 8, ANSWER_SIZE, 5 * ANSWER_SIZE):
        assert connections.execute("EVAL", "return string.rep('x', ARGV[1])", 0, length) == b"x" * length
    with pytest.raises(redis.exceptions.ResponseError, match="wrong number of arguments"):
        connections.execute("GET")
    assert connections.execute("ECHO", "after") == b"after"
    assert connections._kept() == [kept]


@pytest.mark.parametrize(
    "changes", [{"_sock": None}, {"_sock": object()}, {"_parser": object()}, {"health_check_interval": 1}]
)
def test_where_a_connection_needs_more_redis_py_does_all_of_it(
    connections: ScriptConnections, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    connections.execute("PING")
    [kept] = connections._kept()
    with monkeypatch.context() as patch:
        for name, value in changes.items():
            patch.setattr(kept, name, value)
        assert not _is_plain(kept)
    assert not _is_plain(redis.SSLConnection())


def test_a_connection_that_another_thread_closes_before_the_bytes_are_sent_connects_again(
    connections: ScriptConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.execute("PING")

    def closed_since(connection: Any) -> bool:
        connection.disconnect()
        return True

    monkeypatch.setattr(script_connections, "_is_plain", closed_since)
    assert connections.execute("ECHO", "OK") == b"OK"


def test_an_answer_that_takes_too_long_is_said_in_the_words_of_redis_py() -> None:
    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as accepted:
            while True:
                connection = accepted.enter_context(server.accept()[0])
                stream = accepted.enter_context(connection.makefile("rb"))
                while words := read_command(stream):
                    if b"SLOW" in words:
                        break
                    connection.sendall(b"+OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        client = connect(f"redis://127.0.0.1:{server.getsockname()[1]}/0", timeout=0.3)
        connections = ScriptConnections(client)
        assert connections.execute("ECHO", "OK") == b"OK"
        with pytest.raises(redis.exceptions.TimeoutError, match="Timeout reading from"):
            connections.execute("SLOW")
        assert not any(connection._sock for connection in connections._kept())
        client.connection_pool.disconnect()


def test_a_refused_command_leaves_its_connection_in_use(connections: ScriptConnections) -> None:
    own = connections.execute("CLIENT", "ID")
    with pytest.raises(redis.exceptions.NoScriptError):
        connections.execute("EVALSHA", "0" * 40, 0)
    assert connections.execute("CLIENT", "ID") == own


def test_a_connection_of_a_thread_that_redis_closed_is_replaced(
    connections: ScriptConnections, redis_server: EmbeddedRedis
) -> None:
    with redis_server.client() as admin:
        own = connections.execute("CLIENT", "ID")
        admin.client_kill_filter(_id=str(own))
        assert connections.execute("CLIENT", "ID") != own


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_shares_no_connection_with_its_parent(connections: ScriptConnections) -> None:
    own = connections.execute("CLIENT", "ID")
    if (child := os.fork()) == 0:
        try:
            os._exit(0 if connections.execute("CLIENT", "ID") > own else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    # The child has closed its copy of the connection; that of the parent still works.
    assert connections.execute("CLIENT", "ID") == own


def test_a_closed_store_has_no_connection_left(settings: Settings) -> None:
    store = Store(settings)
    pool: Any = store.redis.connection_pool
    store.run(call_transitions.resume(""))
    store.redis.ping()
    assert any(connection._sock for connection in pool._connections)
    store.close()
    assert not any(connection._sock for connection in pool._connections)
