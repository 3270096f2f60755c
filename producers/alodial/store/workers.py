"""Which workers are alive, by their own word: a heartbeat each in one small hash."""

import json
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

import redis

from . import keys

GONE_AFTER = 3600.0
"""Seconds after which a silent worker's line is taken away; before, it is shown as silent."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``at`` and ``started_at`` are Unix ms of the worker's clock, for people; no decision is made by it."""

    name: str
    at: int
    pid: int
    host: str
    in_flight: int
    started_at: int = 0
    version: str = ""


def beat(client: "redis.Redis", heartbeat: Heartbeat) -> None:
    client.hset(keys.WORKERS, heartbeat.name, json.dumps(asdict(heartbeat)))


def leave(client: "redis.Redis", name: str) -> None:
    client.hdel(keys.WORKERS, name)


def alive(client: "redis.Redis") -> list[Heartbeat]:
    """All known workers, by name."""
    rows: Any = client.hgetall(keys.WORKERS)
    known = {one.name for one in fields(Heartbeat)}
    beats = ({name: value for name, value in json.loads(row).items() if name in known} for row in rows.values())
    return sorted((Heartbeat(**beat) for beat in beats), key=lambda beat: beat.name)


def forget_gone(client: "redis.Redis") -> None:
    limit = (time.time() - GONE_AFTER) * 1000
    for heartbeat in alive(client):
        if heartbeat.at < limit:
            leave(client, heartbeat.name)
