"""Wake-ups: lost, doubled or unreachable, they change nothing but when somebody looks."""

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import dramatiq
import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from alodial import CallQueue, TwoWayCall
from alodial.errors import ConfigurationError, StoreUnavailable
from alodial.settings import Settings
from alodial.store import woken
from alodial.store.client import AsyncStore
from alodial.store.keys import Keys
from alodial.store.script_connections import POOL_ARGUMENTS
from alodial.testing.redis_server import EmbeddedRedis
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE, Waker
from alodial_workers.actors import declare
from alodial_workers.broker import (
    BLOCK,
    DEAD_AFTER_MS,
    Listener,
    PatientConsumer,
    WakeupBroker,
    discard_abandoned,
    patient_worker,
    worker_broker,
)
from alodial_workers.main import run_worker
from alodial_workers.runtime import Runtime
from waiting import wait_until

from .raw import TAKEN, Peer, RawServer

keys = Keys()

CALL = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


class Provider:
    """A server in a thread of its own that takes every call and counts their extids."""

    def __init__(self, pause: float = 0) -> None:
        self.extids: Counter[bytes] = Counter()
        self._pause = pause
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _take(self, peer: Peer) -> None:
        while not peer.closed.is_set():
            request = await peer.request()
            if b'name="extid"' in request:
                self.extids[request.partition(b'name="extid"\r\n\r\n')[2].partition(b"\r\n")[0]] += 1
                await asyncio.sleep(self._pause)
                peer.send(TAKEN)

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        async with RawServer(self._take) as server:
            self.url = server.url()
            self._ready.set()
            await self._end.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


class Process:
    """What a worker process is made of, in this one."""

    def __init__(self, settings: Settings) -> None:
        self.runtime = Runtime(settings, f"test:{id(self)}")
        declare(self.runtime)

    def __enter__(self) -> Self:
        assert self.runtime.start()
        self.worker = patient_worker(self.runtime.broker, 4)
        self.worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runtime.stop(5)
        self.worker.stop(timeout=2000)
        self.runtime.broker.close()
        self.runtime.loop.call_soon_threadsafe(self.runtime.loop.stop)


class Counting:
    """A worker whose actors only count."""

    def __init__(self, settings: Settings) -> None:
        self.woken: Counter[str] = Counter()
        self.broker = worker_broker(settings)

        def submit_calls(account: str) -> None:
            self.woken[account] += 1

        def collect_results() -> None:
            self.woken["results"] += 1

        for name, actor in ((SUBMIT_QUEUE, submit_calls), (COLLECT_QUEUE, collect_results)):
            dramatiq.actor(broker=self.broker, queue_name=name, actor_name=name)(actor)
        self.worker = patient_worker(self.broker, 2)

    def __enter__(self) -> Self:
        self.worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.worker.stop(timeout=2000)
        self.broker.close()


def test_a_wake_up_reaches_its_actor_and_leaves_nothing_behind(settings: Settings) -> None:
    with Counting(settings) as counting:
        wakeup_key = Waker(settings)
        wakeup_key.submit(["default", "north"])
        wakeup_key.collect()
        wait_until(lambda: counting.woken == {"default": 1, "north": 1, "results": 1})
        client: Any = counting.broker.client
        wait_until(
            lambda: not any(client.hlen(f"alodial:broker:{name}.msgs") for name in (SUBMIT_QUEUE, COLLECT_QUEUE))
        )
        wakeup_key.close()


def test_idle_consumers_wait_in_redis_and_each_wake_up_reaches_them_all_the_same(settings: Settings) -> None:
    with Counting(settings) as counting:
        client: Any = counting.broker.client
        time.sleep(0.2)
        client.config_resetstat()
        time.sleep(1)
        commands = client.info("commandstats")
        assert (
            sum(row["calls"] for name, row in commands.items() if name in ("cmdstat_evalsha", "cmdstat_blmove")) <= 12
        )
        waker = Waker(settings)
        for n in range(1, 21):
            waker.submit(["default"])
            wait_until(lambda n=n: counting.woken["default"] == n)  # type: ignore[misc]  # lambda default
        waker.close()


