"""Raw results on their way in: the inbox they wait in, the orphans nobody knows yet, and the dead that nobody could use.

A body is stored whole before AloVoice gets its 200. It leaves the inbox in the same step that keeps what could not be
used, so that a crash at any point means at worst that it is read once more.

Bodies that come from a spool on disk: each goes into the inbox once, whatever dies between Redis and the disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import redis
import redis.asyncio as aioredis
import redis.exceptions

from . import keys
from .client import Arg, Operation

DEAD_RETENTION_MS = 30 * 86_400_000

Kept = Literal["orphan", "unmatched", "unreadable"]


class RawResult(NamedTuple):
    """One body as it came, and what it said it was."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One body in the inbox. ``id`` is its stream id, whose first part is the time it came, Unix ms."""

    id: str
    body: bytes
    content_type: str


class ParkedResult(NamedTuple):
    """Something kept for later: an orphan's JSON, or a body for the dead with the event's data beside it."""

    what: Kept
    body: bytes | str
    content_type: str = ""
    reason: str = ""
    event_data: str = "{}"


@dataclass(frozen=True, slots=True)
class DeadResult:
    """A result that nobody could use, whole."""

    id: str
    kind: str
    reason: str
    content_type: str
    body: bytes


async def put(client: "aioredis.Redis", items: Sequence[RawResult]) -> bool:
    """Stores bodies in one round trip. Answers whether a collector has to be rung."""
    async with client.pipeline(transaction=False) as pipe:
        for item in items:
            pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.set(keys.INBOX_BELL, "1", nx=True, px=1000)
        answers = await pipe.execute()
    return bool(answers[-1])


def make_group(client: "redis.Redis") -> None:
    """The collectors' group, from the oldest body on."""
    try:
        client.xgroup_create(keys.INBOX, keys.INBOX_GROUP, id="0", mkstream=True)
    except redis.exceptions.ResponseError as exc:
        if not str(exc).startswith("BUSYGROUP"):
            raise


def attend(client: "redis.Redis") -> None:
    """From here on a new body rings again."""
    client.delete(keys.INBOX_BELL)


def _entries(rows: Any) -> list[InboxEntry]:
    return [
        InboxEntry(position.decode(), fields[b"b"], fields[b"t"].decode("utf-8", "replace"))
        for position, fields in rows
        if fields
    ]


def take(client: "redis.Redis", reader: str, count: int) -> list[InboxEntry]:
    """The next bodies that no collector has seen."""
    answer: Any = client.xreadgroup(keys.INBOX_GROUP, reader, {keys.INBOX: ">"}, count=count)
    return _entries(answer[0][1]) if answer else []


def reclaim(client: "redis.Redis", reader: str, idle: float, count: int) -> list[InboxEntry]:
    """Bodies whose collector fell silent ``idle`` seconds ago."""
    answer: Any = client.xautoclaim(keys.INBOX, keys.INBOX_GROUP, reader, int(idle * 1000), count=count)
    return _entries(answer[1])


def forget_readers(client: "redis.Redis", idle: float) -> None:
    """Takes out of the group the names of collectors that are gone and left nothing behind."""
    rows: Any = client.xinfo_consumers(keys.INBOX, keys.INBOX_GROUP)
    for row in rows:
        if row["pending"] == 0 and row["idle"] > idle * 1000:
            client.xgroup_delconsumer(keys.INBOX, keys.INBOX_GROUP, row["name"])


def park(
    fence: Literal["ack", "zrem"], subject: str | bytes, kept: Sequence[ParkedResult], orphan_timeout: float
) -> Operation[bool]:
    """Finishes an inbox entry (``ack``) or an orphan (``zrem``) and keeps what could not be used."""
    args: list[Arg] = [fence, subject, round(orphan_timeout * 1000)]
    for item in kept:
        args += item
    return Operation("park", args, bool)


def finish(client: "redis.Redis", entries: Sequence[str]) -> None:
    """Takes entries out of which nothing has to be kept; all of them in one step."""
    if entries:
        with client.pipeline(transaction=True) as pipe:
            pipe.xack(keys.INBOX, keys.INBOX_GROUP, *entries)
            pipe.xdel(keys.INBOX, *entries)
            pipe.execute()


def orphans(client: "redis.Redis", count: int) -> list[tuple[bytes, int]]:
    """Results with an unknown extid, each with the moment it is given up, Unix ms."""
    rows: Any = client.zrange(keys.ORPHANS, 0, count - 1, withscores=True)
    return [(member, int(score)) for member, score in rows]


def _dead(position: bytes, fields: dict[bytes, bytes]) -> DeadResult:
    return DeadResult(
        position.decode(),
        fields[b"kind"].decode(),
        fields[b"reason"].decode("utf-8", "replace"),
        fields[b"type"].decode("utf-8", "replace"),
        fields[b"body"],
    )


def dead(client: "redis.Redis", *, after: str | None = None, limit: int = 50) -> list[DeadResult]:
    """The dead, newest first; ``after`` is the id of the last one seen."""
    rows: Any = client.xrevrange(keys.DEAD, max=f"({after}" if after else "+", count=limit)
    return [_dead(*row) for row in rows]


def find_dead(client: "redis.Redis", name: str) -> DeadResult | None:
    rows: Any = client.xrange(keys.DEAD, min=name, max=name)
    return _dead(*rows[0]) if rows else None


def drop(client: "redis.Redis", name: str) -> bool:
    return bool(client.xdel(keys.DEAD, name))


def replay(client: "redis.Redis", item: DeadResult) -> None:
    """Puts the body into the inbox again, as if AloVoice had just sent it, and takes it from the dead, both or neither."""
    with client.pipeline(transaction=True) as pipe:
        pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.xdel(keys.DEAD, item.id)
        pipe.execute()


def server_ms(client: "redis.Redis") -> int:
    """Redis' clock, Unix ms."""
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def forget_old(client: "redis.Redis", retention: float) -> None:
    """Drops dead results after 30 days, and from the lists calls so old that their records have expired."""
    now = server_ms(client)
    for label in keys.ENDED_LABELS:
        client.xtrim(keys.ended(label), minid=str(now - int(retention * 1000)))
    client.xtrim(keys.DEAD, minid=str(now - DEAD_RETENTION_MS))
    # A call may wait up to a year for its time before its retention begins.
    owners: Any = client.smembers(keys.OWNERS)
    for name in (keys.INDEX, *(keys.by_owner(owner.decode()) for owner in owners)):
        client.xtrim(name, minid=str(now - int(retention * 1000) - 366 * 86_400_000))


def neglected(client: "redis.Redis") -> bool:
    """Whether bodies wait and nobody was rung for them within the last second."""
    return bool(client.xlen(keys.INBOX)) and bool(client.set(keys.INBOX_BELL, "1", nx=True, px=1000))


MARK_MS = 7 * 86_400_000
"""A mark outlives any outage that a spool of 256 MiB can bridge, and then goes by itself."""


def _mark(segment: str) -> str:
    return f"{keys.PREFIX}spool:{segment}"


async def drained(client: "aioredis.Redis", segment: str) -> int:
    """How many bytes of this segment are in the inbox already."""
    value = await client.get(_mark(segment))
    return int(value) if value is not None else 0


async def put_spooled(client: "aioredis.Redis", segment: str, end: int, items: Sequence[RawResult]) -> None:
    """Stores the bodies and, both or neither, how far into the segment they reach."""
    async with client.pipeline(transaction=True) as pipe:
        for item in items:
            pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.set(_mark(segment), end, px=MARK_MS)
        await pipe.execute()
