"""Dead letters: results that could not be used, kept 30 days to be read, replayed or dropped."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from .answers import text
from .client import Operation, Store
from .keys import Keys

MAX_SCANNED = 2000
"""Entries that one page looks through; beyond, its cursor goes on."""

_DROP_BODY = """local size = redis.call('STRLEN', KEYS[1])
redis.call('DEL', KEYS[1])
if size > 0 then redis.call('DECRBY', KEYS[2], size) end
return size"""
"""Deletes a body and counts it off what ``lua/park.lua`` bounds."""

PREVIEW_BYTES = 2048
"""Bytes of a body that come with its row."""


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A dead letter without its body. ``size`` is the body's bytes, ``preview`` its beginning."""

    id: str
    kind: str
    reason: str
    content_type: str
    size: int
    preview: bytes

    @property
    def at(self) -> int:
        """When it was set aside, Unix ms: the first part of its id."""
        return int(self.id.partition("-")[0])


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Newest first; ``cursor`` goes on, "" at the end. A narrow filter may give short pages."""

    rows: list[DeadRow]
    cursor: str


@dataclass(frozen=True, slots=True)
class DeadResult:
    """A whole dead letter."""

    id: str
    kind: str
    reason: str
    content_type: str
    body: bytes


def list_dead(
    *,
    kind: str = "",
    reason: str = "",
    after: str = "",
    limit: int = 50,
    max_scanned: int = MAX_SCANNED,
    preview: int = 0,
) -> Operation[DeadPage]:
    """A page of dead letters. ``kind`` is ``unmatched`` or ``unreadable``, ``after`` the id of the last row seen,
    ``preview`` the bytes of each body wanted."""

    def read(answer: list[Any]) -> DeadPage:
        rows = [
            DeadRow(text(id), text(kind), text(reason), text(type), size, head)
            for id, kind, reason, type, size, head in answer[1]
        ]
        return DeadPage(rows, text(answer[0]))

    return Operation("dead", [after, kind, reason, limit, max_scanned, preview], read)


def ids(store: Store, *, kind: str = "", reason: str = "", limit: int) -> Iterator[str]:
    """The ids of the newest ``limit`` dead letters of a filter."""
    after, left = "", limit
    while left > 0:
        page = store.run(list_dead(kind=kind, reason=reason, after=after, limit=min(left, 500)))
        yield from (row.id for row in page.rows)
        left -= len(page.rows)
        after = page.cursor
        if not after:
            return


def find(client: "redis.Redis", keys: Keys, id: str) -> DeadResult | None:
    """The dead letter with this id; None when there is none."""
    rows: Any = client.xrange(keys.DEAD, min=id, max=id)
    if not rows:
        return None
    position, fields = rows[0]
    kind, reason, content_type = (text(fields[name]) for name in (b"kind", b"reason", b"type"))
    # An older version wrote the body into the entry.
    body: Any = fields.get(b"body")
    if body is None:
        body = client.get(keys.dead_body(id))
    return None if body is None else DeadResult(text(position), kind, reason, content_type, body)


def drop(client: "redis.Redis", keys: Keys, id: str) -> bool:
    """Deletes a dead letter. False when there was none."""
    with client.pipeline(transaction=True) as pipe:
        pipe.xdel(keys.DEAD, id)
        pipe.eval(_DROP_BODY, 2, keys.dead_body(id), keys.DEAD_BYTES)
        return bool(pipe.execute()[0])


def replay(client: "redis.Redis", keys: Keys, item: DeadResult) -> None:
    """Moves the body to the inbox, as if AloVoice had just sent it: both steps or neither."""
    with client.pipeline(transaction=True) as pipe:
        pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.xdel(keys.DEAD, item.id)
        pipe.eval(_DROP_BODY, 2, keys.dead_body(item.id), keys.DEAD_BYTES)
        pipe.execute()
