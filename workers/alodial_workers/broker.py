"""Dramatiq's broker as the workers use it: doorbells only.

No delay queues, no Retries, no TimeLimit, no AgeLimit: "later" lives in the call store. A consumer that cannot reach
Redis waits and goes on, and a doorbell that cannot be acknowledged is forgotten, because the pacers ring again.
"""

import time
from collections.abc import Iterable
from typing import Any

import redis.exceptions
import structlog
from dramatiq import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker

from alodial.settings import Settings
from alodial.store import keys
from alodial.wakeup import COLLECT_QUEUE, SUBMIT_QUEUE, make_broker

log = structlog.get_logger("alodial.broker")

WORKER_TIMEOUT_MS = 12
"""Longest sleep of an idle consumer. Dramatiq's default of 1000 made the median pick-up 507 ms; 20 made it 9 ms."""

AWAY_PAUSE = 0.5
DEAD_AFTER_MS = 300_000
FETCHED_AT_ONCE = 8


class PatientConsumer(Consumer):
    """Wraps Dramatiq's consumer: an absent Redis is waited for instead of ending the consumer thread."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def ack(self, message: MessageProxy) -> None:
        self._forgiving(self._inner.ack, message)

    def nack(self, message: MessageProxy) -> None:
        self._forgiving(self._inner.nack, message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._forgiving(self._inner.requeue, messages)

    @staticmethod
    def _forgiving(act: Any, subject: Any) -> None:
        try:
            act(subject)
        except (redis.exceptions.RedisError, OSError, ConnectionError) as exc:
            log.debug("wakeup.ack_failed", error=type(exc).__name__)
        except Exception as exc:  # Dramatiq wraps lost connections in errors of its own
            log.debug("wakeup.ack_failed", error=type(exc).__name__)

    def __next__(self) -> MessageProxy | None:
        try:
            return self._inner.__next__()
        except Exception as exc:  # as above; the store's own troubles are told by the pacer
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
        return PatientConsumer(super().consume(queue_name, min(prefetch, FETCHED_AT_ONCE), timeout))


def worker_broker(settings: Settings) -> WakeupBroker:
    """The broker of a worker process."""
    plain = make_broker(settings)
    return WakeupBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=plain.client, namespace=keys.BROKER_NAMESPACE, middleware=[], maintenance_chance=0
    )


def tidy(broker: RedisBroker) -> int:
    """Throws away what workers that died had fetched: they were doorbells, and others were rung since. No KEYS."""
    client: Any = broker.client
    beats = f"{broker.namespace}:__heartbeats__"
    gone = client.zrangebyscore(beats, "-inf", time.time() * 1000 - DEAD_AFTER_MS)
    for name in gone:
        for queue in (SUBMIT_QUEUE, COLLECT_QUEUE):
            acks = f"{broker.namespace}:__acks__.{name.decode()}.{queue}"
            if ids := client.smembers(acks):
                client.hdel(f"{broker.namespace}:{queue}.msgs", *ids)
            client.delete(acks)
        client.zrem(beats, name)
    return len(gone)
