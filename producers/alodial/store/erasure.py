"""Finds and deletes what the store holds of one phone number, kind by kind. Every function may be repeated.

``pattern`` finds the number in text (``alodial_schemas.number_pattern``). What may be deleted is decided in ``calls/erasure.py``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import redis

from . import dead_letters
from .answers import number, text
from .keys import Keys

PAGE: Final = 500
"""Keys, records or entries of one round trip."""

_TEXTS: Final = re.compile(rb"b|r|m|(?:r|rc|o)\d+")
"""Fields of a record that hold numbers or a caller's text: body, reference, metadata, results and answers."""

_REPLACE: Final = """if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HINCRBY', KEYS[2], 'er', 1) end
return 1"""
"""Puts another chunk in a chunk's place, unless it has changed; ``er`` tells workers that keep chunks unpacked."""

Pattern = re.Pattern[str]


@dataclass(slots=True)
class StoreKeys:
    """Names of the store's keys, by what they hold. Keys that are made from the number itself are ``counters``."""

    calls: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)
    counters: list[bytes] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PersonCall:
    """A call that holds the number: its record's extid, its id and its state, and the keys that lead to it."""

    extid: str
    id: str
    state: str
    names: tuple[str, ...]


def store_keys(client: "redis.Redis", keys: Keys, number: str) -> StoreKeys:
    """Looks through all keys once; calls are only named, and take 60 bytes each."""
    found, prefix = StoreKeys(), keys.PREFIX.encode()
    by_kind = {
        "c": found.calls,
        "rows": found.rows,
        "bad": found.problems,
        "g": found.campaigns,
        "dnc": found.lists,
    }
    for key in client.scan_iter(match=f"{keys.PREFIX}*", count=PAGE):
        kind, _, rest = key.removeprefix(prefix).decode("utf-8", "replace").partition(":")
        if kind in ("quota", "freq"):
            if rest.endswith(number):
                found.counters.append(key)
        elif rest and kind in by_kind and (kind, rest) != ("dnc", "#"):
            by_kind[kind].append(rest)
    found.endpoints = sorted(text(name) for name in client.smembers(keys.WEBHOOKS))
    return found


