"""Webhooks while the workers that deliver them are killed: every event arrives, and what comes twice is the same."""

import json
import os
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from plant import Plant
from standardwebhooks import Webhook

from alodial import TwoWayCall
from waiting import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FULL = os.environ.get("ALODIAL_CHAOS") == "full"
CALLS = 2_000 if FULL else 200
WORKERS = ("worker-1", "worker-2", "worker-3")


class Receiver(ThreadingHTTPServer):
    """Takes every event, after it refused a share of them; keeps the bodies that it took by their ids."""

    daemon_threads = True
    request_queue_size = 128  # killed workers come back with many connections at once

    def __init__(self, refuses: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuses = refuses
        self.rng = random.Random(20261123)
        self.lock = threading.Lock()
        self.seen: set[str] = set()
        self.bodies: dict[str, set[bytes]] = {}
        self.taken: Counter[str] = Counter()
        self.strange: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A killed worker's connection is reset, as it must be."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            Webhook(SECRET).verify(body, dict(self.headers))
        except Exception as exc:
            self.server.strange.append(repr(exc))
        with self.server.lock:
            # Only at its first try: the third would come after five minutes.
            refused = (
                self.headers["webhook-id"] not in self.server.seen and self.server.rng.random() < self.server.refuses
            )
            self.server.seen.add(self.headers["webhook-id"])
            if not refused:
                self.server.bodies.setdefault(self.headers["webhook-id"], set()).add(body)
                self.server.taken[self.headers["webhook-id"]] += 1
        self.send_response(500 if refused else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def _events(plant: Plant) -> set[str]:
    with plant.redis.client() as client:
        return {json.loads(fields[b"event"])["id"] for _, fields in client.xrange("alodial:events")}


@pytest.mark.chaos
@pytest.mark.slow
def test_every_event_reaches_every_endpoint_while_the_workers_are_killed_every_second(tmp_path: Path) -> None:
    steady, unsteady = Receiver(0), Receiver(0.1)
    rng = random.Random(7)
    hooks = {
        "webhooks": f"{steady.url},{unsteady.url}",
        "webhook_private": "1",
        "webhook_secret": SECRET,
        "webhook_timeout": "1",
        "calls_per_second": "40",
        "result_timeout": "30",  # a call whose POST died with its worker ends so
    }
    try:
        with Plant(tmp_path, sandbox=("--speed", "100", "--seed", "7"), **hooks) as plant:
            for name in WORKERS:
                plant.start_worker(name)
            with plant.redis.client() as client:
                wait_until(lambda: client.scard("alodial:{dial}:wh") == 2, within=20, what="both outlets begin")
            with plant.queue() as queue:
                queue.enqueue_many(TwoWayCall(callfrom="712037006", callto=[f"90{n:05}10"]) for n in range(CALLS))
            began, kills = time.monotonic(), 0
            while not plant.all_ended(CALLS):
                assert time.monotonic() - began < (900 if FULL else 150), plant.counts()
                if len(steady.bodies) < 2.7 * CALLS:  # of three events a call
                    victim = rng.choice(WORKERS)
                    plant.kill(victim)
                    plant.start_worker(victim)
                    kills += 1
                time.sleep(1)
            # The last kill's lease is the timeout and ten seconds; a refused one is tried again after five.
            deadline = time.monotonic() + 90
            while missing := (events := _events(plant)) - (steady.bodies.keys() & unsteady.bodies.keys()):
                assert time.monotonic() < deadline, missing
                time.sleep(0.2)
    finally:
        for receiver in (steady, unsteady):
            receiver.shutdown()
            receiver.server_close()
    assert kills >= 4
    assert len(events) >= 2 * CALLS
    for receiver in (steady, unsteady):
        assert receiver.bodies.keys() == events
        assert receiver.strange == []
        assert all(len(bodies) == 1 for bodies in receiver.bodies.values())
        # Only what a killed worker had under way may come twice.
        again = sum(receiver.taken.values()) - len(events)
        assert again <= kills * 64
