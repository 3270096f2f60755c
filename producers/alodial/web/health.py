"""Is Redis reachable and fit for use?"""

import asyncio

import redis.exceptions

from ..settings import Settings
from ..store.connect import connect
from ..store.redis_checks import RedisCheck, inspect

PROBE_TIMEOUT = 2.0

REMEMBER = 1.0
"""Seconds for which an answer is given again: probes of many balancers cost one look at Redis a second."""


class Readiness:
    """Is Redis reachable and fit? One look at a time, however many ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._look: asyncio.Task[list[RedisCheck]] | None = None
        self._looked = -REMEMBER

    async def findings(self) -> list[RedisCheck]:
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked >= REMEMBER):
            self._looked = now
            self._look = asyncio.create_task(asyncio.to_thread(self._inspect))
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await asyncio.shield(self._look)
        except TimeoutError:
            return [RedisCheck("redis.reachable", "error", f"no answer within {PROBE_TIMEOUT:.0f} seconds")]

    def _inspect(self) -> list[RedisCheck]:
        url = self._settings.redis_url.get_secret_value()
        try:
            client = connect(url, timeout=min(PROBE_TIMEOUT, self._settings.redis_timeout), connections=1, repeat=0)
            try:
                return [RedisCheck("redis.reachable", "ok", "Redis answers"), *inspect(client)]
            finally:
                client.close()
        except (redis.exceptions.RedisError, OSError) as exc:
            # Its text may hold an address of the inside.
            return [RedisCheck("redis.reachable", "error", f"Redis is not available ({type(exc).__name__})")]