def _pages(items: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(items)
    while page := list(islice(source, PAGE)):
        yield page


def person_calls(client: "redis.Redis", keys: Keys, extids: Iterable[str], pattern: Pattern) -> Iterator[PersonCall]:
    """Those of these calls whose record holds the number."""
    for page in _pages(extids):
        with client.pipeline(transaction=False) as pipe:
            for extid in page:
                pipe.hgetall(keys.record(extid))
            records = pipe.execute()
        for extid, raw in zip(page, records, strict=True):
            if b"id" in raw and _holds(raw, pattern):
                yield PersonCall(extid, text(raw[b"id"]), text(raw[b"s"]), _names(keys, raw))


def _holds(raw: Mapping[bytes, bytes], pattern: Pattern) -> bool:
    return any(pattern.search(text(value)) for name, value in raw.items() if _TEXTS.fullmatch(name))


def _names(keys: Keys, raw: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The keys that lead to a record: its redials' extids, its owner's extid, its idempotency keys."""
    names = [keys.alias(text(value)) for name, value in raw.items() if re.fullmatch(rb"x\d+", name)]
    if b"ox" in raw:
        names.append(f"{keys.PREFIX}xo:{text(raw[b'ox'])}")
    return (*names, *(f"{keys.PREFIX}k:{name}" for name in text(raw.get(b"ik", b"")).split()))


def delete_calls(client: "redis.Redis", keys: Keys, calls: Iterable[PersonCall]) -> int:
    """Deletes records of ended calls, as their expiry does later; lists pass over what is gone. Returns how many there were."""
    gone = 0
    for page in _pages(calls):
        with client.pipeline(transaction=False) as pipe:
            for call in page:
                for name in call.names:
                    pipe.delete(name)
                pipe.delete(keys.record(call.extid))
            answers = iter(pipe.execute())
        gone += sum([next(answers) for _ in (*call.names, call.extid)][-1] for call in page)
    return gone


def forget_requests(client: "redis.Redis", keys: Keys, extids: Iterable[str]) -> None:
    """Deletes what is remembered of the requests of calls that left Redis for the archive: a digest, made from the number too."""
    for page in _pages(extids):
        with client.pipeline(transaction=False) as pipe:
            for extid in page:
                pipe.hdel(keys.past(extid), extid)
            pipe.execute()


def count(client: "redis.Redis", keys: Keys) -> int:
    """How many erasures have deleted what Redis held: whoever read it under another number may hold a copy."""
    return number(client.get(keys.ERASURES))


def note(client: "redis.Redis", keys: Keys) -> None:
    """Tells those who hold a copy (:func:`count`) that it is of no use any more."""
    client.incr(keys.ERASURES)


def delete_keys(client: "redis.Redis", names: Iterable[bytes]) -> None:
    for page in _pages(names):
        client.delete(*page)


def rewrite(
    client: "redis.Redis",
    keys: Keys,
    campaign: str,
    key: str,
    change: Callable[[bytes], tuple[bytes, int]],
    *,
    apply: bool,
) -> int:
    """Rewrites a campaign's packed chunks: ``change`` returns a chunk's new bytes and how many of its entries it erased.

    Returns how many were. ``apply=False`` only counts. A chunk that another erasure changes at the same time is its own.
    """
    total = 0
    for name, blob in client.hscan_iter(key, count=20):
        if name.startswith(b"b"):
            continue
        fresh, erased = change(blob)
        if erased and apply:
            erased *= int(client.eval(_REPLACE, 2, key, keys.campaign(campaign), name, blob, fresh))
        total += erased
    return total


def stream_entries(client: "redis.Redis", stream: str) -> Iterator[list[tuple[bytes, dict[bytes, bytes]]]]:
    """A stream's entries from the oldest on, page by page."""
    lower = "-"
    while rows := client.xrange(stream, min=lower, count=PAGE):
        page: Any = rows
        yield page
        lower = f"({text(page[-1][0])}"


def delete_entries(
    client: "redis.Redis", stream: str, holds: Callable[[dict[bytes, bytes]], bool], *, apply: bool
) -> int:
    """Deletes the entries of a stream that hold the number; returns how many there are."""
    total = 0
    for page in stream_entries(client, stream):
        ids = [id for id, fields in page if holds(fields)]
        if ids and apply:
            client.xdel(stream, *ids)
        total += len(ids)
    return total


def delete_deliveries(
    client: "redis.Redis", keys: Keys, endpoint: str, holds: Callable[[str], bool], *, apply: bool
) -> int:
    """Deletes the events that wait for a webhook endpoint, or were given up, and hold the number; returns how many."""
    ids = [id for id, event in client.hscan_iter(keys.webhook(endpoint, "body"), count=PAGE) if holds(text(event))]
    if ids and apply:
        with client.pipeline(transaction=True) as pipe:
            pipe.zrem(keys.webhook(endpoint, "due"), *ids)
            pipe.hdel(keys.webhook(endpoint, "tries"), *ids)
            pipe.hdel(keys.webhook(endpoint, "body"), *ids)
            pipe.execute()
    parked = delete_entries(
        client, keys.webhook(endpoint, "parked"), lambda fields: holds(text(fields.get(b"event", b""))), apply=apply
    )
    if parked and apply:
        client.hincrby(keys.webhook(endpoint), "parked", -parked)
    return len(ids) + parked


def delete_results(client: "redis.Redis", keys: Keys, pattern: Pattern, *, apply: bool) -> int:
    """Deletes dead letters and results without a call that hold the number; returns how many."""
    total = 0
    for page in stream_entries(client, keys.DEAD):
        for id, _ in page:
            item = dead_letters.find(client, keys, text(id))
            if item is not None and pattern.search(text(item.body)):
                total += dead_letters.drop(client, keys, item.id) if apply else 1
    for member, _ in client.zscan_iter(keys.ORPHANS):
        if pattern.search(text(member)):
            total += int(client.zrem(keys.ORPHANS, member)) if apply else 1
    for key in client.scan_iter(match=f"{keys.ORPHANS}:*", count=PAGE):
        body: Any = client.hget(key, "b")
        if body is not None and pattern.search(text(body)):
            total += int(client.delete(key)) if apply else 1
    return total


def delete_listed(client: "redis.Redis", keys: Keys, scopes: Iterable[str], number: str, *, apply: bool) -> int:
    """Takes the number off the do-not-call lists of these scopes, where it can be read; returns how many had it."""
    total = 0
    for scope in ("", *scopes):
        name = keys.do_not_call(scope)
        answer: Any = client.hdel(name, number) if apply else client.hexists(name, number)
        total += int(answer)
    return total


def texts_of_campaign(client: "redis.Redis", keys: Keys, campaign: str) -> dict[str, str]:
    """A campaign's name and its request, as JSON: what cannot be taken out of it without changing what it is."""
    name, request = client.hmget(keys.campaign(campaign), ["n", "req"])
    return {"name": text(name or b""), "request": text(request or b"")}


def rewrite_file(client: "redis.Redis") -> bool:
    """Has Redis write its append-only file anew, without what was deleted. False where it may not be asked to, or has none."""
    try:
        info: Any = client.info("persistence")
        if not int(info.get("aof_enabled", 0)):
            return False
        client.bgrewriteaof()
    except redis.ResponseError as exc:
        return "in progress" in str(exc) or "scheduled" in str(exc)
    return True
