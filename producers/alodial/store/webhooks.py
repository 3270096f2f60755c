"""Each webhook endpoint's queue: events that are due, events that were parked, and the endpoint's health."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import redis

from .answers import number, text
from .client import Arg, Operation
from .keys import Keys
from .records import iso
from .sansio import Command, Steps
from .server_clock import server_ms, to_ms

Outcome = Literal["ok", "failed", "gone", "throttled"]

MAX_WAITING = 50_000
"""Events that wait for one endpoint, about 25 MB; further ones are parked."""

MAX_PARKED = 100_000
MAX_TRIED = 500
"""Tries of one endpoint that are remembered, about 150 kB."""

PARKED_MS = 30 * 86_400_000
KEEP_MS = 40 * 86_400_000
"""After so long without a worker that serves it an endpoint is forgotten with all its events."""

DISABLE_AFTER_MS = 5 * 86_400_000
"""After so long without a success an endpoint is switched off."""


class Delivery(NamedTuple):
    """An event to be sent; ``tries`` is how often it was tried before."""

    id: str
    tries: int
    event: bytes


class PulledDeliveries(NamedTuple):
    """``wait`` is in seconds until the next delivery is due; None when nothing waits."""

    wait: float | None
    deliveries: list[Delivery]


class DeliveryTry(NamedTuple):
    """The outcome of one try. ``delay`` is in seconds until the next, None for no more; ``took`` is in seconds.

    ``status`` is the HTTP status, 0 without an answer; ``why`` is a code of ours, never the receiver's text. ``type`` and
    ``call`` are those of the event, for people.
    """

    id: str
    outcome: Outcome
    delay: float | None
    status: int
    took: float
    why: str
    type: str = ""
    call: str = ""


class PastTry(NamedTuple):
    """A try as the monitor shows it: times are ISO 8601, ``took`` is in seconds, ``number`` counts the event's tries."""

    at: str
    event_id: str
    type: str
    call: str
    outcome: str
    status: int
    took: float
    why: str
    number: int
    next_at: str | None


class QueuedEvent(NamedTuple):
    """An event that waits or is parked: ``at`` is when it is due or was parked, ISO 8601; ``why`` it was parked."""

    at: str
    event_id: str
    type: str
    call: str
    tries: int
    why: str = ""


class EndpointHistory(NamedTuple):
    """The last tries, the newest first, and the first events that wait and that are parked."""

    tries: list[PastTry]
    waiting: list[QueuedEvent]
    parked: list[QueuedEvent]


def pull(endpoint: str, url: str, *, room: int, lease: float) -> Operation[PulledDeliveries]:
    """Takes up to ``room`` deliveries that are due. They are due again after ``lease`` seconds unless tries are recorded.

    ``url`` is the endpoint's, without secrets, for people.
    """
    args: list[Arg] = [endpoint, room, round(lease * 1000), MAX_WAITING, MAX_PARKED, KEEP_MS, url]

    def read(answer: list[Any]) -> PulledDeliveries:
        wait = int(answer[0])
        rows = [Delivery(row[0].decode(), int(row[1]), row[2]) for row in answer[1:]]
        return PulledDeliveries(None if wait < 0 else wait / 1000, rows)

    return Operation("relay", args, read)


