"""The do-not-call lists: one for all, one for each campaign that has its own. claim and arm look into them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import redis

from . import keys
from .records import iso

CHUNK = 1000


class DncEntry(NamedTuple):
    """One number that is not rung. ``scope`` is "" for every call or a campaign's id; ``at`` ISO 8601."""

    number: str
    scope: str
    reason: str
    actor: str
    at: str

    def to_dict(self) -> dict[str, str]:
        return {"who" if name == "actor" else name: value for name, value in self._asdict().items()}


def add(client: "redis.Redis", numbers: Iterable[str], *, scope: str = "", reason: str = "", actor: str = "") -> int:
    """E.164 numbers, from the next call on. Answers how many were new; what was there keeps its first reason."""
    at: Any = client.time()
    value = json.dumps({"r": reason, "w": actor, "t": int(at[0]) * 1000}, ensure_ascii=False, separators=(",", ":"))
    new = 0
    source = iter(numbers)
    while some := list(islice(source, CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for number in some:
                pipe.hsetnx(keys.do_not_call(scope), number, value)
            new += sum(pipe.execute())
    return new


def remove(client: "redis.Redis", numbers: Iterable[str], *, scope: str = "") -> int:
    """Answers how many were on the list."""
    gone = 0
    source = iter(numbers)
    while some := list(islice(source, CHUNK)):
        answer: Any = client.hdel(keys.do_not_call(scope), *some)
        gone += answer
    return gone


def find(client: "redis.Redis", number: str, scopes: Sequence[str] = ("",)) -> list[DncEntry]:
    """Where it stands and why."""
    found = []
    for scope in scopes:
        value: Any = client.hget(keys.do_not_call(scope), number)
        if value is not None:
            found.append(_entry(number, scope, value))
    return found


def is_listed(client: "redis.Redis", numbers: Sequence[str], scope: str = "") -> list[bool]:
    """For each number whether it must not be rung, by the list for all or by the campaign's own."""
    if not numbers:
        return []
    values: Any = client.hmget(keys.do_not_call(), list(numbers))
    found = [value is not None for value in values]
    if scope:
        own: Any = client.hmget(keys.do_not_call(scope), list(numbers))
        found = [before or value is not None for before, value in zip(found, own, strict=True)]
    return found


def count(client: "redis.Redis", scope: str = "") -> int:
    answer: Any = client.hlen(keys.do_not_call(scope))
    return int(answer)


class DncPage(NamedTuple):
    """In no order; ``cursor`` continues, None at the end."""

    entries: list[DncEntry]
    cursor: str | None


def page(client: "redis.Redis", cursor: str | None = None, limit: int = 100, scope: str = "") -> DncPage:
    """About ``limit`` entries: what Redis hands out in one look."""
    answer: Any = client.hscan(keys.do_not_call(scope), int(cursor or 0), count=limit)
    position, rows = answer
    return DncPage([_entry(n.decode(), scope, value) for n, value in rows.items()], str(position) if position else None)


def every(client: "redis.Redis", scope: str = "") -> Iterator[DncEntry]:
    """All of them, for an export; one that is added or removed meanwhile may or may not be among them."""
    cursor: str | None = None
    while True:
        entries, cursor = page(client, cursor, CHUNK, scope)
        yield from entries
        if cursor is None:
            return


def _entry(number: str, scope: str, value: bytes) -> DncEntry:
    told = json.loads(value)
    return DncEntry(number, scope, told["r"], told["w"], iso(told["t"]))
