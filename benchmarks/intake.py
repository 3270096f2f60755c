"""Taking calls and results in: the library against Dramatiq's ``send()``, HTTP against the least that a framework does."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .drain import feeder
from .foreign import foreign_load, moment
from .machine import WORKER_CORE, child, http_load, redis_on_other_core

KEY = "benchmark-api-key-of-32-letters-x"
SECRET = "benchmark-callback-secret"
CALL = {"callfrom": {"phone": "712037006"}, "callto": [{"phone": "994412860"}, {"phone": "977076909"}]}
RESULT = {
    "externalid": 123456789,
    "id": [1],
    "from_number": ["712037006"],
    "to_number": ["994412860"],
    "trunk_number": "712037006",
    "begin_time": 1_800_000_000,
    "answer_time": 1_800_000_007,
    "end_time": 1_800_000_031,
    "duration": 24,
    "dialstatus": "ANSWERED",
    "record": None,
    "attempts": [],
}


class Pair(NamedTuple):
    """Ours and the anchor's in one round, calls or requests a second."""

    ours: float
    anchor: float
    foreign: float


class Enqueued(NamedTuple):
    single: Pair
    many: Pair


def enqueued(rounds: int, single: int = 400, many: int = 10_000) -> list[Enqueued]:
    """``enqueue`` and ``enqueue_many`` beside ``send()``, in turns."""
    result = []
    with (
        redis_on_other_core(append_only=False) as redis,
        feeder("alodial", redis.url) as ours,
        feeder("dramatiq", redis.url) as theirs,
    ):
        for sender, jobs in ((ours, 50), (ours, "many 500"), (theirs, 50)):
            sender.send(jobs)  # connections and caches
        for _ in range(rounds):
            start = moment()
            took = [(theirs.send(single)[1], ours.send(single)[1]) for _ in range(4)]
            anchor, one = (single * 4 / sum(seconds) for seconds in zip(*took, strict=True))
            several = many / ours.send(f"many {many}")[1]
            foreign = foreign_load(start, moment())
            result.append(Enqueued(Pair(one, anchor, foreign), Pair(several, anchor, foreign)))
            redis.client().flushall()
    return result


class Web(NamedTuple):
    """Addresses of the product's web process and of the bare one, both on the worker's core."""

    ours: str
    bare: str
    redis: str


@contextmanager
def webs() -> Iterator[Web]:
    with redis_on_other_core(append_only=False) as redis:
        env = {
            "ALODIAL_REDIS_URL": redis.url,
            "ALODIAL_API_KEYS": KEY,
            "ALODIAL_CALLBACK_SECRET": SECRET,
            "ALODIAL_EVENTS_KEEP": "1000",
            "ALODIAL_API_REQUESTS_PER_SECOND": "100000",
        }
        with (
            child(["-m", "alodial.cli", "web", "--port", "0"], WORKER_CORE, env) as ours,
            child(["-m", "benchmarks.bare_web", redis.url], WORKER_CORE) as bare,
        ):
            assert ours.stdout is not None
            assert bare.stdout is not None
            yield Web(ours.stdout.readline().split()[-1].rstrip("/"), bare.stdout.readline().strip(), redis.url)


def request(url: str, path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def posted(web: Web, seconds: float) -> tuple[Pair, Pair]:
    """One round: ``POST /v1/calls`` and AloVoice's callbacks, each beside its bare endpoint. Raises RuntimeError if refused."""
    pairs = []
    paths = (("/v1/calls", "/api/calls", CALL), (f"/callbacks/alovoice/{SECRET}", "/callbacks", RESULT))
    for path, bare_path, body in paths:
        start = moment()
        loads = [
            http_load(web.bare, request(web.bare, bare_path, body), seconds=seconds),
            http_load(web.ours, request(web.ours, path, body), seconds=seconds),
        ]
        if any(load.refused for load in loads):
            raise RuntimeError(f"{path}: {[load.refused for load in loads]} requests were refused")
        pairs.append(Pair(loads[1].rate, loads[0].rate, foreign_load(start, moment())))
    return pairs[0], pairs[1]


def batch(web: Web, rows: int = 10_000) -> float:
    """Rows a second of one ``POST /v1/calls/batch``."""
    body = json.dumps([CALL] * rows).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    began = time.perf_counter()
    with opener.open(urllib.request.Request(f"{web.ours}/v1/calls/batch", body, headers), timeout=60) as answer:
        assert len(json.loads(answer.read())["results"]) == rows
    return rows / (time.perf_counter() - began)
