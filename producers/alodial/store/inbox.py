"""Raw results on their way in: the inbox, results whose extid is not known yet (orphans), and what becomes of both.

A body is stored whole before AloVoice gets its 200. It leaves the inbox in the same step that keeps what could not be
used, so that a crash at any point means at worst that it is read once more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import redis
import redis.asyncio as aioredis
from redis.exceptions import ResponseError

from ..errors import StoreUnavailable
from .answers import text
from .client import Arg, Operation, Wait, require_confirmed
from .events import ignore_existing_group
from .keys import Keys
from .redis_errors import is_group_missing
from .server_clock import server_ms

DEAD_RETENTION_MS = 30 * 86_400_000

SEEN_MS = 7 * 86_400_000
"""For how long it is known when the last callback came."""

SPOOL_MARK_MS = 7 * 86_400_000
"""A mark outlives any outage that a spool of 256 MiB can bridge, and then expires."""

ParkedKind = Literal["orphan", "shared", "released", "unmatched", "unmatched_shared", "unreadable"]


class RawResult(NamedTuple):
    """One body as it came, the content type that it declared, and the address that sent it ("" where it is not kept)."""

    body: bytes
    content_type: str
    address: str = ""

    def fields(self) -> dict[str, bytes | str]:
        """The fields of its inbox entry."""
        source = {"a": self.address} if self.address else {}
        return {"b": self.body, "t": self.content_type, **source}


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One body in the inbox. ``id`` is its stream id, whose first part is the time it came, Unix ms."""

    id: str
    body: bytes
    content_type: str
    address: str = ""

    @property
    def arrived_ms(self) -> int:
        """When it came, Redis' Unix ms."""
        return int(self.id.partition("-")[0])


class ParkedResult(NamedTuple):
    """A result kept for later: an orphan's JSON, or a body for the dead letters with its event's data as JSON.

    A body of several results of which some are orphans is kept once, as ``shared``; ``lua/park.lua`` describes what
    the fields mean for it.
    """

    kind: ParkedKind
    body: bytes | str
    content_type: str = ""
    reason: str = ""
    event_data: str = "{}"


async def put(client: "aioredis.Redis", keys: Keys, items: Sequence[RawResult], wait: Wait | None = None) -> bool:
    """Stores bodies in one round trip. Returns whether a collector has to be woken.

    ``wait`` is the command that confirms them; raises StoreUnavailable when replicas are missing, and then the bodies
    may be stored all the same: the same result twice does nothing.
    """
    async with client.pipeline(transaction=False) as pipe:
        for item in items:
            pipe.xadd(keys.INBOX, item.fields())  # type: ignore[arg-type]  # its mapping is invariant
        pipe.set(keys.INBOX_WAKEUP, "1", nx=True, px=1000)
        pipe.set(keys.CALLBACK_SEEN, "1", px=SEEN_MS)
        if wait is not None:
            pipe.execute_command(*wait)
        answers = await pipe.execute()
    if wait is not None:
        require_confirmed(int(answers[-1]), wait)
    return bool(answers[len(items)])


async def put_spooled(client: "aioredis.Redis", keys: Keys, segment: str, end: int, items: Sequence[RawResult]) -> None:
    """Stores bodies of a spool's segment and, both or neither, how many of its bytes they reach to.

    Each body goes into the inbox once, whatever dies between Redis and the disk.
    """
    async with client.pipeline(transaction=True) as pipe:
        for item in items:
            pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.set(keys.spool_mark(segment), end, px=SPOOL_MARK_MS)
        pipe.set(keys.CALLBACK_SEEN, "1", px=SEEN_MS)
        await pipe.execute()


def put_again(client: "redis.Redis", keys: Keys, entries: Sequence[InboxEntry]) -> None:
    """Puts bodies back into the inbox, as new ones."""
    with client.pipeline(transaction=True) as pipe:
        for entry in entries:
            pipe.xadd(keys.INBOX, {"b": entry.body, "t": entry.content_type})
        pipe.execute()


async def confirm_spooled(client: "aioredis.Redis", keys: Keys, segment: str, wait: Wait) -> None:
    """Returns once replicas have what was stored of a spool's segment. Raises StoreUnavailable when they do not."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.pexpire(keys.spool_mark(segment), SPOOL_MARK_MS)
        pipe.execute_command(*wait)
        known, copies = await pipe.execute()
    if not known:
        raise StoreUnavailable("a failover lost what was stored")
    require_confirmed(int(copies), wait)


async def drained(client: "aioredis.Redis", keys: Keys, segment: str) -> int:
    """How many bytes of a spool's segment are in the inbox already."""
    return int(await client.get(keys.spool_mark(segment)) or 0)


def create_group(client: "redis.Redis", keys: Keys) -> None:
    """Creates the collectors' group, from the oldest body on, unless it exists."""
    with ignore_existing_group():
        client.xgroup_create(keys.INBOX, keys.INBOX_GROUP, id="0", mkstream=True)


def clear_wakeup(client: "redis.Redis", keys: Keys) -> None:
    """Lets the next body wake a collector."""
    client.delete(keys.INBOX_WAKEUP)


def claim_wakeup(client: "redis.Redis", keys: Keys) -> bool:
    """Whether bodies wait and no collector was woken within the last second; then the caller is to wake one."""
    return bool(client.xlen(keys.INBOX)) and bool(client.set(keys.INBOX_WAKEUP, "1", nx=True, px=1000))


