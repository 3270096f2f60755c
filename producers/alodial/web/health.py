"""Checks for ``/readyz`` whether Redis is reachable and fit for use."""

import asyncio

import redis.exceptions

from ..calls.threads import PROBE
from ..errors import StoreUnavailable
from ..settings import Settings
from ..store.connect import connect
from ..store.keys import keys_of
from ..store.redis_address import failure_cause
from ..store.redis_checks import RedisCheck, inspect_for

PROBE_TIMEOUT = 2.0

CACHE_SECONDS = 1.0
"""A result is reused for so long: probes of many balancers cost one check of Redis a second."""


class Readiness:
    """Runs one check at a time, however many probes wait for it. ``ending`` once the process is about to stop."""

    def __init__(self, settings: Settings) -> None:
        self.ending = False
        self._settings = settings
        self._check: asyncio.Task[list[RedisCheck]] | None = None
        self._started = -CACHE_SECONDS

    async def findings(self) -> list[RedisCheck]:
        """Returns ``redis.reachable`` and, when it is, the checks of Redis' set-up; after PROBE_TIMEOUT seconds at most."""
        now = asyncio.get_running_loop().time()
        if self._check is None or (self._check.done() and now - self._started >= CACHE_SECONDS):
            self._started = now
            self._check = asyncio.create_task(PROBE.run(self._inspect))
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await asyncio.shield(self._check)
        except TimeoutError:
            return [
                RedisCheck(
                    "redis.reachable",
                    "error",
                    f"no answer within {PROBE_TIMEOUT:.0f} seconds",
                    code=StoreUnavailable.code,
                )
            ]

    def _inspect(self) -> list[RedisCheck]:
        url = self._settings.redis_url.get_secret_value()
        try:
            client = connect(
                url,
                namespace=self._settings.namespace,
                timeout=min(PROBE_TIMEOUT, self._settings.redis_timeout),
                connections=1,
                repeat=0,
            )
            try:
                return [
                    RedisCheck("redis.reachable", "ok", "Redis answers"),
                    *inspect_for(client, keys_of(self._settings), self._settings),
                ]
            finally:
                client.close()
        except (redis.exceptions.RedisError, OSError) as exc:
            # The address is nothing for strangers.
            message = f"Redis did not answer ({failure_cause(exc)})"
            hint = "start Redis, or correct ALODIAL_REDIS_URL; calls and results wait until it answers"
            return [RedisCheck("redis.reachable", "error", message, hint, code=StoreUnavailable.code)]
