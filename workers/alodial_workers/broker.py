"""Dramatiq's broker as the workers use it: it carries wake-ups only.

No delay queues, no Retries, no TimeLimit, no AgeLimit: what happens later is in the call store. A consumer that cannot
reach Redis waits and goes on; a wake-up that cannot be acknowledged is dropped, because the pacers wake again.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from dramatiq import Consumer, MessageProxy, Worker
from dramatiq.brokers.redis import RedisBroker

from alodial.settings import Settings
from alodial.store.keys import keys_of
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE, make_broker

log = structlog.get_logger("alodial.broker")

WORKER_TIMEOUT_MS = 12
"""Longest sleep of an idle consumer. Dramatiq's default of 1000 made the median pick-up 507 ms; 20 made it 9 ms."""

AWAY_PAUSE = 0.5
"""Seconds between tries to read while Redis is away."""

DEAD_AFTER_MS = 300_000
MAX_PREFETCH = 8


class PatientConsumer(Consumer):
    """Wraps Dramatiq's consumer: waits for an absent Redis instead of ending the consumer's thread."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

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
            return self._inner.__next__()
        except Exception as exc:  # as above; the pacer logs the store's troubles
            log.debug("wakeup.read_failed", error=type(exc).__name__)
            time.sleep(AWAY_PAUSE)
            return None

    def close(self) -> None:
        self._inner.close()


class WakeupBroker(RedisBroker):
    """RedisBroker without delay queues."""

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return PatientConsumer(super().consume(queue_name, min(prefetch, MAX_PREFETCH), timeout))


def worker_broker(settings: Settings) -> WakeupBroker:
    """Returns the broker of a worker process. Raises ConfigurationError for a URL that is not Redis'."""
    plain = make_broker(settings)
    return WakeupBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=plain.client, namespace=keys_of(settings).BROKER_NAMESPACE, middleware=[], maintenance_chance=0
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
