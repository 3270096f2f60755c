"""Wake-ups: small Dramatiq messages that tell workers "there is work for account A".

They carry no truth. A lost one is sent again by a pacer within a second and a doubled one does no harm, so sending never
raises and never repeats a command whose answer was lost.
"""

import threading
from collections.abc import Iterable

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from .settings import Settings
from .store.connect import connect
from .store.keys import keys_of
from .store.logger import LibraryLogger

SUBMIT_QUEUE = "submit"
COLLECT_QUEUE = "collect"

log = LibraryLogger("alodial.wakeup")


def make_broker(settings: Settings, *, connections: int = 16) -> RedisBroker:
    """Returns Dramatiq's broker on ALODIAL_BROKER_URL or ALODIAL_REDIS_URL, with at most so many connections.

    It repeats no command and has no middleware. Its maintenance is off: it runs KEYS over the whole database, which stops
    a Redis with a million calls for 100 ms and more, to tidy up wake-ups that the sweeper deletes anyway.
    """
    url = (settings.broker_url or settings.redis_url).get_secret_value()
    client = connect(
        url, namespace=settings.namespace, timeout=settings.redis_timeout, connections=connections, repeat=0
    )
    return RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=client, namespace=keys_of(settings).BROKER_NAMESPACE, middleware=[], maintenance_chance=0
    )


class Waker:
    """Wakes the workers. Safe in threads; connects when it sends its first message."""

    def __init__(self, settings: Settings, broker: RedisBroker | None = None) -> None:
        self._settings = settings
        self._broker = broker
        self._lock = threading.Lock()

    def submit(self, accounts: Iterable[str]) -> None:
        """Wakes a worker for each account that has calls to submit."""
        for account in accounts:
            self._send(SUBMIT_QUEUE, account)

    def collect(self) -> None:
        """Wakes a worker for the results in the inbox."""
        self._send(COLLECT_QUEUE)

    def _send(self, queue: str, *args: str) -> None:
        message: Message[None] = Message(queue_name=queue, actor_name=queue, args=args, kwargs={}, options={})
        try:
            with self._lock:
                if self._broker is None:
                    self._broker = make_broker(self._settings, connections=4)
            self._broker.enqueue(message)
        except Exception as exc:  # the call is stored already: a pacer wakes the worker for it
            log.warning("wakeup.send_failed", queue=queue, error=type(exc).__name__)

    def close(self) -> None:
        """Closes the connections to the broker."""
        if self._broker is not None:
            self._broker.close()
