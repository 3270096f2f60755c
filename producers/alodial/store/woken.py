"""Where an idle worker waits in Redis for an account with new calls: enqueue hands it over in its own step.

It is the shortest way to a worker and never the only one: what is lost here a pacer finds within a quarter of a second.
"""

from typing import TYPE_CHECKING

from .keys import Keys

if TYPE_CHECKING:
    import redis.asyncio as aioredis

KNOWN_FOR = 1.5
"""Seconds, beyond its wait, that a worker counts as listening. While none does, enqueue has a message sent."""


async def wait(client: "aioredis.Redis", keys: Keys, seconds: float) -> str | None:
    """Returns an account as soon as it has new calls; None after ``seconds``. One of the workers that wait gets it."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.set(keys.LISTENING, "1", px=round((seconds + KNOWN_FOR) * 1000))
        pipe.blpop([keys.WOKEN], timeout=seconds)
        _, popped = await pipe.execute()
    return None if popped is None else popped[1].decode()