def record_tries(
    endpoint: str, items: Sequence[DeliveryTry], *, disable_after_ms: int = DISABLE_AFTER_MS
) -> Operation[bool]:
    """Records tries. Returns whether the endpoint was switched off by them."""
    args: list[Arg] = [endpoint, MAX_PARKED, disable_after_ms, MAX_TRIED]
    for item in items:
        delay = -1 if item.delay is None else round(item.delay * 1000)
        args += (item.id, item.outcome, delay, item.status, round(item.took * 1000), item.why, item.type, item.call)
    return Operation("delivered", args, lambda answer: bool(answer == b"off"))


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """The health of one endpoint; the defaults are those of an endpoint that no worker has served yet.

    Times are ISO 8601; ``lag`` is the age in seconds of the oldest event that waits, ``seen_at`` when a worker last
    served the endpoint, ``held_until`` when a receiver that asked for a pause is tried again.
    """

    id: str
    url: str
    enabled: bool = True
    off_reason: str | None = None
    off_at: str | None = None
    delivered: int = 0
    failed: int = 0
    failures_in_row: int = 0
    failing_since: str | None = None
    last_success_at: str | None = None
    last_failure_at: str | None = None
    last_status: int | None = None
    last_problem: str | None = None
    mean_ms: float | None = None
    waiting: int = 0
    lag: float = 0.0
    parked: int = 0
    seen_at: str | None = None
    held_until: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The health as HTTP and ``--json`` show it."""
        return {name: getattr(self, name) for name in self.__slots__}


def _time(raw: dict[bytes, bytes], name: bytes) -> str | None:
    return iso(number(raw[name])) if name in raw else None


def _created_ms(event: bytes | None) -> int | None:
    try:
        return round(datetime.fromisoformat(json.loads(event or b"{}")["time"]).timestamp() * 1000)
    except (ValueError, TypeError, LookupError):
        return None


def health_steps(keys: Keys) -> Steps[list[EndpointHealth]]:
    """Reads the health of every endpoint that a worker served within 40 days, sorted by URL."""
    names, clock = yield [("SMEMBERS", keys.WEBHOOKS), ("TIME",)]
    ids = sorted(name.decode() for name in names)
    if not ids:
        return []
    now = to_ms(clock)
    commands: list[Command] = []
    for id in ids:
        commands += [
            ("HGETALL", keys.webhook(id)),
            ("ZCARD", keys.webhook(id, "due")),
            ("XLEN", keys.webhook(id, "parked")),
            ("ZRANGE", keys.webhook(id, "due"), 0, 0),
        ]
    answers = yield commands
    oldest = yield [
        ("HGET", keys.webhook(id, "body"), answers[4 * i + 3][0] if answers[4 * i + 3] else "")
        for i, id in enumerate(ids)
    ]
    endpoints = []
    for i, id in enumerate(ids):
        raw, waiting, parked = answers[4 * i : 4 * i + 3]
        if not raw:
            continue
        created = _created_ms(oldest[i]) if waiting else None
        delivered = number(raw.get(b"ok"))
        endpoints.append(
            EndpointHealth(
                id=id,
                url=text(raw.get(b"url")),
                enabled=b"off" not in raw,
                off_reason=text(raw[b"off"]) if b"off" in raw else None,
                off_at=_time(raw, b"off_at"),
                delivered=delivered,
                failed=number(raw.get(b"failed")),
                failures_in_row=number(raw.get(b"row")),
                failing_since=_time(raw, b"since"),
                last_success_at=_time(raw, b"ok_at"),
                last_failure_at=_time(raw, b"fail_at"),
                last_status=number(raw.get(b"status")) or None,
                last_problem=text(raw.get(b"why")) or None,
                mean_ms=number(raw.get(b"ok_ms")) / delivered if delivered else None,
                waiting=waiting,
                lag=max(0.0, (now - created) / 1000) if created is not None else 0.0,
                parked=parked,
                seen_at=_time(raw, b"seen"),
                held_until=_time(raw, b"until"),
            )
        )
    return sorted(endpoints, key=lambda endpoint: (endpoint.url, endpoint.id))


def event_names(event: bytes) -> tuple[str, str]:
    """The type of an event and the id of its call; each "" where there is none."""
    try:
        fields = json.loads(event)
        return str(fields.get("type") or ""), str((fields.get("data") or {}).get("call_id") or "")
    except (ValueError, AttributeError):
        return "", ""


def history_steps(keys: Keys, endpoint: str, limit: int) -> Steps[EndpointHistory]:
    """Reads up to ``limit`` of the last tries, of the waiting and of the parked events of an endpoint."""
    tried, due, parked = yield [
        ("XREVRANGE", keys.webhook(endpoint, "tried"), "+", "-", "COUNT", limit),
        ("ZRANGE", keys.webhook(endpoint, "due"), 0, limit - 1, "WITHSCORES"),
        ("XREVRANGE", keys.webhook(endpoint, "parked"), "+", "-", "COUNT", limit),
    ]
    waits = list(zip(due[::2], due[1::2], strict=True))
    ids = [id for id, _ in waits]
    bodies, counts = [], []
    if ids:
        bodies, counts = yield [
            ("HMGET", keys.webhook(endpoint, "body"), *ids),
            ("HMGET", keys.webhook(endpoint, "tries"), *ids),
        ]
    return EndpointHistory(
        [_past_try(fields) for _, fields in tried],
        [
            QueuedEvent(iso(number(at)), id.decode(), *event_names(body or b""), number(count))
            for (id, at), body, count in zip(waits, bodies, counts, strict=True)
        ],
        [
            QueuedEvent(
                iso(number(place.partition(b"-")[0])),
                text(row.get(b"id")),
                *event_names(row.get(b"event", b"")),
                number(row.get(b"tries")),
                text(row.get(b"why")),
            )
            for place, row in parked
        ],
    )


def _past_try(row: dict[bytes, bytes]) -> PastTry:
    return PastTry(
        iso(number(row.get(b"at"))),
        text(row.get(b"id")),
        text(row.get(b"type")),
        text(row.get(b"call")),
        text(row.get(b"outcome")),
        number(row.get(b"status")),
        number(row.get(b"took")) / 1000,
        text(row.get(b"why")),
        number(row.get(b"n")),
        iso(number(row[b"next"])) if row.get(b"next") else None,
    )


def enable(client: "redis.Redis", keys: Keys, endpoint: str) -> None:
    """Sends events to the endpoint again from now on; parked events stay parked until they are resent."""
    client.hdel(keys.webhook(endpoint), "off", "off_at", "until", "since", "why")
    client.hset(keys.webhook(endpoint), "row", 0)


def disable(client: "redis.Redis", keys: Keys, endpoint: str, why: str = "operator") -> None:
    """Sends nothing more to the endpoint; its events are parked meanwhile."""
    now = server_ms(client)
    client.hsetnx(keys.webhook(endpoint), "off", why)
    client.hsetnx(keys.webhook(endpoint), "off_at", str(now))


def put(client: "redis.Redis", keys: Keys, endpoint: str, events: Sequence[tuple[str, bytes]]) -> int:
    """Makes events, by their ids, due now, beginning with their first try. Returns how many were not waiting already."""
    now = server_ms(client)
    with client.pipeline(transaction=True) as pipe:
        for id, event in events:
            pipe.hset(keys.webhook(endpoint, "body"), id, event)
            pipe.hdel(keys.webhook(endpoint, "tries"), id)
            pipe.zadd(keys.webhook(endpoint, "due"), {id: now})
        pipe.hdel(keys.webhook(endpoint), "until")
        answers = pipe.execute()
    return sum(int(answer) for answer in answers[2::3])


def parked_page(client: "redis.Redis", keys: Keys, endpoint: str, count: int) -> list[tuple[bytes, str, bytes]]:
    """The first parked events: place, the event's id, event."""
    rows: Any = client.xrange(keys.webhook(endpoint, "parked"), count=count)
    return [(place, fields[b"id"].decode(), fields[b"event"]) for place, fields in rows]


