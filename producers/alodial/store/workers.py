"""Worker processes: a heartbeat each, in one small hash."""

import json
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

import redis

from . import keys

GONE_AFTER = 3600.0
"""Seconds after which a silent worker is removed; until then it is shown as silent."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's state. ``at`` and ``started_at`` are Unix ms by the worker's clock: for people, nothing is decided by it."""

    name: str
    at: int
    pid: int
    host: str
    in_flight: int
    started_at: int = 0
    version: str = ""


def write_heartbeat(client: "redis.Redis", heartbeat: Heartbeat) -> None:
    """Replaces the worker's heartbeat."""
    client.hset(keys.WORKERS, heartbeat.name, json.dumps(asdict(heartbeat)))


def deregister(client: "redis.Redis", name: str) -> None:
    """Removes a worker that stops."""
    client.hdel(keys.WORKERS, name)


def heartbeats(client: "redis.Redis") -> list[Heartbeat]:
    """The last heartbeats of all workers, sorted by name."""
    rows: Any = client.hgetall(keys.WORKERS)
    known = {field.name for field in fields(Heartbeat)}
    beats = ({name: value for name, value in json.loads(row).items() if name in known} for row in rows.values())
    return sorted((Heartbeat(**beat) for beat in beats), key=lambda beat: beat.name)


def forget_silent(client: "redis.Redis") -> None:
    """Removes workers that have been silent for an hour."""
    limit = (time.time() - GONE_AFTER) * 1000
    for heartbeat in heartbeats(client):
        if heartbeat.at < limit:
            deregister(client, heartbeat.name)
