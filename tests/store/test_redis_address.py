"""A Redis that does not answer is named: its address, what failed, where the address comes from, and no password."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RDWR, create_server, socket
from threading import Thread

import pytest
import redis.exceptions

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.client import AsyncStore, Store
from alodial.store.redis_address import address_of, failure_cause

ASK = "planted-password"


def _message(url: str) -> str:
    store = Store(Settings(redis_url=url, redis_timeout=0.5))
    try:
        with pytest.raises(StoreUnavailable) as refused:
            store.call(lambda client, _: client.ping())
    finally:
        store.close()
    assert ASK not in str(refused.value)
    return str(refused.value)


def test_a_port_on_which_nobody_listens_refuses() -> None:
    assert _message(f"redis://:{ASK}@127.0.0.1:1/0") == (
        "Redis at 127.0.0.1:1 did not answer (refused); the address comes from your program's settings"
    )


def test_a_server_that_says_nothing_times_out() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"Redis at 127.0.0.1:{port} did not answer (timed out)" in _message(f"redis://:{ASK}@127.0.0.1:{port}/0")


def test_a_server_without_tls_is_what_a_silent_rediss_address_probably_has() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = _message(f"rediss://:{ASK}@127.0.0.1:{port}/0")
    assert "(timed out: if this Redis is without TLS, write redis:// and not rediss://)" in said


@pytest.mark.parametrize(
    ("alert", "advice"),
    [
        # A Redis that is being stopped does the same.
        (b"", "it was stopped, or it has TLS and needs rediss:// in place of redis://"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "if it has TLS, write rediss:// and not redis://"),
    ],
    ids=["closed", "alert"],
)
def test_a_server_with_tls_is_what_a_redis_address_that_is_cut_off_probably_has(alert: bytes, advice: str) -> None:
    def answer(server: socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(alert)

    with create_server(("127.0.0.1", 0)) as server:
        Thread(target=answer, args=(server,), daemon=True).start()
        said = _message(f"redis://:{ASK}@127.0.0.1:{server.getsockname()[1]}/0")
        server.shutdown(SHUT_RDWR)
    assert advice in said


def test_a_name_that_does_not_exist_is_not_found() -> None:
    assert "did not answer (name not found)" in _message(f"redis://:{ASK}@no-such-host.invalid:6379/0")


def test_for_event_loops_the_message_is_the_same() -> None:
    async def ask() -> None:
        store = AsyncStore(Settings(redis_url=f"redis://:{ASK}@127.0.0.1:1/0", redis_timeout=0.5))
        try:
            await store.run(call_transitions.cancel(["17"]))
        finally:
            await store.aclose()

    with pytest.raises(StoreUnavailable, match=r"Redis at 127\.0\.0\.1:1 did not answer \(refused\)"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    ("source", "where"),
    [
        (lambda patch, folder, url: patch.setenv("ALODIAL_REDIS_URL", url), "ALODIAL_REDIS_URL in the environment"),
        (
            lambda patch, folder, url: (folder / ".env").write_text(f"ALODIAL_REDIS_URL={url}\n"),
            "ALODIAL_REDIS_URL in .env",
        ),
    ],
    ids=["environment", ".env"],
)
def test_the_message_says_where_the_address_comes_from(
    source: Callable[..., object], where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("ALODIAL_REDIS_URL", raising=False)
    url = f"redis://:{ASK}@127.0.0.1:{3 if 'env' in where and '.env' not in where else 2}/0"
    source(monkeypatch, tmp_path, url)
    assert _message(url).endswith(f"the address comes from {where}")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (redis.exceptions.AuthenticationError("invalid username-password pair or user is disabled."), "wrong password"),
        (redis.exceptions.ResponseError("NOAUTH Authentication required."), "wrong password"),
        (redis.exceptions.TimeoutError("Timeout reading from socket"), "timed out"),
    ],
)
def test_an_error_of_redis_has_a_cause_in_words(error: Exception, cause: str) -> None:
    assert failure_cause(error) == cause


def test_a_certificate_that_is_not_trusted_is_named() -> None:
    error = redis.exceptions.ConnectionError("Error 1 connecting to host:6380.")
    error.__context__ = ssl.SSLCertVerificationError("certificate verify failed")
    assert failure_cause(error) == "TLS: certificate not trusted"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:secret@host/0", "host:6379"),
        ("rediss://host:6380", "host:6380"),
        ("redis://[::1]:7000/1", "[::1]:7000"),
        ("redis+sentinel://:secret@a:1,b/service/0", "a:1,b:26379"),
        ("unix:///run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_an_address_has_no_password(url: str, address: str) -> None:
    assert address_of(url) == address
