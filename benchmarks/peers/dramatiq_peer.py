"""The anchor: bare Dramatiq with one shared httpx.Client and 32 threads doing the bare job, with its default middleware.

python dramatiq_peer.py feed|work REDIS_URL POST_URL
"""

import sys
import time

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from feeder import feed

THREADS = 32
FIELDS = {
    "callfrom[phone]": (None, "712037006"),
    "callto[0][phone]": (None, "994412860"),
    "callto[1][phone]": (None, "977076909"),
}


def declare(redis_url: str, url: str) -> "dramatiq.Actor[[str], None]":
    """The broker and its one actor."""
    broker = RedisBroker(url=redis_url, namespace="anchor")  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
    dramatiq.set_broker(broker)
    client = httpx.Client(limits=httpx.Limits(max_connections=THREADS * 2, max_keepalive_connections=THREADS * 2))

    def place(extid: str) -> None:
        client.post(url, files={**FIELDS, "extid": (None, extid)}).raise_for_status()

    actor: dramatiq.Actor[[str], None] = dramatiq.actor(queue_name="anchor")(place)
    return actor


def main() -> None:
    role, redis_url, url = sys.argv[1:4]
    actor = declare(redis_url, url)
    if role == "feed":
        feed(lambda first, count: [actor.send(str(n)) for n in range(first, first + count)] and None)
        return
    dramatiq.Worker(dramatiq.get_broker(), worker_threads=THREADS).start()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
