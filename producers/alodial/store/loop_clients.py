"""One asynchronous Redis client for each event loop.

A connection belongs to the loop that opened it. Used from another loop it sends the command, and then raises or waits for
ever for an answer that its own loop would have to deliver: the caller believes that nothing was stored, and repeats it.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

import redis.asyncio as aioredis

from .script_connections import AsyncScriptConnections


class _LoopClient(NamedTuple):
    """A loop's client, its connections for scripts, and the generator that the loop closes at its end, and with it the client."""

    client: "aioredis.Redis"
    scripts: AsyncScriptConnections
    guard: AsyncGenerator[None, None]


async def _closed_with_loop(client: "aioredis.Redis") -> AsyncGenerator[None, None]:
    """Closes the client when the loop shuts down its asynchronous generators: ``asyncio.run`` and ``async_to_sync`` do."""
    try:
        yield
    finally:
        await client.aclose(close_connection_pool=True)


async def _close(guard: AsyncGenerator[None, None]) -> None:
    await guard.aclose()


class LoopClients:
    """Makes a client for each loop that asks. Safe in threads; ``fixed`` replaces the clients of all loops."""

    def __init__(self, make: Callable[[], "aioredis.Redis"], fixed: "aioredis.Redis | None" = None) -> None:
        self._make = make
        self._fixed = fixed
        self._fixed_scripts = None if fixed is None else AsyncScriptConnections(fixed)
        self._lock = threading.Lock()
        self._by_loop: dict[asyncio.AbstractEventLoop, _LoopClient] = {}

    def current(self) -> "aioredis.Redis":
        """Returns the client of the running loop. Raises RuntimeError without one."""
        return self._fixed or self._current().client

    def script_connections(self) -> AsyncScriptConnections:
        """Returns what runs scripts on the running loop. Raises RuntimeError without one."""
        return self._fixed_scripts or self._current().scripts

    def _current(self) -> _LoopClient:
        loop = asyncio.get_running_loop()
        known = self._by_loop.get(loop)
        if known is not None:
            return known
        client = self._make()
        guard = _closed_with_loop(client)
        with contextlib.suppress(StopIteration):
            guard.__anext__().send(None)  # it waits for nothing before its yield; the loop knows of it from now on
        with self._lock:
            # Connections know their loop, so that nothing here is collected by itself.
            for gone in [old for old in self._by_loop if old.is_closed()]:
                del self._by_loop[gone]
            made = self._by_loop[loop] = _LoopClient(client, AsyncScriptConnections(client), guard)
        return made

    async def aclose(self) -> None:
        """Closes the client of the running loop, and has other loops that run close theirs, without waiting for them."""
        if self._fixed is not None:
            await self._fixed.aclose(close_connection_pool=True)
            return
        here = asyncio.get_running_loop()
        with self._lock:
            clients, self._by_loop = self._by_loop, {}
        for loop, known in clients.items():
            if loop is here:
                await known.guard.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(_close(known.guard), loop)
