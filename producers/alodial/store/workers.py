"""Worker and web processes: a heartbeat each, in one small hash for each kind, by Redis' clock."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import redis

from ..settings import Settings
from .call_context import SILENT_AFTER
from .keys import Keys
from .server_clock import server_ms

_WHEN_FULL = "redis.call('DEL', KEYS[1] .. ':none') return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"
"""Redis lets a script grow that has deleted something; see ``scripts.WHEN_FULL``."""

GONE_AFTER = 3600.0
"""Seconds after which a silent worker is removed; until then it is shown as silent."""

REPLACED_AFTER = 60.0
"""The same where its host has a worker that started since: whoever watches over it has restarted it."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process' state. ``at`` and ``started_at`` are Redis' Unix ms; ``failing`` has the loops whose last round failed.

    ``in_flight`` are a worker's POSTs under way, 0 for a web process.
    """

    name: str
    at: int
    pid: int
    host: str
    in_flight: int
    started_at: int = 0
    version: str = ""
    failing: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """Marks of its settings by what they are of, which all workers must have alike."""
    findings: dict[str, str] = field(default_factory=dict)
    """Codes of what is wrong with its own surroundings, each with what it is."""


def marks_of(settings: Settings) -> dict[str, str]:
    """Marks of the settings that all workers must have alike: 32 bits of a hash each, from which nothing can be read."""
    accounts = {name: settings.account(name) for name in settings.account_names}
    values: dict[str, Any] = {
        "limits": sorted((name, account.model_dump(exclude={"token"})) for name, account in accounts.items()),
        "provider": (settings.provider_url, settings.provider_body),
        "calling rules": (settings.allowed_prefixes, settings.frequency_caps, settings.own_numbers, settings.timezone),
    }
    return {name: hashlib.blake2b(repr(value).encode(), digest_size=4).hexdigest() for name, value in values.items()}


def write_heartbeat(client: "redis.Redis", keys: Keys, heartbeat: Heartbeat, key: str = "") -> None:
    """Replaces the heartbeat of a worker, or of a web process in ``keys.WEB``.

    A full Redis takes it too: a process that lives must not count as dead for it.
    """
    client.eval(_WHEN_FULL, 1, key or keys.WORKERS, heartbeat.name, json.dumps(asdict(heartbeat)))


def deregister(client: "redis.Redis", keys: Keys, name: str, key: str = "") -> None:
    """Removes a process that stops."""
    client.hdel(key or keys.WORKERS, name)


def heartbeats(client: "redis.Redis", keys: Keys, key: str = "") -> list[Heartbeat]:
    """The last heartbeats of all workers or web processes, sorted by name; what cannot be read is left out."""
    rows: Any = client.hgetall(key or keys.WORKERS)
    known = {field.name for field in fields(Heartbeat)}
    beats = []
    for row in rows.values():
        try:
            beats.append(Heartbeat(**{name: value for name, value in json.loads(row).items() if name in known}))
        except (ValueError, TypeError, AttributeError):
            continue
    return sorted(beats, key=lambda beat: beat.name)


def any_alive(client: "redis.Redis", keys: Keys) -> bool:
    """Whether there is a worker that is alive."""
    now = server_ms(client)
    return any(now - beat.at < SILENT_AFTER * 1000 for beat in heartbeats(client, keys))


def forget_silent(client: "redis.Redis", keys: Keys) -> None:
    """Removes processes that have been silent for an hour, or for a minute when their host has a later one."""
    now = server_ms(client)
    for key in (keys.WORKERS, keys.WEB):
        beats = heartbeats(client, keys, key)
        for beat in beats:
            silent = (now - beat.at) / 1000
            replaced = any(other.host == beat.host and other.started_at > beat.at for other in beats)
            if silent > GONE_AFTER or (replaced and silent > REPLACED_AFTER):
                deregister(client, keys, beat.name, key)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker or web process. ``silent`` is in seconds since its heartbeat; ``started_at`` is Unix ms, None in older versions.

    ``failing`` names the loops whose last round failed, each with its error; ``findings`` has codes of what is wrong with its own
    surroundings, each with what it is.
    """

    name: str
    host: str
    pid: int
    in_flight: int
    silent: float
    started_at: int | None
    version: str
    failing: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether its heartbeat is younger than SILENT_AFTER."""
        return self.silent < SILENT_AFTER


def _state(raw: bytes, now: int) -> WorkerState | None:
    try:
        beat = json.loads(raw)
        return WorkerState(
            name=str(beat["name"]),
            host=str(beat["host"]),
            pid=int(beat["pid"]),
            in_flight=int(beat["in_flight"]),
            silent=max(0.0, (now - float(beat["at"])) / 1000),
            started_at=int(beat["started_at"]) if beat.get("started_at") else None,
            version=str(beat.get("version", "")),
            marks={str(name): str(mark) for name, mark in dict(beat.get("marks") or {}).items()},
            findings={str(code): str(detail) for code, detail in dict(beat.get("findings") or {}).items()},
            failing={str(name): str(error) for name, error in dict(beat.get("failing") or {}).items()},
        )
    except (ValueError, TypeError, LookupError):
        return None


def read_processes(beats: Mapping[bytes, bytes], now: int) -> tuple[WorkerState, ...]:
    """Reads the hash of heartbeats at ``now``, Redis' Unix ms: the silent first, by name. Leaves out what cannot be read."""
    states = [state for raw in beats.values() if (state := _state(raw, now)) is not None]
    return tuple(sorted(states, key=lambda state: (state.alive, state.name)))
