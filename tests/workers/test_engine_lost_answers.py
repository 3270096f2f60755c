"""An engine whose claims' answers are lost on the way: no call is blamed, none is rung twice, all of them go."""

import asyncio
import time
from typing import Any

import pytest

from alodial import CallQueue, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.client import AsyncStore
from alodial.store.keys import Keys
from alodial_workers import engine as engine_module
from alodial_workers import submit as submitting
from alodial_workers.alovoice.client import AloVoiceClient
from alodial_workers.engine import Engine

from .raw import RawServer, all_taken

keys = Keys()

CALL = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])


class Link:
    """A link to Redis that loses answers above ``limit`` bytes, or holds claims up for 1.5 s while ``stalling``."""

    def __init__(self, settings: Settings) -> None:
        address = settings.redis_url.get_secret_value().removeprefix("redis://").partition("/")[0]
        self._host, _, self._port = address.partition(":")
        self.limit: int | None = None
        self.stalling = False
        self.lost = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Link":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(self._host, int(self._port))
        for work in (self._pass(reader, upstream[1], answers=False), self._pass(upstream[0], writer, answers=True)):
            task = asyncio.create_task(work)
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await source.read(1 << 20):
                if answers and self.stalling and len(data) > 100:
                    await asyncio.sleep(1.5)
                if answers and self.limit is not None and len(data) > self.limit:
                    self.lost += 1
                    continue
                to.write(data)
        except OSError:
            pass
        to.close()


def drain(
    settings: Settings, queue: CallQueue, count: int, *, limit: int | None = None, stall: float = 0, within: float = 30
) -> tuple[int, list[Any], Engine]:
    """Attends as a worker does until every call has gone. Returns the POSTs, the calls and the engine."""
    calls = [queue.enqueue(CALL) for _ in range(count)]
    epoch = redis_checks.epoch(queue.store.redis, keys)

    async def work() -> tuple[int, Engine]:
        async with RawServer(all_taken) as server, Link(settings) as link:
            link.limit = limit
            url = type(settings.redis_url)(f"redis://127.0.0.1:{link.port}/0")
            ours = settings.model_copy(
                update={
                    "provider_url": server.url(),
                    "redis_url": url,
                    "redis_timeout": 1.0 if stall else 0.25,
                    "provider_timeout": 1.0,
                    "calls_per_second": 0,
                    "max_concurrent_calls": 0,
                }
            )
            store = AsyncStore(ours)
            engine = Engine(ours, store, AloVoiceClient(ours), worker="w", epoch=epoch)
            stalls_until = time.monotonic() + stall
            link.stalling = stall > 0
            async with asyncio.timeout(within):
                while server.requests < count:
                    link.stalling = link.stalling and time.monotonic() < stalls_until
                    try:
                        await engine.attend("default")
                    except StoreUnavailable:
                        await asyncio.sleep(0.05)
                    await asyncio.to_thread(queue.store.run, call_transitions.sweep(ours))
            await engine.stop(5)
            await store.aclose()
            return server.requests, engine

    posts, engine = asyncio.run(work())
    return posts, [queue.get(call.id) for call in calls], engine


@pytest.mark.slow
def test_answers_above_1400_bytes_that_never_come_fail_no_call(settings: Settings, queue: CallQueue) -> None:
    posts, records, engine = drain(settings, queue, 200, limit=1400)
    assert posts == 200
    assert {record.state for record in records} == {"submitted"}
    assert engine._claim_size["default"] <= engine_module.MAX_PER_CLAIM // engine_module.SHRINK


@pytest.mark.slow
def test_a_link_slower_than_the_time_limit_for_longer_than_a_lease_fails_no_call(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (call_transitions, engine_module, submitting):
        monkeypatch.setattr(module, "lease_seconds", lambda _settings: 2.0)
    posts, records, _ = drain(settings, queue, 200, stall=12)
    assert posts == 200
    assert {record.state for record in records} == {"submitted"}
