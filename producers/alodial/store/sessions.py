"""Sessions of people in the monitor. Redis ends an idle session by itself; the index ends with the longest session.

A session is found by the SHA-256 of its cookie, so that a copy of Redis' data opens no session.
"""

import hashlib
import secrets
import time
from typing import Any, Final, NamedTuple

import redis
import redis.asyncio as aioredis

from .answers import text
from .client import Operation
from .keys import Keys

MAX_OF_SCOPE: Final = 200
"""Sessions of one key or person; above it their oldest is ended, and never anybody else's."""
MAX_LISTED: Final = 1000
LINK_SECONDS: Final = 600
"""How long a sign-in link that nobody used works."""
MAX_CODE: Final = 128


class StoredSession(NamedTuple):
    """``id`` is the SHA-256 of the cookie, ``record`` what was written, ``idle`` seconds since its last request."""

    id: str
    record: str
    idle: int


def write(id: str, record: str, *, scope: str, idle: int, ends: int) -> Operation[None]:
    """Keeps a session until ``ends`` (Unix seconds), or until nothing was asked for ``idle`` seconds; in a full store too."""
    return Operation("session", [id, record, scope, idle, ends, int(time.time()), MAX_OF_SCOPE], lambda _: None)


async def read(client: "aioredis.Redis", keys: Keys, id: str, *, idle: int) -> str | None:
    """A session's record, which counts as its use; None when it ended."""
    value: Any = await client.getex(keys.session(id), ex=idle)
    return None if value is None else text(value)


async def end(client: "aioredis.Redis", keys: Keys, *ids: str) -> None:
    """Ends sessions for every web process."""
    if ids:
        async with client.pipeline() as pipe:
            pipe.delete(*(keys.session(id) for id in ids))
            pipe.zrem(keys.SESSIONS, *ids)
            await pipe.execute()


async def listing(client: "aioredis.Redis", keys: Keys, *, idle: int) -> list[StoredSession]:
    """All sessions that are open, the one that was opened last first."""
    ids: Any = await client.zrevrange(keys.SESSIONS, 0, MAX_LISTED - 1)
    if not ids:
        return []
    async with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.get(keys.session(text(id)))
            pipe.ttl(keys.session(text(id)))
        answers = await pipe.execute()
    rows = zip(ids, answers[::2], answers[1::2], strict=True)
    return [StoredSession(text(id), text(value), max(0, idle - left)) for id, value, left in rows if value is not None]


def offer_link(client: "redis.Redis", keys: Keys, scope: str) -> str:
    """Makes the code of a link that signs in with the key of ``scope``: used once, within ``LINK_SECONDS``.

    Only its SHA-256 is kept. Raises redis.RedisError in a full store.
    """
    code = secrets.token_urlsafe(32)
    client.set(keys.sign_in_link(_hash(code)), scope, ex=LINK_SECONDS)
    return code


async def take_link(client: "aioredis.Redis", keys: Keys, code: str) -> str | None:
    """The scope of a sign-in link's key, for its first use alone; None for a code that was used, is too old or unknown."""
    if not code or len(code) > MAX_CODE:
        return None
    scope: Any = await client.getdel(keys.sign_in_link(_hash(code)))
    return None if scope is None else text(scope)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogateescape")).hexdigest()
