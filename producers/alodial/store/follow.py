"""Following the event stream without a group: whoever reads keeps its own place."""

from typing import Any, NamedTuple

import redis.asyncio as aioredis

from . import keys


class Told(NamedTuple):
    """One event: its id in the stream, and the CloudEvents JSON."""

    position: str
    event: str


async def newest(client: "aioredis.Redis") -> str:
    """The id of the last event; ``0-0`` when there was none yet."""
    rows: Any = await client.xrevrange(keys.EVENTS, count=1)
    return str(rows[0][0].decode()) if rows else "0-0"


async def events_after(client: "aioredis.Redis", position: str, count: int) -> list[Told]:
    """The next events behind a place, oldest first."""
    rows: Any = await client.xrange(keys.EVENTS, min=f"({position}", count=count)
    return [Told(at.decode(), fields[b"event"].decode("utf-8", "replace")) for at, fields in rows]


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
