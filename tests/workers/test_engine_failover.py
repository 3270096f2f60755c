"""A worker and a primary that changes: it arms only on the confirmed one, and no other worker rings what it rang."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "store"))
from fake_sentinel import FakeSentinel

from alodial import CallQueue, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import holds, primary, redis_checks, workers
from alodial.store.client import AsyncStore
from alodial.store.connect import watcher_of
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.alovoice.client import AloVoiceClient
from alodial_workers.engine import Engine
from alodial_workers.post_memory import KEEP

from .raw import TAKEN, Peer, RawServer, all_taken, until

keys = Keys()

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])


@pytest.fixture
def sentinels(redis_server: EmbeddedRedis) -> Iterator[list[FakeSentinel]]:
    made = [FakeSentinel(("127.0.0.1", redis_server.port)) for _ in range(3)]
    yield made
    for sentinel in made:
        sentinel.close()


def behind(settings: Settings, sentinels: list[FakeSentinel], provider: str) -> Settings:
    hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
    url = type(settings.redis_url)(f"redis+sentinel://{hosts}/calls/0")
    return settings.model_copy(update={"redis_url": url, "provider_url": provider})


def engine_of(settings: Settings, name: str, epoch: str) -> Engine:
    store = AsyncStore(settings, on_connect=primary.introduce(settings))
    return Engine(settings, store, AloVoiceClient(settings), worker=name, epoch=epoch)


async def attend(engine: Engine) -> None:
    """As the pacer: again and again while the store says that it is away."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            await engine.attend("default")
        await asyncio.sleep(0.05)


def test_nothing_is_posted_while_the_sentinels_are_silent_and_all_of_it_when_they_are_back(
    settings: Settings, sentinels: list[FakeSentinel]
) -> None:
    async def work() -> None:
        async with RawServer(all_taken) as server:
            ours = behind(settings, sentinels, server.url())
            with CallQueue(settings=ours) as queue:
                epoch = redis_checks.epoch(queue.store.redis, keys)
                engine = engine_of(ours, "one", epoch)
                attending = asyncio.create_task(attend(engine))
                first = queue.enqueue(CALL)
                await until(lambda: queue.get(first.id).state == "submitted")
                for sentinel in sentinels:
                    sentinel.silent = True
                await asyncio.sleep(2.3)
                second = queue.enqueue(CALL)  # the primary is known: calls are taken
                received, peers = server.received, len(server.peers)
                await asyncio.sleep(1.5)
                assert (server.received, len(server.peers)) == (received, peers)
                assert queue.get(second.id).state == "queued"
                for sentinel in sentinels:
                    sentinel.silent = False
                await until(lambda: queue.get(second.id).state == "submitted", within=10)
                attending.cancel()
                await engine.stop(1)

    asyncio.run(work())