@pytest.mark.parametrize("moment", ["before it is sent", "after it was sent"])
def test_a_stop_ends_a_wait_in_redis_that_just_begins(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    broker = worker_broker(settings)
    broker.declare_queue(SUBMIT_QUEUE)
    consumer = broker.consume(SUBMIT_QUEUE)
    assert isinstance(consumer, PatientConsumer)
    client: Any = broker.client
    connection = client.connection_pool.get_connection(*POOL_ARGUMENTS)
    send = connection.send_command

    def interrupted_send(command: str, *words: Any, **options: Any) -> None:
        if command == "BLMOVE" and moment == "before it is sent":
            consumer.interrupt()
        send(command, *words, **options)
        if command == "BLMOVE":
            consumer.interrupt()

    monkeypatch.setattr(connection, "send_command", interrupted_send)
    monkeypatch.setattr(client.connection_pool, "get_connection", lambda *_: connection)

    def wait() -> None:
        with contextlib.suppress(RedisConnectionError):
            consumer._wait()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(BLOCK / 2)
    assert not waiting.is_alive()
    broker.close()


def test_a_stop_does_not_wait_for_the_end_of_a_wait_in_redis(settings: Settings) -> None:
    patient = settings.model_copy(update={"redis_timeout": 60.0})
    broker = worker_broker(patient)
    broker._block = 50.0
    broker.declare_queue(SUBMIT_QUEUE)
    worker = patient_worker(broker, 1)
    worker.start()
    client: Any = broker.client
    wait_until(lambda: client.info("clients")["blocked_clients"])
    began = time.monotonic()
    worker.stop(timeout=40_000)
    assert time.monotonic() - began < 20
    broker.close()


def test_there_are_no_delay_queues_and_nobody_consumes_any(settings: Settings) -> None:
    with Counting(settings) as counting:
        Waker(settings).submit(["default"])
        wait_until(lambda: counting.woken["default"])
        assert set(counting.worker.consumers) == {SUBMIT_QUEUE, COLLECT_QUEUE}
        assert counting.broker.delay_queues == set()
        client: Any = counting.broker.client
        assert not [key for key in client.keys("*") if b".DQ" in key]
        names = {type(part).__module__ for part in counting.broker.middleware}
        assert names == {"dramatiq.worker"}


def test_waking_at_an_absent_redis_never_raises_and_is_over_soon(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    began = time.monotonic()
    Waker(away).submit(["default"])
    assert time.monotonic() - began < 5


def test_a_consumer_that_cannot_reach_redis_waits_and_raises_nothing(settings: Settings) -> None:
    away = worker_broker(settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")}))
    consumer = away.consume(SUBMIT_QUEUE)
    assert next(consumer) is None
    message = dramatiq.MessageProxy(dramatiq.Message(SUBMIT_QUEUE, SUBMIT_QUEUE, (), {}, {"redis_message_id": "x"}))
    consumer.ack(message)
    consumer.nack(message)
    consumer.requeue([message])
    consumer.close()


@pytest.mark.slow
def test_consumers_come_back_by_themselves_when_redis_does(settings: Settings) -> None:
    with EmbeddedRedis() as server:
        ours = settings.model_copy(update={"redis_url": type(settings.redis_url)(server.url), "redis_timeout": 0.5})
        with Counting(ours) as counting:
            wakeup_key = Waker(ours)
            wakeup_key.submit(["before"])
            wait_until(lambda: counting.woken["before"])
            for round_ in ("first", "second"):
                server.kill()
                wakeup_key.submit(["lost"])
                time.sleep(1.2)  # long enough for every consumer to have met the absence
                assert all(consumer.is_alive() for consumer in counting.worker.consumers.values())
                server.start()
                wakeup_key.submit([round_])
                wait_until(lambda name=round_: counting.woken[name])  # type: ignore[misc]  # lambda default
            wakeup_key.close()


def _fetched(settings: Settings, messages: int) -> WakeupBroker:
    """A broker whose worker fetched wake-ups and then fell silent."""
    broker = worker_broker(settings)
    broker.declare_queue(SUBMIT_QUEUE)
    Waker(settings, broker).submit(["default"] * messages)
    assert next(broker.consume(SUBMIT_QUEUE, prefetch=messages)) is not None
    return broker


def test_what_a_dead_worker_had_fetched_is_thrown_away_and_what_a_live_one_has_is_not(settings: Settings) -> None:
    dead, alive, survivor = _fetched(settings, 3), _fetched(settings, 2), worker_broker(settings)
    client: Any = survivor.client
    beats, messages = "alodial:broker:__heartbeats__", "alodial:broker:submit.msgs"
    assert discard_abandoned(survivor) == 0
    assert client.hlen(messages) == 5
    client.zadd(beats, {dead.broker_id: time.time() * 1000 - DEAD_AFTER_MS - 1000})
    assert discard_abandoned(survivor) == 1
    assert client.hlen(messages) == 2
    assert not client.exists(f"alodial:broker:__acks__.{dead.broker_id}.submit")
    assert client.scard(f"alodial:broker:__acks__.{alive.broker_id}.submit") == 2
    assert client.zscore(beats, dead.broker_id) is None
    assert discard_abandoned(survivor) == 0


def test_a_hundred_wake_ups_ring_each_phone_once(settings: Settings) -> None:
    with Provider(pause=0.005) as provider:
        ours = settings.model_copy(update={"provider_url": provider.url, "max_in_flight": 8})
        with CallQueue(settings=ours) as queue, Process(ours) as first, Process(ours) as second:
            calls = queue.enqueue_many([CALL] * 60)
            wakeup_key = Waker(ours)
            for _ in range(100):
                wakeup_key.submit(["default"])
            extids = {row.extid.encode() for row in calls if hasattr(row, "extid")}
            wait_until(lambda: set(provider.extids) == extids)
            for process in (first, second):
                for _ in range(50):
                    process.runtime.on_loop(process.runtime.engine.attend("default"))
            wait_until(lambda: {c.state.value for c in queue.calls(limit=100).calls} == {"submitted"})
            assert set(provider.extids.values()) == {1}
            wakeup_key.close()


def test_without_any_wake_up_calls_go_out_and_results_come_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Provider() as provider:
        ours = settings.model_copy(update={"provider_url": provider.url})
        with CallQueue(settings=ours) as queue, Process(ours):
            monkeypatch.setattr(queue.waker, "submit", lambda _accounts: None)
            call = queue.enqueue(CALL)
            wait_until(lambda: provider.extids[call.extid.encode()] == 1)
            body = json.dumps({"externalid": int(call.extid), "dialstatus": "BUSY", "id": [1]})
            queue.store.redis.xadd(keys.INBOX, {"b": body, "t": "application/json"})
            wait_until(lambda: queue.get(call.id).disposition == "busy")


@pytest.mark.slow
def test_a_worker_goes_on_after_redis_was_away(settings: Settings) -> None:
    with EmbeddedRedis(fsync="always") as server, Provider() as provider:
        ours = settings.model_copy(
            update={
                "redis_url": type(settings.redis_url)(server.url),
                "provider_url": provider.url,
                "redis_timeout": 0.5,
            }
        )
        with CallQueue(settings=ours) as queue, Process(ours):
            first = queue.enqueue(CALL)
            wait_until(lambda: queue.get(first.id).state == "submitted")
            server.kill()
            time.sleep(2)
            server.start()
            second = queue.enqueue(CALL)
            wait_until(lambda: queue.get(second.id).state == "submitted")
            assert set(provider.extids.values()) == {1}


def test_a_worker_that_waits_in_redis_gets_new_calls_from_enqueue_itself_and_no_message_is_sent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def listen(queue: CallQueue, store: AsyncStore) -> None:
        woken: asyncio.Queue[str] = asyncio.Queue()
        listener = Listener(store, woken.put)
        listener.start()
        client = queue.store.redis
        for _ in range(2):
            while not client.exists(keys.LISTENING):
                await asyncio.sleep(0.01)
            queue.enqueue(CALL)
            assert await asyncio.wait_for(woken.get(), 15) == "default"
            client.delete(f"{keys.PREFIX}bell:default", keys.LISTENING)  # it attends to the account no more
        assert not sent
        listener.stop()
        await store.aclose()

    with CallQueue(settings=settings) as queue:
        monkeypatch.setattr(queue.waker, "submit", sent.extend)
        asyncio.run(listen(queue, AsyncStore(settings)))
        queue.store.redis.delete(keys.LISTENING)
        queue.enqueue(CALL)
        assert sent == ["default"], "nobody listens"


def test_a_wait_that_redis_does_not_end_in_time_is_given_up(settings: Settings) -> None:
    async def wait() -> None:
        store = AsyncStore(settings)
        with pytest.raises(StoreUnavailable):
            await store.call(woken.wait, 3600, -3599.9)  # as if it were a tenth of a second, and Redis did not answer
        await store.aclose()

    asyncio.run(asyncio.wait_for(wait(), 15))


def test_an_actor_that_fails_is_not_repeated_by_dramatiq(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with CallQueue(settings=settings), Process(settings) as process:
        attended: list[str] = []

        async def broken(account: str) -> str:
            attended.append(account)
            raise RuntimeError("a bug")

        monkeypatch.setattr(process.runtime.engine, "attend", broken)
        Waker(settings).submit(["default"])
        wait_until(lambda: attended)
        client: Any = process.runtime.broker.client
        wait_until(lambda: not client.hlen("alodial:broker:submit.msgs"))
        time.sleep(0.1)
        assert attended == ["default"]
        assert not [key for key in client.keys("*") if b".XQ" in key]


def test_a_worker_without_any_token_refuses_to_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("signal.signal", "configure"):
        monkeypatch.setattr(f"alodial_workers.main.{name}", lambda *_args, **_options: None)
    assert run_worker(settings.model_copy(update={"provider_token": None})) == 1
    with pytest.raises(ConfigurationError, match="ALODIAL_REDIS_URL"):
        worker_broker(settings.model_copy(update={"redis_url": type(settings.redis_url)("http://127.0.0.1")}))
