"""A Redis that does not answer is named: its address, what failed, where the address comes from, and no password."""

import asyncio
import ssl
from collections.abc import Callable
from socket import create_server

import pytest
import redis.exceptions

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.client import AsyncStore, Store
from alodial.store.redis_address import address_of, failure_cause

ASK = "planted-password"


def _message(url: str) -> str:
    store = Store(Settings(redis_url=url, redis_timeout=0.2))
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
