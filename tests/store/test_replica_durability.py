"""`ALODIAL_DURABILITY=replica`: what was answered is on every replica, calls and results alike, or it was not answered."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_sentinel import FakeSentinel

from alodial import AsyncCallQueue, CallQueue, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import holds, redis_checks
from alodial.store.client import AsyncStore, Store
from alodial.store.inbox import RawResult
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial.wakeup import Waker
from alodial.web.call_acceptor import CallAcceptor
from alodial.web.callbacks.intake import CallbackIntake

keys = Keys()

pytestmark = pytest.mark.slow

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])


class Pair:
    """A primary that nobody follows yet."""

    def __init__(self, folder: Path) -> None:
        (folder / "one").mkdir()
        (folder / "two").mkdir()
        options = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        self.primary = EmbeddedRedis(folder=folder / "one", fsync="no", options=options).start()
        follow = ("--replicaof", "127.0.0.1", str(self.primary.port))
        self._replica = EmbeddedRedis(folder=folder / "two", fsync="no", options=follow)

    def add_replica(self) -> None:
        self._replica.start()
        with self.primary.client() as client:
            client.set("any", "1")
            while not client.wait(1, 1000):
                pass

    def pause_replica(self, *, resume: bool = False) -> None:
        assert self._replica.process is not None
        self._replica.process.send_signal(signal.SIGCONT if resume else signal.SIGSTOP)

    def stop(self) -> None:
        self._replica.kill()
        self._replica.stop()
        self.primary.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.stop()


def settings_for(url: str, **more: Any) -> Settings:
    return Settings(_env_file=None, redis_url=url, redis_timeout=1, **{"durability": "replica", **more})


def enqueue_one(settings: Settings) -> str:
    with CallQueue(settings=settings) as queue:
        return queue.enqueue(CALL, extid="71").id


def enqueue_many(settings: Settings) -> str:
    with CallQueue(settings=settings) as queue:
        row: Any = queue.enqueue_many([{**CALL.model_dump(mode="json", exclude_none=True), "extid": "71"}])[0]
        return str(row.id)


def enqueue_in_a_loop(settings: Settings) -> str:
    async def work() -> str:
        async with AsyncCallQueue(settings=settings) as queue:
            return (await queue.enqueue(CALL, extid="71")).id

    return asyncio.run(work())


def enqueue_by_http(settings: Settings) -> str:
    from alodial.calls.prepare import prepare, read_call  # noqa: PLC0415  # only here

    async def work() -> str:
        async with AsyncCallQueue(settings=settings) as queue:
            acceptor = CallAcceptor(queue)
            try:
                placed = await acceptor.accept(prepare(read_call(CALL, settings, {"extid": "71"}), settings))
                return placed.id
            finally:
                acceptor.close()

    return asyncio.run(work())


@pytest.mark.parametrize("enqueue", [enqueue_one, enqueue_many, enqueue_in_a_loop, enqueue_by_http])
def test_a_call_is_accepted_when_the_replica_has_it_and_its_repetition_is_the_same_call(
    pair: Pair, enqueue: Callable[[Settings], str]
) -> None:
    settings = settings_for(pair.primary.url)
    with pytest.raises(StoreUnavailable):
        enqueue(settings)
    pair.add_replica()
    accepted = enqueue(settings)
    assert enqueue(settings) == accepted
    with CallQueue(settings=settings) as queue:
        assert len(queue.calls().calls) == 1


def test_a_repetition_that_finds_its_call_stored_waits_for_the_replica_too(pair: Pair) -> None:
    pair.add_replica()
    settings = settings_for(pair.primary.url)
    enqueue_one(settings)
    pair.pause_replica()
    for _ in range(2):  # stored, and known to the primary alone; then on another connection, which wrote nothing
        with pytest.raises(StoreUnavailable), CallQueue(settings=settings) as queue:
            queue.enqueue(CALL, extid="72")
    pair.pause_replica(resume=True)
    with CallQueue(settings=settings) as queue:
        assert not queue.enqueue(CALL, extid="72").created


def test_the_emergency_stop_waits_for_the_replica_and_says_when_it_does_not_have_it(pair: Pair) -> None:
    pair.add_replica()
    settings = settings_for(pair.primary.url)
    pair.pause_replica()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"), CallQueue(settings=settings) as queue:
            queue.stop("a wrong list")
    with CallQueue(settings=settings) as queue:
        assert queue.store.call(holds.stopped) == "a wrong list", "it is on where workers look"
        pair.pause_replica(resume=True)
        assert not queue.stop("another reason"), "it was on, and now the replica has it"


def test_a_result_that_the_replica_does_not_have_is_on_disk_until_it_has_it(pair: Pair, tmp_path: Path) -> None:
    settings = settings_for(pair.primary.url, spool_dir=str(tmp_path / "spool"))

    async def work() -> None:
        store = AsyncStore(settings)
        intake = CallbackIntake(settings, store, Waker(settings))
        spooled = await intake.keep(RawResult(b'{"externalid": 1}', "application/json"))
        assert spooled
        intake.start()
        await asyncio.sleep(2.5)  # it is stored, and not confirmed
        assert intake.spool.unread > 0
        await asyncio.to_thread(pair.add_replica)
        ends = time.monotonic() + 20
        while intake.spool.unread:
            assert time.monotonic() < ends
            await asyncio.sleep(0.05)
        assert not await intake.keep(RawResult(b'{"externalid": 2}', "application/json"))
        await intake.aclose()
        await store.aclose()

    asyncio.run(work())
    with pair.primary.client() as client:
        bodies = {fields[b"b"] for _, fields in client.xrange(keys.INBOX)}
        assert bodies == {b'{"externalid": 1}', b'{"externalid": 2}'}


def test_sentinels_with_a_durability_that_loses_calls_are_refused(pair: Pair) -> None:
    sentinel = FakeSentinel(("127.0.0.1", pair.primary.port))
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/calls/0"

    def losing(durability: str) -> list[redis_checks.RedisCheck]:
        settings = settings_for(url, durability=durability)
        store = Store(settings)
        try:
            checks = store.call(redis_checks.inspect_for, settings)
        finally:
            store.close()
        return [check for check in checks if check.name == "store_loses_on_failover"]

    for durability in ("fast", "fsync"):
        (check,) = losing(durability)
        assert (check.level, check.hint) == ("error", "ALODIAL_DURABILITY=replica")
    (check,) = losing("replica")
    assert "min-replicas-to-write 1" in check.hint
    with pair.primary.client() as client:
        client.config_set("min-replicas-to-write", "1")
    assert losing("replica") == []
    plain = Store(settings_for(pair.primary.url, durability="fast"))
    assert "store_loses_on_failover" not in {
        check.name for check in plain.call(redis_checks.inspect_for, plain.settings)
    }
    plain.close()
    sentinel.close()
