"""How wake-ups reach a worker: Dramatiq's broker carries them, and an idle worker waits in Redis for new calls.

No delay queues, no Retries, no TimeLimit, no AgeLimit: what happens later is in the call store. A consumer that cannot
reach Redis waits and goes on; a wake-up that cannot be acknowledged is dropped, because the pacers wake again. An idle
consumer waits in Redis for the next wake-up: asking for it 80 times a second took 3 % of a core and 9 ms.

A message takes two more round trips and three threads, a millisecond or two of the way from an idle system to the POST. So
enqueue hands an account over to a :class:`Listener`; where none waits it sends a message, and pacers wake for whatever was lost.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from queue import Empty, PriorityQueue
from typing import Any

import structlog
from dramatiq import Consumer, MessageProxy, Worker
from dramatiq.brokers.redis import RedisBroker
from structlog.contextvars import bind_contextvars

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import woken
from alodial.store.client import AsyncStore
from alodial.store.keys import keys_of
from alodial.store.script_connections import POOL_ARGUMENTS
from alodial.store.supervision import Supervisor, process_loops
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE, make_broker

log = structlog.get_logger("alodial.broker")

BLOCK = 3.0
"""Seconds of one wait in Redis, of a consumer or a listener; its answer may come ALODIAL_REDIS_TIMEOUT later."""

RESUME = 0.003
"""Seconds until a listener waits again after an account came: the account's claim goes first."""

FULL_PAUSE = 0.05
"""Seconds between looks while as many wake-ups as may be are under way."""

AWAY_PAUSE = 0.5
"""Seconds between tries to read while Redis is away."""

DEAD_AFTER_MS = 300_000
MAX_PREFETCH = 8