def _entries(rows: Any) -> list[InboxEntry]:
    return [
        InboxEntry(text(position), fields[b"b"], text(fields[b"t"]), text(fields.get(b"a", b"")))
        for position, fields in rows
        if fields
    ]


def read_new(client: "redis.Redis", keys: Keys, reader: str, count: int) -> list[InboxEntry]:
    """The next bodies that no collector has read."""

    def read() -> Any:
        return client.xreadgroup(keys.INBOX_GROUP, reader, {keys.INBOX: ">"}, count=count)

    answer = _with_group(client, keys, read)
    return _entries(answer[0][1]) if answer else []


def reclaim(client: "redis.Redis", keys: Keys, reader: str, idle: float, count: int) -> list[InboxEntry]:
    """Takes over bodies that another collector read ``idle`` seconds ago or earlier and did not finish."""

    def claim() -> Any:
        return client.xautoclaim(keys.INBOX, keys.INBOX_GROUP, reader, int(idle * 1000), count=count)

    return _entries(_with_group(client, keys, claim)[1])


def _with_group(client: "redis.Redis", keys: Keys, read: Callable[[], Any]) -> Any:
    """Reads as a member of the collectors' group, which is made again where Redis lost its data (FLUSHALL)."""
    try:
        return read()
    except ResponseError as exc:
        if not is_group_missing(exc):
            raise
    create_group(client, keys)
    return read()


def last_id(client: "redis.Redis", keys: Keys) -> str:
    """The id of the newest body that ever came, from which on :func:`watch` sees new ones."""
    try:
        info: Any = client.xinfo_stream(keys.INBOX)
    except ResponseError:  # no body came yet
        return "0-0"
    return text(info["last-generated-id"])


def watch(client: "redis.Redis", keys: Keys, after: str, block: float, count: int = 20) -> list[InboxEntry]:
    """Bodies that came behind ``after``, beside the collectors: nothing is taken from them. Waits ``block`` seconds.

    Redis answers a reader that waits before a collector can finish the body.
    """
    answer: Any = client.xread({keys.INBOX: after}, count=count, block=max(1, int(block * 1000)))
    return _entries(answer[0][1]) if answer else []


def times_read(client: "redis.Redis", keys: Keys, entry: str) -> int:
    """How often collectors have read an entry that none has finished; 0 when it is finished."""
    rows = _with_group(client, keys, lambda: client.xpending_range(keys.INBOX, keys.INBOX_GROUP, entry, entry, 1))
    return int(rows[0]["times_delivered"]) if rows else 0


def park(
    fence: Literal["ack", "zrem"], subject: str | bytes, items: Sequence[ParkedResult], orphan_timeout: float
) -> Operation[bool]:
    """Finishes an inbox entry (``ack``) or an orphan (``zrem``) and keeps what could not be used.

    ``subject`` is the entry's id or the orphan itself; ``orphan_timeout`` is in seconds. False when it was finished
    already.
    """
    args: list[Arg] = [fence, subject, round(orphan_timeout * 1000)]
    for item in items:
        args += item
    return Operation("park", args, bool)


def finish(client: "redis.Redis", keys: Keys, entries: Sequence[str]) -> None:
    """Removes entries of which nothing has to be kept, by their ids, in one step."""
    if entries:
        with client.pipeline(transaction=True) as pipe:
            pipe.xack(keys.INBOX, keys.INBOX_GROUP, *entries)
            pipe.xdel(keys.INBOX, *entries)
            pipe.execute()


def orphans(client: "redis.Redis", keys: Keys, count: int) -> list[tuple[bytes, int]]:
    """Results with an unknown extid, each with the moment it is given up, Unix ms."""
    rows: Any = client.zrange(keys.ORPHANS, 0, count - 1, withscores=True)
    return [(member, int(score)) for member, score in rows]


def forget_readers(client: "redis.Redis", keys: Keys, idle: float) -> None:
    """Removes collectors that have been silent for ``idle`` seconds and left nothing unfinished from the group."""
    rows = _with_group(client, keys, lambda: client.xinfo_consumers(keys.INBOX, keys.INBOX_GROUP))
    for row in rows:
        if row["pending"] == 0 and row["idle"] > idle * 1000:
            client.xgroup_delconsumer(keys.INBOX, keys.INBOX_GROUP, row["name"])


def _count_dead(client: "redis.Redis", keys: Keys) -> None:
    """Sets the count of the dead letters' bytes, after the bodies of some have expired."""
    kept, after = 0, "-"
    while rows := client.xrange(keys.DEAD, min=after, count=1000):
        page: Any = rows
        kept += sum(int(fields.get(b"size", 0)) for _, fields in page)
        after = f"({text(page[-1][0])}"
    client.set(keys.DEAD_BYTES, kept)


def forget_old(client: "redis.Redis", keys: Keys, retention: float) -> None:
    """Drops dead letters after 30 days, and from the lists the calls that ended ``retention`` seconds ago or earlier."""
    now = server_ms(client)
    for label in keys.ENDED_LABELS:
        client.xtrim(keys.ended(label), minid=str(now - int(retention * 1000)))
    if client.xtrim(keys.DEAD, minid=str(now - DEAD_RETENTION_MS), approximate=False):
        _count_dead(client, keys)
