"""The audit: acts of people and keys, in streams of their own that no log line can wash away.

Each entry holds the SHA-256 of the entry before it and of itself, so that a changed, removed or inserted entry shows. Acts
of keys marked own are in a second stream, so that such a key cannot push those of operators out.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..errors import StoreUnavailable
from .answers import text
from .client import AsyncStore, Operation, Store
from .keys import Keys
from .records import iso
from .sansio import Steps

TRIES: Final = 50
"""Attempts to write behind an entry that another process wrote in the meantime."""
PAGE: Final = 500
MAX_LOOKED: Final = 10_000
"""Acts of keys marked own that one page looks through for those of a single key."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. ``actor`` is a key (``key:shop``), a person (``user:aziza``) or ``cli:`` and the user of the machine; ``via`` is
    api, monitor or cli. ``stated_name`` is what somebody typed as their name, and proves nothing. ``at`` is ISO 8601."""

    at: str
    actor: str
    address: str
    act: str
    target: str
    via: str
    stated_name: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An entry as it is kept: its place in the stream, its text, its hash, and whether an own key did it."""

    id: str
    raw: str
    hash: str
    own: bool

    def to_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.raw)
        return fields | {"id": self.id, "own": self.own, "hash": self.hash}


def chained(previous: str, raw: str) -> str:
    """The hash of an entry behind another."""
    return hashlib.sha256(f"{previous}\n{raw}".encode()).hexdigest()


def entry(at_ms: int, **fields: Any) -> AuditEntry:
    """An entry of a time in Unix ms."""
    return AuditEntry(at=str(iso(at_ms)), **fields)


def append(newest: str, act: AuditEntry, *, own: bool, keep: int) -> Operation[tuple[bool, str]]:
    """Appends an act behind the entry with the hash ``newest``, in a full store too.

    Answers whether that was the newest entry, and the newest hash of now: behind that the act has to be appended otherwise.
    """
    raw = act.to_json()

    def read(answer: list[Any]) -> tuple[bool, str]:
        return bool(answer[0]), text(answer[1])

    return Operation("audit", [int(own), newest, chained(newest, raw), raw, keep], read)


async def write_async(store: AsyncStore, act: AuditEntry, *, own: bool, keep: int) -> str:
    """Appends an act and returns its hash. Raises StoreUnavailable, also when other processes always came first."""
    newest = ""
    for _ in range(TRIES):
        done, newest = await store.run(append(newest, act, own=own, keep=keep))
        if done:
            return newest
    raise StoreUnavailable("the audit is busy")


def write(store: Store, act: AuditEntry, *, own: bool, keep: int) -> str:
    """As :func:`write_async`."""
    newest = ""
    for _ in range(TRIES):
        done, newest = store.run(append(newest, act, own=own, keep=keep))
        if done:
            return newest
    raise StoreUnavailable("the audit is busy")


def _lines(rows: Iterable[Any], *, own: bool) -> Iterator[AuditLine]:
    for at, fields in rows:
        yield AuditLine(text(at), text(fields.get(b"e", b"")), text(fields.get(b"h", b"")), own)


def _place(id: str) -> tuple[int, int]:
    ms, _, number = id.partition("-")
    return int(ms), int(number or 0)


def page(
    keys: Keys, *, since: int | None = None, until: int | None = None, limit: int = PAGE
) -> Steps[list[AuditLine]]:
    """Up to ``limit`` acts of a time (Unix ms), the newest first, of both streams."""
    lower = "-" if since is None else str(since)
    upper = "+" if until is None else f"({until}"
    answers = yield [("XREVRANGE", keys.audit(own=own), upper, lower, "COUNT", limit) for own in (False, True)]
    lines = [line for own, rows in zip((False, True), answers, strict=True) for line in _lines(rows, own=own)]
    return sorted(lines, key=lambda line: _place(line.id), reverse=True)[:limit]


def page_of_own(
    keys: Keys, actor: str, *, since: int | None = None, until: int | None = None, limit: int = PAGE
) -> Steps[list[AuditLine]]:
    """As :func:`page` for a key marked own: its acts alone, among the newest ``MAX_LOOKED`` of all such keys."""
    lower, upper = "-" if since is None else str(since), "+" if until is None else f"({until}"
    lines: list[AuditLine] = []
    for _ in range(MAX_LOOKED // PAGE):
        (rows,) = yield [("XREVRANGE", keys.audit(own=True), upper, lower, "COUNT", PAGE)]
        lines += [line for line in _lines(rows, own=True) if line.to_dict()["actor"] == actor]
        if len(rows) < PAGE or len(lines) >= limit:
            break
        upper = f"({text(rows[-1][0])}"
    return lines[:limit]


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The check of a stream: how many entries it has, the first that does not fit (None when all do), the newest hash."""

    own: bool
    entries: int
    broken: str | None
    head: str


def verify(keys: Keys, *, own: bool) -> Steps[ChainCheck]:
    """Checks each entry that is kept against the one before it, and the last against the head."""
    (head,) = yield [("GET", keys.audit_head(own=own))]
    previous: str | None = None
    count, broken, lower = 0, None, "-"
    while broken is None:
        (rows,) = yield [("XRANGE", keys.audit(own=own), lower, "+", "COUNT", PAGE)]
        for line in _lines(rows, own=own):
            count += 1
            if previous is not None and line.hash != chained(previous, line.raw):
                broken = line.id
                break
            previous = line.hash
        if len(rows) < PAGE:
            break
        lower = f"({text(rows[-1][0])}"
    newest = text(head or b"")
    if broken is None and newest != (previous or ""):
        broken = "the newest entries are missing"
    return ChainCheck(own, count, broken, newest)