class PatientConsumer(Consumer):
    """Wraps Dramatiq's consumer: waits for an absent Redis instead of ending the consumer's thread, and in Redis for the
    next wake-up, ``block`` seconds at most, and ``patience`` seconds more for the answer.
    """

    def __init__(self, inner: Any, block: float, patience: float) -> None:
        self._inner = inner
        self._block = block
        self._patience = patience
        self._queue = f"{inner.broker.namespace}:{inner.queue_name}"
        self._waiting: Any = None
        self._interrupted = False

    def ack(self, message: MessageProxy) -> None:
        self._attempt(self._inner.ack, message)

    def nack(self, message: MessageProxy) -> None:
        self._attempt(self._inner.nack, message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._attempt(self._inner.requeue, messages)

    @staticmethod
    def _attempt(action: Callable[[Any], object], argument: object) -> None:
        try:
            action(argument)
        except Exception as exc:  # Dramatiq wraps lost connections in errors of its own
            log.debug("wakeup.ack_failed", error=type(exc).__name__)

    def __next__(self) -> MessageProxy | None:
        try:
            message: MessageProxy | None = self._inner.__next__()
            if message is None and self._wait():
                message = self._inner.__next__()
        except Exception as exc:  # as above; the pacer logs the store's troubles
            if not self._interrupted:
                log.debug("wakeup.read_failed", error=type(exc).__name__)
                time.sleep(AWAY_PAUSE)
            return None
        return message

    def _wait(self) -> bool:
        """Returns whether there is a wake-up, once there is or the time is over. It stays in its queue: Dramatiq fetches it."""
        if self._interrupted or self._inner.outstanding_message_count >= self._inner.prefetch:
            time.sleep(FULL_PAUSE)
            return False
        pool = self._inner.broker.client.connection_pool
        self._waiting = connection = pool.get_connection(*POOL_ARGUMENTS)
        try:
            if self._interrupted:  # just now, when there was no connection to be seen
                return False
            connection.send_command("BLMOVE", self._queue, self._queue, "LEFT", "LEFT", self._block)
            if not connection.can_read(self._block + self._patience):
                raise TimeoutError("no answer to BLMOVE")
            return connection.read_response() is not None
        except BaseException:
            connection.disconnect()  # its answer may still be under way
            raise
        finally:
            self._waiting = None
            pool.release(connection)

    def interrupt(self) -> None:
        """Ends the wait in Redis, from another thread, and begins none again."""
        self._interrupted = True
        with contextlib.suppress(AttributeError, OSError):  # nobody waits, or the other thread is done with it
            # It keeps its socket: without one the other thread would connect again, and wait for an answer to nothing.
            self._waiting._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._inner.close()


class WakeupBroker(RedisBroker):
    """RedisBroker without delay queues. Its idle consumers wait in Redis, and ``patience`` seconds longer for the answer."""

    def __init__(self, *, patience: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        self._block = BLOCK
        self._patience = patience
        self._consumers: list[PatientConsumer] = []

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        # Without a sleep of its own between fetches: the wait in Redis is that.
        inner = super().consume(queue_name, min(prefetch, MAX_PREFETCH), 0)
        consumer = PatientConsumer(inner, self._block, self._patience)
        self._consumers.append(consumer)
        return consumer

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if signal == "worker_shutdown":
            for consumer in self._consumers:
                consumer.interrupt()
            for worker in args:
                if isinstance(worker.work_queue, WorkQueue):
                    worker.work_queue.end_waits()
        super().emit_before(signal, *args, **kwargs)


class WorkQueue(PriorityQueue[Any]):
    """The queue between Dramatiq's threads. They wait in it for as long as there is nothing, and not at all after a stop."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = True

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Returns the next item. Raises queue.Empty when nobody may wait any more; ``timeout`` is not looked at."""
        with self.not_empty:
            self.not_empty.wait_for(lambda: self._qsize() or not (block and self._waits))
            if not self._qsize():
                raise Empty
            return self._get()

    def end_waits(self) -> None:
        """Ends all waits and lets none begin."""
        with self.not_empty:
            self._waits = False
            self.not_empty.notify_all()


def patient_worker(broker: WakeupBroker, threads: int) -> Worker:
    """Returns Dramatiq's worker, whose idle threads do not look for work twice a second each."""
    worker = Worker(broker, worker_threads=threads)
    worker.work_queue = WorkQueue()
    return worker


class Listener:
    """Waits for accounts with new calls; ``attend`` submits their calls, on the loop on which :meth:`start` is called.

    ``lost`` is called whenever Redis did not answer: it may come back as another server.
    """

    def __init__(
        self,
        store: AsyncStore,
        attend: Callable[[str], Awaitable[object]],
        supervisor: Supervisor = process_loops,
        *,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._attend = attend
        self._lost = lost
        self._attending: set[asyncio.Task[None]] = set()
        self._supervisor = supervisor
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._listening = asyncio.create_task(self._supervisor.run_async("listener", self._listen))

    async def _listen(self) -> float:
        try:
            account = await self._store.call(woken.wait, BLOCK, self._store.settings.redis_timeout)
        except StoreUnavailable:
            self._lost()
            raise
        if account is None:
            return 0
        task = asyncio.create_task(self._hand_over(account))
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)
        return RESUME

    async def _hand_over(self, account: str) -> None:
        bind_contextvars(account=account)  # of this task alone
        try:
            await self._attend(account)
        except StoreUnavailable as exc:
            log.debug("listener.store_unavailable", error=str(exc))
        except Exception:
            log.exception("listener.attend_failed")

    def stop(self) -> None:
        """Ends the wait; what it has handed over goes on."""
        if self._listening is not None:
            self._listening.cancel()


def worker_broker(settings: Settings) -> WakeupBroker:
    """Returns the broker of a worker process. Raises ConfigurationError for a URL that is not Redis'."""
    plain = make_broker(settings)
    return WakeupBroker(
        client=plain.client,
        namespace=keys_of(settings).BROKER_NAMESPACE,
        middleware=[],
        maintenance_chance=0,
        patience=settings.redis_timeout,
    )


def dead_threads(worker: Worker) -> list[str]:
    """Returns the names of a running worker's threads that have ended: their queue or a share of its work stands still."""
    consumers = [f"consumer of {queue}" for queue, thread in worker.consumers.items() if not thread.is_alive()]
    return consumers + ["worker thread" for thread in worker.workers if not thread.is_alive()]


def discard_abandoned(broker: RedisBroker) -> int:
    """Discards the wake-ups that dead workers had fetched, without KEYS; returns how many workers were dead.

    No work is lost with them: the pacers have woken other workers since. Raises redis.exceptions.RedisError.
    """
    client: Any = broker.client
    heartbeats = f"{broker.namespace}:__heartbeats__"
    dead = client.zrangebyscore(heartbeats, "-inf", time.time() * 1000 - DEAD_AFTER_MS)
    for name in dead:
        for queue in (SUBMIT_QUEUE, COLLECT_QUEUE):
            acks = f"{broker.namespace}:__acks__.{name.decode()}.{queue}"
            if ids := client.smembers(acks):
                client.hdel(f"{broker.namespace}:{queue}.msgs", *ids)
            client.delete(acks)
        client.zrem(heartbeats, name)
    return len(dead)
