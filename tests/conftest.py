"""Fixtures: a real Redis for the session, emptied for each test, and settings that point at it."""

import os
import signal
from collections.abc import Iterator
from functools import lru_cache

import httpx._transports.default as transports
import hypothesis
import pytest

from alodial import CallQueue
from alodial.errors import ConfigurationError
from alodial.settings import Settings, load_settings
from alodial.store.client import Store
from alodial.testing.redis_server import EmbeddedRedis

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A client makes a TLS context of its own, which takes 30 ms; nearly every test has clients, and hardly any speaks TLS.
transports.create_ssl_context = lru_cache(transports.create_ssl_context)

# How long an example takes says nothing on a machine that others use too.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")

TOKEN = "planted-token-7f3a9c"
CALLBACK_SECRET = "planted-callback-secret-51b2"
API_KEY = "planted-api-key-90dd"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("ALODIAL_") and name != "ALODIAL_CHAOS":
            monkeypatch.delenv(name)
    # Commands speak the language of the terminal, which here is English.
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A real server. Without one the tests skip at home and fail in CI."""
    try:
        server = EmbeddedRedis(fsync="no").start()
    except ConfigurationError as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(exc))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings on an empty Redis, without limits, with planted secrets."""
    with redis_server.client() as client:
        client.flushall()
    return Settings(
        _env_file=None,
        redis_url=redis_server.url,
        provider_token=TOKEN,
        callback_secret=CALLBACK_SECRET,
        api_keys=API_KEY,
        calls_per_second=0,
        max_concurrent_calls=0,
        courtesy_hours="off",  # the tests run at night too
        spool_dir=str(tmp_path_factory.mktemp("spool")),
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store(settings)
    yield store
    store.close()


@pytest.fixture
def queue(settings: Settings) -> Iterator[CallQueue]:
    with CallQueue(settings=settings) as queue:
        yield queue
