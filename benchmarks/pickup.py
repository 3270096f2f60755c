"""From idle: how long from ``enqueue`` to the POST's arrival, and what waiting for it costs. Beside taskiq, in turns."""

import time
from typing import NamedTuple

from alodial.store.keys import Keys

from .drain import feeder, worker_of
from .foreign import foreign_load, moment, tree_seconds
from .machine import OTHER_CORE, Stub, redis_on_other_core, stub

keys = Keys()

PAUSE = 0.4
"""Seconds between two tries: longer than an engine lingers, so that each begins from idle."""

PEER = "taskiq"
LIMITS = {"ALODIAL_CALLS_PER_SECOND": "50", "ALODIAL_BURST": "50"}


class Pickup(NamedTuple):
    """Milliseconds of each try, and per cent of a core that idling takes: ours and the peer's."""

    ours: list[float]
    anchor: list[float]
    idle: float
    idle_anchor: float
    foreign: float


def pickup(tries: int, idle_seconds: float) -> Pickup:
    """Both workers share a core and a Redis; each has a stub of its own."""
    with (
        redis_on_other_core(append_only=False) as redis,
        redis.client() as client,
        stub(0) as our_stub,
        stub(0) as their_stub,
        worker_of("alodial", redis.url, our_stub.url, LIMITS) as ours,
        worker_of(PEER, redis.url, their_stub.url) as theirs,
        feeder("alodial", redis.url, core=OTHER_CORE) as our_feeder,
        feeder(PEER, redis.url, core=OTHER_CORE) as their_feeder,
    ):
        while not client.hlen(keys.WORKERS):
            time.sleep(0.1)
        start = moment()
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(tries + 3):
            for took, sender, seen in ((found[0], our_feeder, our_stub), (found[1], their_feeder, their_stub)):
                time.sleep(PAUSE / 2)
                before = seen.seen().posts
                took.append(_arrival(seen, before, sender.send(1)[0]))
        time.sleep(1)
        cpu = [tree_seconds(ours), tree_seconds(theirs)]
        time.sleep(idle_seconds)
        idle = [(tree_seconds(pid) - old) / idle_seconds * 100 for pid, old in zip((ours, theirs), cpu, strict=True)]
        return Pickup(found[0][3:], found[1][3:], idle[0], idle[1], foreign_load(start, moment()))


def _arrival(seen: Stub, before: int, began_ns: int) -> float:
    time.sleep(0.01)
    return (seen.wait(before + 1, 15).last_ns - began_ns) / 1e6
