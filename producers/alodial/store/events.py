"""Following the event stream without a group: whoever reads keeps its own place.

A call's events, found again in the stream: each was written in the moment of a change that the call's timeline knows.

Groups of readers of the event stream: joining one, and leaving it without taking unfinished events along.

Reading the event stream without a group, for people and programs that only look.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import redis.asyncio as aioredis
import redis.exceptions

from . import keys
from .client import Store
from .sansio import Command, Steps, run_async


class StreamEvent(NamedTuple):
    """One event: its id in the stream, and the CloudEvents JSON."""

    position: str
    event: str


async def newest(client: "aioredis.Redis") -> str:
    """The id of the last event; ``0-0`` when there was none yet."""
    rows: Any = await client.xrevrange(keys.EVENTS, count=1)
    return str(rows[0][0].decode()) if rows else "0-0"


async def events_after(client: "aioredis.Redis", position: str, count: int) -> list[StreamEvent]:
    """The next events behind a place, oldest first."""
    rows: Any = await client.xrange(keys.EVENTS, min=f"({position}", count=count)
    return [StreamEvent(at.decode(), fields[b"event"].decode("utf-8", "replace")) for at, fields in rows]


async def wait_for_event(client: "aioredis.Redis", position: str, seconds: float) -> bool:
    """True once there is an event behind a place, False after so many seconds without one."""
    rows: Any = await client.xread({keys.EVENTS: position}, count=1, block=max(1, int(seconds * 1000)))
    return bool(rows)


async def lost_after(client: "aioredis.Redis", position: str) -> str:
    """The oldest entry that is kept, when a reader's last one is older than that and gone; "" otherwise."""
    exact = position if "-" in position else f"{position}-0"
    if await client.xrange(keys.EVENTS, min=exact, max=exact, count=1):
        return ""
    first: Any = await client.xrange(keys.EVENTS, count=1)
    if not first:
        return ""
    oldest: str = first[0][0].decode()
    return oldest if _place(exact) < _place(oldest) else ""


def _place(id: str) -> tuple[int, int]:
    at, _, n = id.partition("-")
    return int(at), int(n)


MOMENTS = 30
"""The last moments of a call that are looked at."""

WITHIN_MS = 20
"""An entry's own clock may be read this much after the script's: a script of 250 calls takes 5 ms."""

ENTRIES = 300
"""Of one moment. At 5,000 calls a second 20 ms hold about 200 events."""


def _events(id: str, moments: Iterable[int]) -> Steps[list[dict[str, Any]]]:
    wanted = sorted(set(moments))[-MOMENTS:]
    commands: list[Command] = [("XRANGE", keys.EVENTS, str(ms), str(ms + WITHIN_MS), "COUNT", ENTRIES) for ms in wanted]
    answers = (yield commands) if commands else []
    mark = f'"subject":"{id}"'.encode()
    found: dict[bytes, dict[str, Any]] = {}
    for rows in answers:
        for position, fields in rows:
            raw = fields.get(b"event", b"")
            if position in found or mark not in raw:
                continue
            try:
                event = json.loads(raw)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("subject") == id:
                found[position] = event
    return list(found.values())


async def call_events_async(client: "aioredis.Redis", id: str, moments: Iterable[int]) -> list[dict[str, Any]]:
    """The events of the call with this id that are still in the stream, oldest first; ``moments`` are Unix ms."""
    return await run_async(client, _events(id, moments))


def make_group(client: Any, group: str, start: str) -> None:
    try:
        client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)
    except redis.exceptions.ResponseError as exc:
        if not str(exc).startswith("BUSYGROUP"):
            raise


async def make_group_async(client: Any, group: str, start: str) -> None:
    try:
        await client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)
    except redis.exceptions.ResponseError as exc:
        if not str(exc).startswith("BUSYGROUP"):
            raise


def leave(client: Any, group: str, reader: str) -> None:
    """Takes the reader's name out of the group, unless it leaves unfinished events behind for others."""
    try:
        if not client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            client.xgroup_delconsumer(keys.EVENTS, group, reader)
    except (redis.exceptions.RedisError, OSError):
        return


async def leave_async(client: Any, group: str, reader: str) -> None:
    try:
        if not await client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            await client.xgroup_delconsumer(keys.EVENTS, group, reader)
    except (redis.exceptions.RedisError, OSError):
        return


BATCH = 500


def read_events(store: Store, start: str, *, follow: bool) -> Iterator[str]:
    """CloudEvents JSON from ``start`` on: ``0``, ``now`` or a stream id that was seen last. Raises StoreUnavailable."""
    position = start
    if start == "now":
        rows: Any = store.call(lambda client: client.xrevrange(keys.EVENTS, count=1))
        position = rows[0][0].decode() if rows else "0-0"
    while True:
        batch: Any = store.call(lambda client, at=position: client.xrange(keys.EVENTS, min=f"({at}", count=BATCH))  # type: ignore[misc]  # lambda default
        for at, fields in batch:
            position = at.decode()
            yield fields[b"event"].decode("utf-8", "replace")
        if len(batch) == BATCH:
            continue
        if not follow:
            return
        # Half a second is well below the socket's own timeout, which would look like an outage.
        store.call(lambda client, at=position: client.xread({keys.EVENTS: at}, count=1, block=500))  # type: ignore[misc]  # as above