def test_a_call_armed_on_a_primary_that_is_none_any_more_is_not_posted(
    settings: Settings, sentinels: list[FakeSentinel], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with RawServer(all_taken) as server:
            ours = behind(settings, sentinels, server.url())
            with EmbeddedRedis(fsync="no") as other, CallQueue(settings=ours) as queue:
                epoch = redis_checks.epoch(queue.store.redis, keys)
                engine = engine_of(ours, "one", epoch)
                call = queue.enqueue(CALL)
                run = engine._store.run

                async def run_and_fail_over(op: Any) -> Any:
                    answer = await run(op)
                    if op.script == "arm":
                        for sentinel in sentinels:
                            sentinel.switch(("127.0.0.1", other.port))
                        await until(lambda: queue.store.primary_number == 2)
                    return answer

                monkeypatch.setattr(engine._store, "run", run_and_fail_over)
                attending = asyncio.create_task(attend(engine))
                await until(lambda: queue.store.primary_number == 2)
                await asyncio.sleep(0.5)
                assert server.received == 0
                assert call.state == "queued"
                attending.cancel()
                await engine.stop(0.1)

    asyncio.run(work())


def snapshot(client: Any) -> dict[bytes, bytes]:
    dumped = {key: client.dump(key) for key in client.keys("*")}
    return {key: value for key, value in dumped.items() if value is not None}  # what has not expired since


def go_back(client: Any, before: dict[bytes, bytes]) -> None:
    """The server loses what was changed since, as a promoted replica that had not received it."""
    for key in client.keys("*"):
        if key not in before:
            client.delete(key)
    for key, value in before.items():
        client.restore(key, 0, value, replace=True)
    client.hset(keys.PREFIX + "primary", "run", "the-server-before")


def test_what_one_worker_posted_is_not_posted_by_another_when_redis_forgot_claim_and_arm(
    redis_server: EmbeddedRedis, settings: Settings
) -> None:
    release = asyncio.Event()
    posted: list[str] = []

    async def held(peer: Peer) -> None:
        while not peer.closed.is_set():
            body = await peer.request()
            if peer.closed.is_set():
                return
            posted.append(body.partition(b'name="extid"')[2][:40].decode())
            if len(posted) > 3:
                await release.wait()
            peer.send(TAKEN)

    async def work() -> None:
        async with RawServer(held) as server:
            ours = settings.model_copy(update={"provider_url": server.url()})
            with CallQueue(settings=ours) as queue, redis_server.client() as client:
                epoch = redis_checks.epoch(client, keys)
                one, two = engine_of(ours, "one", epoch), engine_of(ours, "two", epoch)
                await one.follow_primary()
                await two.follow_primary()
                for name in ("one", "two"):
                    now = queue.store.server_ms()
                    workers.write_heartbeat(client, keys, workers.Heartbeat(name, now, 1, "host", 0))
                calls = [queue.enqueue(CALL) for _ in range(6)]
                before = snapshot(client)
                attending = asyncio.create_task(attend(one))
                await until(lambda: len(posted) == 6)
                await until(lambda: sum(queue.get(call.id).state == "submitted" for call in calls) == 3)
                # Three were settled, three are under way, and Redis knows of none.
                go_back(client, before)
                client.client_kill_filter(_type="normal", skipme=True)
                second = asyncio.create_task(attend(two))
                two.start()
                await asyncio.sleep(1)
                assert len(posted) == 6
                one.start()
                await until(
                    lambda: sum(queue.get(call.id).state in ("submitting", "submitted") for call in calls) == 6,
                    within=10,
                )
                release.set()
                await until(lambda: {queue.get(call.id).state for call in calls} == {"submitted"}, within=10)
                assert len(posted) == len(set(posted)) == 6
                more = queue.enqueue(CALL)  # and work goes on
                await until(lambda: queue.get(more.id).state == "submitted", within=10)
                attending.cancel()
                second.cancel()
                await one.stop(1)
                await two.stop(1)

    asyncio.run(work())


@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_a_backup_that_is_restored_under_a_worker_pulls_the_emergency_stop_and_a_power_failure_does_not(
    redis_server: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async def work() -> None:
        async with RawServer(all_taken) as server:
            ours = settings.model_copy(update={"provider_url": server.url()})
            with CallQueue(settings=ours) as queue, redis_server.client() as client:
                epoch = redis_checks.epoch(client, keys)
                engine = engine_of(ours, "one", epoch)
                await engine.follow_primary()
                workers.write_heartbeat(client, keys, workers.Heartbeat("one", queue.store.server_ms(), 1, "host", 0))
                call = queue.enqueue(CALL)
                client.hincrbyfloat(keys.PREFIX + "primary", "seen", -seconds * 1000)  # what follows came so much later
                before = snapshot(client)
                attending = asyncio.create_task(attend(engine))
                await until(lambda: queue.get(call.id).state == "submitted")
                received = server.received
                await engine.follow_primary()
                engine._memory._entries.clear()  # it was placed longer ago than is remembered
                go_back(client, before)
                client.client_kill_filter(_type="normal", skipme=True)
                await until(lambda: engine._generation != "1", within=10)
                if seconds < KEEP:
                    assert holds.stopped(client, keys) is None
                else:
                    assert "Redis went back by 60 s" in str(holds.stopped(client, keys))
                    await asyncio.sleep(0.5)
                    assert (server.received, queue.get(call.id).state) == (received, "queued")
                attending.cancel()
                await engine.stop(1)

    asyncio.run(work())


def test_a_look_at_a_primary_that_the_sentinels_do_not_confirm_is_none_that_the_next_one_must_know_of(
    settings: Settings, sentinels: list[FakeSentinel]
) -> None:
    async def work() -> None:
        ours = behind(settings, sentinels, "http://127.0.0.1:9")
        with CallQueue(settings=ours) as queue:
            engine = engine_of(ours, "one", redis_checks.epoch(queue.store.redis, keys))
            await engine.follow_primary()
            watcher = watcher_of(engine._store.redis)
            assert watcher is not None
            await until(lambda: watcher.view.confirmed)
            await engine.follow_primary()
            last = engine._memory._looked_at
            assert last > 0
            for sentinel in sentinels:
                sentinel.silent = True
            await until(lambda: not watcher.view.confirmed, within=10)
            last = engine._memory._looked_at
            await engine.follow_primary()
            assert engine._memory._looked_at == last
            await engine.stop(1)

    asyncio.run(work())


def test_a_call_whose_arm_no_replica_confirmed_is_given_back_to_the_primary_that_knows_of_the_arm_alone(
    redis_server: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[bytes] = []

    async def note(peer: Peer) -> None:
        while not peer.closed.is_set():
            body = await peer.request()
            if not peer.closed.is_set():
                posted.append(body)
                peer.send(TAKEN)

    async def work() -> None:
        async with RawServer(note) as server:
            ours = settings.model_copy(update={"provider_url": server.url()})
            with CallQueue(settings=ours) as queue, redis_server.client() as client:
                epoch = redis_checks.epoch(client, keys)
                engine = engine_of(ours, "one", epoch)
                engine._settings = ours.model_copy(update={"durability": "replica"})
                await engine.follow_primary()
                workers.write_heartbeat(client, keys, workers.Heartbeat("one", queue.store.server_ms(), 1, "host", 0))
                call = queue.enqueue(CALL)
                run = engine._store.run
                armed: dict[bytes, bytes] = {}

                async def run_unconfirmed(op: Any) -> Any:
                    answer = await run(op)
                    if op.script == "arm":
                        if not armed:
                            armed.update(snapshot(client))
                        raise StoreUnavailable("0 of 1 replicas confirmed")
                    return answer

                with monkeypatch.context() as patch:
                    patch.setattr(engine._store, "run", run_unconfirmed)
                    attending = asyncio.create_task(attend(engine))
                    await until(lambda: bool(armed))
                    attending.cancel()
                    await until(lambda: engine.in_flight == 0)
                assert queue.get(call.id).state == "queued"
                go_back(client, armed)
                assert queue.get(call.id).state == "submitting", "the other primary has the arm and not the release"
                client.client_kill_filter(_type="normal", skipme=True)
                attending = asyncio.create_task(attend(engine))
                engine.start()
                await until(lambda: queue.get(call.id).state == "submitted", within=15)
                assert len(posted) == 1
                attending.cancel()
                await engine.stop(1)

    asyncio.run(work())
