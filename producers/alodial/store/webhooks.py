"""Each webhook endpoint's queue in the store: what is due, what was parked, how it fares."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import redis

from . import keys
from .client import Arg, Operation
from .records import iso
from .sansio import Steps

Outcome = Literal["ok", "failed", "gone", "throttled"]

MAX_WAITING = 50_000
"""Events that wait for one endpoint, about 25 MB; what comes beyond is parked."""

MAX_PARKED = 100_000
PARKED_MS = 30 * 86_400_000
KEEP_MS = 40 * 86_400_000
"""After which an endpoint that no worker serves any more is forgotten with all that it holds."""

DISABLE_AFTER_MS = 5 * 86_400_000
"""Of nothing but failures."""


class Delivery(NamedTuple):
    """``tries`` is how often it was tried before."""

    id: str
    tries: int
    event: bytes


class PulledDeliveries(NamedTuple):
    """``wait`` is in seconds until something else is due; None while nothing waits."""

    wait: float | None
    deliveries: list[Delivery]


class DeliveryTry(NamedTuple):
    """``delay`` in seconds until the next try, None for no more. ``why`` is a word of ours, never the receiver's."""

    id: str
    outcome: Outcome
    delay: float | None
    status: int
    took: float
    why: str


def pull(endpoint: str, shown: str, *, room: int, lease: float) -> Operation[PulledDeliveries]:
    """Up to ``room`` deliveries that are due; they are due again after ``lease`` seconds, whatever became of us."""
    args: list[Arg] = [endpoint, room, round(lease * 1000), MAX_WAITING, MAX_PARKED, KEEP_MS, shown]

    def read(answer: list[Any]) -> PulledDeliveries:
        wait = int(answer[0])
        rows = [Delivery(row[0].decode(), int(row[1]), row[2]) for row in answer[1:]]
        return PulledDeliveries(None if wait < 0 else wait / 1000, rows)

    return Operation("relay", args, read)


