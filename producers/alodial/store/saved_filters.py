"""Filters of lists that people keep under names of their own: for each key or person, bounded in number and length."""

from typing import Final, NamedTuple

import redis.asyncio as aioredis

from .answers import text
from .keys import Keys

MAX_FILTERS: Final = 20
"""Of one key or person on one screen."""
MAX_NAME: Final = 40
MAX_QUERY: Final = 1000
KEEP_SECONDS: Final = 365 * 86_400
"""After the last look at the list."""


class SavedFilter(NamedTuple):
    """``query`` is that of the list's address."""

    name: str
    query: str


async def listing(client: "aioredis.Redis", keys: Keys, scope: str, screen: str) -> list[SavedFilter]:
    """A person's filters on a screen, by name."""
    key = keys.saved_filters(scope, screen)
    async with client.pipeline(transaction=False) as pipe:
        pipe.hgetall(key)
        pipe.expire(key, KEEP_SECONDS)
        stored, _ = await pipe.execute(raise_on_error=False)
    if isinstance(stored, Exception):
        raise stored
    rows = [SavedFilter(text(name), text(query)) for name, query in stored.items()]
    return sorted(rows, key=lambda row: row.name.casefold())


async def save(client: "aioredis.Redis", keys: Keys, scope: str, screen: str, name: str, query: str) -> bool:
    """Keeps a filter; the same name has the new one. False, and nothing is kept, where ``MAX_FILTERS`` others are.

    Two that are saved in the same moment may be one more.
    """
    key = keys.saved_filters(scope, screen)
    if await client.hlen(key) >= MAX_FILTERS and not await client.hexists(key, name[:MAX_NAME]):
        return False
    async with client.pipeline() as pipe:
        pipe.hset(key, name[:MAX_NAME], query[:MAX_QUERY])
        pipe.expire(key, KEEP_SECONDS)
        await pipe.execute()
    return True


async def forget(client: "aioredis.Redis", keys: Keys, scope: str, screen: str, name: str) -> None:
    """Deletes a filter."""
    await client.hdel(keys.saved_filters(scope, screen), name)
