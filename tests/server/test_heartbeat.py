"""A web process tells ``alodial doctor`` and ``status`` which of its loops fail, until they work again."""

import asyncio
from pathlib import Path

import pytest

from alodial.cli.doctor import _check_redis
from alodial.observability.diagnosis import diagnose, render_sentence
from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.store import overview, workers
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.web.callbacks.spool import Head, Spool
from waiting import wait_until
from web.conftest import Web

keys = Keys()

pytestmark = pytest.mark.slow


def sentences(store: Store, settings: Settings) -> list[str]:
    now = store.call(overview.read, settings)
    return [render_sentence(row) for row in diagnose(now) if row.code == "web_loop_failing"]


def messages(store: Store) -> list[str]:
    return [check.message for check in _check_redis(store) if check.name == "web_loop_failing"]


def test_a_loop_of_a_web_process_that_fails_is_seen_in_doctor_and_status_until_it_works_again(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    web = Web(settings.redis_url.get_secret_value(), tmp_path)
    try:
        wait_until(lambda: store.call(workers.heartbeats, keys.WEB))
        assert messages(store) == []
        assert sentences(store, settings) == []
        assert store.call(workers.heartbeats) == [], "a web process is no worker"
        store.redis.delete(keys.LOGS)
        store.redis.set(keys.LOGS, "no stream")
        web.place({})  # writes a line of the log
        wait_until(lambda: messages(store))
        (name,) = [beat.name for beat in store.call(workers.heartbeats, keys.WEB)]
        (message,) = messages(store)
        assert message.startswith(f"log-shipper of web process {name} fails (")
        (sentence,) = sentences(store, settings)
        assert sentence.startswith(f"Web process {name} cannot do a part of its work: log-shipper (")
        store.redis.delete(keys.LOGS)
        web.place({})
        wait_until(lambda: messages(store) == [])
    finally:
        assert web.stop() == 0
    assert store.call(workers.heartbeats, keys.WEB) == [], "a process that ends takes itself off the list"


def test_a_spool_whose_disk_fails_is_a_loop_that_fails(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    real = Spool.head

    def head(self: Spool) -> Head | None:
        if broken:
            raise OSError(5, "Input/output error")
        return real(self)

    monkeypatch.setattr(Spool, "head", head)

    async def live() -> None:
        nonlocal broken
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            while not any("spool.drain" in beat.failing for beat in store.call(workers.heartbeats, keys.WEB)):
                await asyncio.sleep(0.1)
            assert messages(store)
            broken = False
            while messages(store):
                await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(live(), 60))
