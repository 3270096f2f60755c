"""Bodies that come from a spool on disk: each goes into the inbox once, whatever dies between Redis and the disk."""

from collections.abc import Sequence

import redis.asyncio as aioredis

from . import keys
from .inbox import Intake

MARK_MS = 7 * 86_400_000
"""A mark outlives any outage that a spool of 256 MiB can bridge, and then goes by itself."""


def _mark(segment: str) -> str:
    return f"{keys.PREFIX}spool:{segment}"


async def drained(client: "aioredis.Redis", segment: str) -> int:
    """How many bytes of this segment are in the inbox already."""
    value = await client.get(_mark(segment))
    return int(value) if value is not None else 0


async def put_spooled(client: "aioredis.Redis", segment: str, end: int, items: Sequence[Intake]) -> None:
    """Stores the bodies and, both or neither, how far into the segment they reach."""
    async with client.pipeline(transaction=True) as pipe:
        for item in items:
            pipe.xadd(keys.INBOX, {"b": item.body, "t": item.content_type})
        pipe.set(_mark(segment), end, px=MARK_MS)
        await pipe.execute()
