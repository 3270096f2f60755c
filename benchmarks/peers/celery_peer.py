"""Celery with 32 threads, no results kept, gossip and heartbeat off. (Its gevent pool with httpx was ten times slower.)

python celery_peer.py feed|work REDIS_URL POST_URL
"""

import os
import sys
from pathlib import Path

import httpx
from celery import Celery
from feeder import feed

THREADS = 32

if __name__ == "__main__":
    os.environ["PEER_REDIS"], os.environ["PEER_URL"] = sys.argv[2:4]

app = Celery("celery_peer", broker=os.environ["PEER_REDIS"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=False)
FIELDS = {"callfrom[phone]": "712037006", "callto[0][phone]": "994412860", "callto[1][phone]": "977076909"}
clients: list[httpx.Client] = []


def place(extid: str) -> None:
    if not clients:
        clients.append(httpx.Client(limits=httpx.Limits(max_connections=THREADS, max_keepalive_connections=THREADS)))
    clients[0].post(os.environ["PEER_URL"], data={**FIELDS, "extid": extid}).raise_for_status()


task = app.task(name="place")(place)


def main() -> None:
    if sys.argv[1] == "work":
        os.chdir(Path(__file__).parent)
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
        command = ("-m", "celery", "-A", "celery_peer", "worker", "-P", "threads", "-c", str(THREADS), *quiet)
        os.execv(sys.executable, [sys.executable, *command])
    feed(lambda first, count: [task.delay(str(n)) for n in range(first, first + count)] and None)


if __name__ == "__main__":
    main()