def unpark(client: "redis.Redis", keys: Keys, endpoint: str, places: Sequence[bytes]) -> None:
    """Removes parked events by their places."""
    client.xdel(keys.webhook(endpoint, "parked"), *places)


def events_page(
    client: "redis.Redis", keys: Keys, after: str, until: str, count: int
) -> tuple[str, list[tuple[str, bytes]]]:
    """Events of the stream, oldest first: the place to go on from ("" at the end), and id and event of each."""
    rows: Any = client.xrange(keys.EVENTS, min=after, max=until, count=count)
    if not rows:
        return "", []
    return f"({rows[-1][0].decode()}", [(json.loads(fields[b"event"])["id"], fields[b"event"]) for _, fields in rows]


def forget_old(client: "redis.Redis", keys: Keys) -> None:
    """Drops events parked 30 days ago, and the groups of endpoints that no worker has served for a day."""
    now = server_ms(client)
    names: Any = client.smembers(keys.WEBHOOKS)
    for name in names:
        id = name.decode()
        client.xtrim(keys.webhook(id, "parked"), minid=str(now - PARKED_MS))
        seen: Any = client.hget(keys.webhook(id), "seen")
        if seen is None:
            client.srem(keys.WEBHOOKS, id)
        if seen is None or now - float(seen) > 86_400_000:
            client.xgroup_destroy(keys.EVENTS, f"webhook:{id}") if client.exists(keys.EVENTS) else None
            client.hdel(keys.webhook(id), "group")
