"""From how many addresses came API keys that nobody has: only the number is kept, no address and no key."""

from collections.abc import Iterable
from typing import Final

import redis.asyncio as aioredis

from .keys import Keys

WINDOW: Final = 300.0
"""Seconds after the last of them for which they are counted."""


async def count_addresses(client: "aioredis.Redis", keys: Keys, addresses: Iterable[str]) -> None:
    """Adds addresses from which wrong keys came."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.pfadd(keys.KEYS_REFUSED, *addresses)
        pipe.pexpire(keys.KEYS_REFUSED, round(WINDOW * 1000))
        await pipe.execute()
