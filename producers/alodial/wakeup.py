"""Doorbells: tiny Dramatiq messages that say "there is work for account A".

They carry no truth. A lost one is rung again by a pacer within a second, a doubled one does no harm, so ringing never
raises and never repeats a command whose answer was lost.
"""

import threading
from collections.abc import Iterable

import structlog
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from .settings import Settings
from .store import keys
from .store.connect import connect

SUBMIT_QUEUE = "submit"
COLLECT_QUEUE = "collect"

log = structlog.get_logger("alodial.wakeup")


def make_broker(settings: Settings, *, connections: int = 16) -> RedisBroker:
    """Dramatiq's broker with our own client: no automatic repeats and no middleware.

    Its maintenance runs KEYS over the whole database, which stops a Redis with a million calls for 100 ms and more, so
    it is off; what it would tidy up are doorbells, which the sweeper throws away.
    """
    url = (settings.broker_url or settings.redis_url).get_secret_value()
    client = connect(url, timeout=settings.redis_timeout, connections=connections, repeat=0)
    return RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=client, namespace=keys.BROKER_NAMESPACE, middleware=[], maintenance_chance=0
    )


class Waker:
    """Rings the workers. Safe in threads; makes its connection at the first ring."""

    def __init__(self, settings: Settings, broker: RedisBroker | None = None) -> None:
        self._settings = settings
        self._broker = broker
        self._lock = threading.Lock()

    def submit(self, accounts: Iterable[str]) -> None:
        """There are calls to submit for these accounts."""
        for account in accounts:
            self._ring(SUBMIT_QUEUE, account)

    def collect(self) -> None:
        """There are results in the inbox."""
        self._ring(COLLECT_QUEUE)

    def _ring(self, queue: str, *args: str) -> None:
        message: Message[None] = Message(queue_name=queue, actor_name=queue, args=args, kwargs={}, options={})
        try:
            with self._lock:
                if self._broker is None:
                    self._broker = make_broker(self._settings, connections=4)
            self._broker.enqueue(message)
        except Exception as exc:  # the call is stored already: a pacer rings for it
            log.warning("wakeup.send_failed", queue=queue, error=type(exc).__name__)

    def close(self) -> None:
        if self._broker is not None:
            self._broker.close()
