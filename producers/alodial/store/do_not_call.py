"""The do-not-call lists: one for all calls, one for each campaign that has its own, and one for the calls of each owner that
has its own. claim and arm read them.

A number that was erased is on the list of all calls as a hash (docs/decisions/0024): whoever has the number can ask about it, and
nobody can read it from the list.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

import redis

from .answers import read_row
from .client import Arg, Operation
from .keys import Keys
from .records import iso

CHUNK = 1000

ERASED_NUMBER: Final = "+0"
"""Stands in a campaign's row in place of a number that was erased. It is on the list itself, so that the row calls nobody."""

_BLOCK: Final = hashlib.sha1(usedforsecurity=False).block_size
_HASH_KEYS: Final = ("i", "o")
"""Fields of the list of erased numbers that hold its HMAC key, as the blocks that are hashed before a message."""


class DncEntry(NamedTuple):
    """A number that is not called. ``scope`` is a campaign's id or "" for every call of the list's owner; ``at`` is ISO 8601."""

    number: str
    scope: str
    reason: str
    actor: str
    at: str

    def to_dict(self) -> dict[str, str]:
        """The entry as HTTP and ``--json`` show it."""
        return {"who" if name == "actor" else name: value for name, value in self._asdict().items()}


def scope_of(owner: str) -> str:
    """The scope of an owner's own list, which binds its calls only; "" for no owner. No campaign's id begins so."""
    return f"~{owner}" if owner else ""


class Added(NamedTuple):
    """``unknown`` when there is no such campaign; ``new`` numbers were not on the list before."""

    outcome: Literal["added", "unknown"]
    new: int


def add_entries(scope: str, entries: Iterable[tuple[str | bytes, str | bytes]]) -> Operation[Added]:
    """Adds E.164 numbers with their entries, as :func:`entry_json` writes them; known numbers keep their first one."""
    args: list[Arg] = [scope]
    for entry in entries:
        args += entry
    return Operation("forbid", args, lambda answer: read_row(Added, answer))


def forget_numbers(numbers: Iterable[str], entry: str) -> Operation[int]:
    """Keeps E.164 numbers on the list of all calls as hashes. Answers how many were not there before."""
    key = secrets.token_bytes(_BLOCK)
    args: list[Arg] = [bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)]
    for number in (*numbers, ERASED_NUMBER):
        args += (number, entry)
    return Operation("forget", args, int)


def _hashes(client: "redis.Redis", keys: Keys, numbers: Sequence[str]) -> list[str]:
    """The numbers as the list of erased numbers has them; [] while nobody was erased."""
    blocks: Any = client.hmget(keys.ERASED, list(_HASH_KEYS))
    inner, outer = blocks
    if inner is None or outer is None:
        return []
    return [_sha1(outer + _sha1(inner + number.encode()).digest()).hexdigest() for number in numbers]


def _sha1(message: bytes) -> "hashlib._Hash":
    return hashlib.sha1(message, usedforsecurity=False)


def entry_json(reason: str, actor: str, now_ms: int) -> str:
    """What the list keeps beside a number."""
    entry = {"r": reason, "w": actor, "t": now_ms // 1000 * 1000}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def raw_entries(client: "redis.Redis", keys: Keys, scope: str) -> Iterator[tuple[bytes, bytes]]:
    """The numbers of a list with their entries, as Redis keeps them."""
    yield from client.hscan_iter(keys.do_not_call(scope), count=CHUNK)


def remove(client: "redis.Redis", keys: Keys, numbers: Iterable[str], *, scope: str = "") -> int:
    """Removes E.164 numbers, erased ones too. Returns how many were on the list."""
    gone = 0
    source = iter(numbers)
    while chunk := list(islice(source, CHUNK)):
        answer: Any = client.hdel(keys.do_not_call(scope), *chunk)
        gone += answer
        if hashes := [] if scope else _hashes(client, keys, chunk):
            answer = client.hdel(keys.ERASED, *hashes)
            gone += answer
    return gone


def find(client: "redis.Redis", keys: Keys, number: str, scopes: Sequence[str] = ("",)) -> list[DncEntry]:
    """The entries of an E.164 number in the lists of these scopes."""
    values: list[tuple[str, Any]] = [(scope, client.hget(keys.do_not_call(scope), number)) for scope in scopes]
    if "" in scopes:
        values += [("", client.hget(keys.ERASED, hashed)) for hashed in _hashes(client, keys, [number])]
    return [_entry(number, scope, value) for scope, value in values if value is not None]


def is_listed(client: "redis.Redis", keys: Keys, numbers: Sequence[str], scopes: Sequence[str] = ("",)) -> list[bool]:
    """For each E.164 number whether it is on the list of any of these scopes."""
    listed = [False] * len(numbers)
    for scope in scopes if numbers else ():
        values: Any = client.hmget(keys.do_not_call(scope), list(numbers))
        listed = [before or value is not None for before, value in zip(listed, values, strict=True)]
    if numbers and "" in scopes and (hashes := _hashes(client, keys, numbers)):
        values = client.hmget(keys.ERASED, hashes)
        listed = [before or value is not None for before, value in zip(listed, values, strict=True)]
    return listed


def count(client: "redis.Redis", keys: Keys, scope: str = "") -> int:
    """How many numbers a list holds."""
    answer: Any = client.hlen(keys.do_not_call(scope))
    return int(answer)


def count_erased(client: "redis.Redis", keys: Keys) -> int:
    """How many numbers are on the list of all calls as hashes."""
    answer: Any = client.hlen(keys.ERASED)
    return max(0, int(answer) - len(_HASH_KEYS) - 1)


class DncPage(NamedTuple):
    """Entries in no order; ``cursor`` continues, None at the end."""

    entries: list[DncEntry]
    cursor: str | None


def page(client: "redis.Redis", keys: Keys, cursor: str | None = None, limit: int = 100, scope: str = "") -> DncPage:
    """About ``limit`` entries of a list: Redis' HSCAN decides."""
    answer: Any = client.hscan(keys.do_not_call(scope), int(cursor or 0), count=limit)
    position, rows = answer
    return DncPage([_entry(n.decode(), scope, value) for n, value in rows.items()], str(position) if position else None)


def _entry(number: str, scope: str, value: bytes) -> DncEntry:
    entry = json.loads(value)
    return DncEntry(number, "" if scope.startswith("~") else scope, entry["r"], entry["w"], iso(entry["t"]))