def tried(endpoint: str, items: Sequence[DeliveryTry], *, disable_after_ms: int = DISABLE_AFTER_MS) -> Operation[bool]:
    """Records tries. Answers whether the endpoint was switched off by them."""
    args: list[Arg] = [endpoint, MAX_PARKED, disable_after_ms]
    for item in items:
        delay = -1 if item.delay is None else round(item.delay * 1000)
        args += (item.id, item.outcome, delay, item.status, round(item.took * 1000), item.why)
    return Operation("delivered", args, lambda answer: bool(answer == b"off"))


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How one endpoint fares. Times are ISO 8601; ``lag`` is the age in seconds of the oldest event that waits."""

    id: str
    url: str
    enabled: bool
    off_reason: str | None
    off_at: str | None
    delivered: int
    failed: int
    failures_in_row: int
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    last_status: int | None
    last_problem: str | None
    mean_ms: float | None
    waiting: int
    lag: float
    parked: int
    seen_at: str | None
    held_until: str | None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def unserved(id: str, url: str) -> EndpointHealth:
    """One of the settings that no worker has served yet."""
    return EndpointHealth(
        id=id,
        url=url,
        enabled=True,
        off_reason=None,
        off_at=None,
        delivered=0,
        failed=0,
        failures_in_row=0,
        failing_since=None,
        last_success_at=None,
        last_failure_at=None,
        last_status=None,
        last_problem=None,
        mean_ms=None,
        waiting=0,
        lag=0.0,
        parked=0,
        seen_at=None,
        held_until=None,
    )


def _number(raw: dict[bytes, bytes], name: bytes) -> int:
    return int(float(raw.get(name, b"0")))


def _when(raw: dict[bytes, bytes], name: bytes) -> str | None:
    return iso(int(float(raw[name]))) if name in raw else None


def _made_ms(event: bytes | None) -> int | None:
    try:
        return round(datetime.fromisoformat(json.loads(event or b"{}")["time"]).timestamp() * 1000)
    except (ValueError, TypeError, LookupError):
        return None


def health_steps() -> Steps[list[EndpointHealth]]:
    """Every endpoint that a worker served lately, by its URL."""
    names, clock = yield [("SMEMBERS", keys.WEBHOOKS), ("TIME",)]
    ids = sorted(name.decode() for name in names)
    if not ids:
        return []
    now = clock[0] * 1000 + clock[1] // 1000
    commands: list[tuple[str | bytes | int, ...]] = []
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
    found = []
    for i, id in enumerate(ids):
        raw, waiting, parked = answers[4 * i : 4 * i + 3]
        if not raw:
            continue
        made = _made_ms(oldest[i]) if waiting else None
        good = _number(raw, b"ok")
        found.append(
            EndpointHealth(
                id=id,
                url=raw.get(b"url", b"").decode("utf-8", "replace"),
                enabled=b"off" not in raw,
                off_reason=raw[b"off"].decode() if b"off" in raw else None,
                off_at=_when(raw, b"off_at"),
                delivered=good,
                failed=_number(raw, b"failed"),
                failures_in_row=_number(raw, b"row"),
                failing_since=_when(raw, b"since"),
                last_success_at=_when(raw, b"ok_at"),
                last_failure_at=_when(raw, b"fail_at"),
                last_status=_number(raw, b"status") or None,
                last_problem=raw[b"why"].decode("utf-8", "replace") if raw.get(b"why") else None,
                mean_ms=_number(raw, b"ok_ms") / good if good else None,
                waiting=waiting,
                lag=max(0.0, (now - made) / 1000) if made is not None else 0.0,
                parked=parked,
                seen_at=_when(raw, b"seen"),
                held_until=_when(raw, b"until"),
            )
        )
    return sorted(found, key=lambda one: (one.url, one.id))


def enable(client: "redis.Redis", endpoint: str) -> None:
    """Takes events again from now on; what was parked stays parked until it is resent."""
    client.hdel(keys.webhook(endpoint), "off", "off_at", "until", "since", "why")
    client.hset(keys.webhook(endpoint), "row", 0)


def disable(client: "redis.Redis", endpoint: str, why: str = "operator") -> None:
    """Sends nothing more; events are parked meanwhile."""
    with client.pipeline(transaction=True) as pipe:
        pipe.time()
        pipe.hsetnx(keys.webhook(endpoint), "off", why)
        at: Any = pipe.execute()[0]
    client.hsetnx(keys.webhook(endpoint), "off_at", str(at[0] * 1000 + at[1] // 1000))


def put(client: "redis.Redis", endpoint: str, events: Sequence[tuple[str, bytes]]) -> int:
    """Has events delivered from now on, from their first try. Answers how many were not waiting already."""
    at: Any = client.time()
    with client.pipeline(transaction=True) as pipe:
        for id, event in events:
            pipe.hset(keys.webhook(endpoint, "body"), id, event)
            pipe.hdel(keys.webhook(endpoint, "tries"), id)
            pipe.zadd(keys.webhook(endpoint, "due"), {id: at[0] * 1000 + at[1] // 1000})
        pipe.hdel(keys.webhook(endpoint), "until")
        answers = pipe.execute()
    return sum(int(answer) for answer in answers[2::3])


def parked_page(client: "redis.Redis", endpoint: str, count: int) -> list[tuple[bytes, str, bytes]]:
    """The first of what was parked: place, event's id, event."""
    rows: Any = client.xrange(keys.webhook(endpoint, "parked"), count=count)
    return [(place, fields[b"id"].decode(), fields[b"event"]) for place, fields in rows]


def unpark(client: "redis.Redis", endpoint: str, places: Sequence[bytes]) -> None:
    client.xdel(keys.webhook(endpoint, "parked"), *places)


def events_page(client: "redis.Redis", after: str, until: str, count: int) -> tuple[str, list[tuple[str, bytes]]]:
    """Events that the stream still has, oldest first: where to go on ("" at the end), and id and event of each."""
    rows: Any = client.xrange(keys.EVENTS, min=after, max=until, count=count)
    if not rows:
        return "", []
    return f"({rows[-1][0].decode()}", [(json.loads(fields[b"event"])["id"], fields[b"event"]) for _, fields in rows]


def forget_old(client: "redis.Redis") -> None:
    """Drops what was parked 30 days ago, and the groups of endpoints that nobody has served for a day."""
    at: Any = client.time()
    now = at[0] * 1000 + at[1] // 1000
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
