"""An error that passes by itself is told from a fault of ours: each code, in each form that redis-py hands it over in."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio as aioredis
from error_server import error_server, serving
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import DataError, ResponseError
from redis.retry import Retry

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, events, inbox, primary, redis_checks
from alodial.store.client import AsyncStore, Store, StoreErrors
from alodial.store.counters import APPLIED, Counters
from alodial.store.redis_errors import error_code, is_group_missing, is_passing

AT_ONCE = Retry(NoBackoff(), 0)
"""redis-py itself would try again for seconds."""

PASSING = {
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "UNBLOCKED": "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "NOAUTH": "NOAUTH Authentication required.",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM": "NOPERM User worker has no permissions to run the 'evalsha' command",
}
IN_A_SCRIPT = {
    "OOM": "ERR Error running script (call to f_3a): @user_script:7: @user_script: 7: -OOM command not allowed",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots. script: 3a, on @user_script:7.",
    "NOPERM": "NOPERM No permissions to access a key script: 3a, on @user_script:7.",
    "READONLY": "ERR Error running script (call to f_3a): @user_script:12: @user_script: 12: -READONLY You can't write",
}
OURS = [
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR unknown command 'FOO'",
    "ERR Error running script (call to f_3a): @user_script:7: attempt to index a nil value",
    "BUSYGROUP Consumer Group name already exists",
    "NOGROUP No such key 'alodial:inbox' or consumer group 'collect'",
]


def _plain(port: int) -> None:
    with redis.Redis(port=port, retry=AT_ONCE) as client, StoreErrors(Settings()):
        client.get("key")


def _pipeline(port: int) -> None:
    with (
        redis.Redis(port=port, retry=AT_ONCE) as client,
        StoreErrors(Settings()),
        client.pipeline(transaction=False) as pipe,
    ):
        pipe.set("a", "of pipeline caused error: WRONGTYPE no").set("b", 1)
        pipe.execute()


def _transaction(port: int) -> None:
    with (
        redis.Redis(port=port, retry=AT_ONCE) as client,
        StoreErrors(Settings()),
        client.pipeline(transaction=True) as pipe,
    ):
        pipe.set("a", 1).set("b", 1)
        pipe.execute()


async def _async_plain(port: int) -> None:
    async with aioredis.Redis(port=port, retry=AsyncRetry(NoBackoff(), 0)) as client:
        with StoreErrors(Settings()):
            await client.get("key")


async def _async_pipeline(port: int, *, transaction: bool = False) -> None:
    async with aioredis.Redis(port=port, retry=AsyncRetry(NoBackoff(), 0)) as client:
        with StoreErrors(Settings()):
            async with client.pipeline(transaction=transaction) as pipe:
                pipe.set("a", 1).set("b", 1)
                await pipe.execute()


def _settings(port: int) -> Settings:
    return Settings(_env_file=None, redis_url=f"redis://127.0.0.1:{port}/0", redis_timeout=2)


def _script(port: int) -> None:
    store = Store(_settings(port))
    store.run(call_transitions.resume(""))


def _overlapped(port: int) -> None:
    store = Store(_settings(port))
    list(store.run_overlapped([call_transitions.resume(""), call_transitions.resume("")]))


async def _async_script(port: int) -> None:
    store = AsyncStore(_settings(port))
    await store.run(call_transitions.resume(""))


async def _durable_script(port: int) -> None:
    store = AsyncStore(_settings(port))
    await store.run_durable(call_transitions.resume(""), ("WAIT", 1, 10))


FORMS: dict[str, Callable[[int], None]] = {
    "a command": _plain,
    "a pipeline": _pipeline,
    "a transaction": _transaction,
    "an asynchronous command": lambda port: asyncio.run(_async_plain(port)),
    "an asynchronous pipeline": lambda port: asyncio.run(_async_pipeline(port)),
    "an asynchronous transaction": lambda port: asyncio.run(_async_pipeline(port, transaction=True)),
    "a script": _script,
    "overlapped scripts": _overlapped,
    "an asynchronous script": lambda port: asyncio.run(_async_script(port)),
    "a durable script": lambda port: asyncio.run(_durable_script(port)),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_error_that_passes_is_a_store_that_is_unavailable_in_every_form(form: str) -> None:
    with serving() as server:
        for code, text in [*PASSING.items(), *IN_A_SCRIPT.items()]:
            server.error = text
            with pytest.raises(StoreUnavailable) as raised:
                FORMS[form](server.port)
            assert "redis://" not in str(raised.value), code
            assert "pipeline" not in str(raised.value), code


@pytest.mark.parametrize("form", FORMS)
def test_a_fault_of_ours_stays_one_in_every_form(form: str) -> None:
    with serving() as server:
        for server.error in OURS:
            with pytest.raises(ResponseError):
                FORMS[form](server.port)


@pytest.mark.parametrize("code", PASSING)
def test_the_code_is_found_behind_whatever_stands_in_front(code: str) -> None:
    text = PASSING[code]
    assert error_code(ResponseError(text)) == code
    assert error_code(ResponseError(f"Command # 1 (EVALSHA 3a 2 ...) of pipeline caused error: {text}")) == code
    assert error_code(ResponseError(f"Command # 1 (EVALSHA) of pipeline caused error: ({text!r},)")) == code
    assert error_code(ResponseError(f"EXECABORT Transaction discarded because of: {text}")) == code


def test_a_text_that_only_contains_a_code_is_no_error_of_that_code() -> None:
    assert not is_passing(ResponseError("ERR value is not an integer: OOM "))
    assert not is_passing(DataError("Invalid input of type: 'NoneType'"))
    assert is_group_missing(ResponseError(OURS[-1]))


@pytest.mark.parametrize("code", ["LOADING", "MASTERDOWN", "NOAUTH"])
def test_a_command_that_redis_cannot_run_now_is_not_taken_for_one_that_it_does_not_allow(code: str) -> None:
    async def connected(port: int) -> None:
        on_connect = primary.introduce(_settings(port))
        await AsyncStore(_settings(port), on_connect=on_connect).run(call_transitions.resume(""))

    with error_server(PASSING[code]) as port:
        with pytest.raises(StoreUnavailable):
            Store(_settings(port)).call(lambda client, _: redis_checks._config(client, "maxmemory-policy"))
        with pytest.raises(StoreUnavailable):
            asyncio.run(connected(port))


@pytest.mark.parametrize("text", [PASSING["NOPERM"], "ERR unknown command 'CONFIG', with args beginning with: 'GET'"])
def test_a_command_that_redis_does_not_allow_is_done_without(text: str) -> None:
    with error_server(text) as port:
        assert Store(_settings(port)).call(lambda client, _: redis_checks._config(client, "maxmemory-policy")) is None


@pytest.mark.parametrize(
    "text",
    [
        "BUSYGROUP Consumer Group name already exists",
        "Command # 1 (XGROUP CREATE) of pipeline caused error: BUSYGROUP Consumer Group name already exists",
    ],
)
def test_a_group_that_exists_is_recognised_in_every_form(text: str) -> None:
    with events.ignore_existing_group():
        raise ResponseError(text)
    with pytest.raises(ResponseError), events.ignore_existing_group():
        raise ResponseError("WRONGTYPE no stream of BUSYGROUP")


def test_a_result_waits_in_the_inbox_while_redis_refuses(settings: Settings) -> None:
    for text in (PASSING["NOREPLICAS"], PASSING["NOPERM"]):
        with error_server(text) as port:
            store: Any = Store(_settings(port))
            with pytest.raises(StoreUnavailable):
                store.call(inbox.finish, ["1-1"])


def test_counts_are_kept_while_redis_refuses(settings: Settings, store: Store) -> None:
    counts = Counters()
    counts.observe(APPLIED, 1.0)
    with error_server(PASSING["NOPERM"]) as port, pytest.raises(StoreUnavailable):
        Store(_settings(port)).call(counts.flush)
    assert store.call(counts.flush)


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), "READONLY"),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "LOADING"),
        (redis.exceptions.ExecAbortError("Transaction discarded because of previous errors."), "EXECABORT"),
        (ResponseError("ERR max number of clients reached"), "MAXCLIENTS"),
        (ResponseError(), ""),
        (ResponseError("something else"), ""),
    ],
)
def test_errors_without_a_code_are_told_by_their_class_or_not_at_all(exc: Exception, code: str) -> None:
    assert error_code(exc) == code


def test_a_server_that_does_not_speak_redis_is_a_store_that_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(4096)

        threading.Thread(target=answer, daemon=True).start()
        with (
            redis.Redis(port=server.getsockname()[1], retry=None) as client,
            pytest.raises(StoreUnavailable),
            StoreErrors(Settings()),
        ):
            client.get("key")


def test_a_connection_that_was_closed_under_uvloop_is_a_store_that_is_unavailable(settings: Settings) -> None:
    # uvloop raises a bare RuntimeError where asyncio would raise a ConnectionError.
    with pytest.raises(StoreUnavailable), StoreErrors(settings):
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
    with pytest.raises(RuntimeError), StoreErrors(settings):
        raise RuntimeError("a fault of ours")
