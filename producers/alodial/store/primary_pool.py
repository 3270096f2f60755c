"""Connection pools that follow the primary which a :class:`~.sentinel.SentinelWatcher` names.

A connection remembers which primary it was made to. After a switch it is used no more: a request under way is finished on
it, the next one gets a new connection. A server that does not call itself master is left at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import redis
import redis.asyncio as aioredis
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError

from .sentinel import Address, SentinelService, SentinelWatcher, watch

LOOK_EVERY: Final = 0.02
"""Seconds between looks at whether Sentinels have named a primary, while none is known."""

OnConnect = Callable[[Any], Awaitable[None]]


def _require_master(role: Any) -> None:
    if not role or bytes(role[0]) != b"master":
        raise ConnectionError("the server that Sentinel names is no primary")


def _require_address(address: Address | None) -> Address:
    if address is None:
        raise ConnectionError("no Sentinel names a primary")
    return address


class _Follows:
    """What connections of both kinds share: the watcher, and the switch since which they are stale."""

    watcher: SentinelWatcher
    generation: int

    @property
    def stale(self) -> bool:
        return self.generation != self.watcher.view.generation


class PrimaryConnection(_Follows, Connection):
    """A connection to whatever server is the primary when it connects."""

    def __init__(self, *, watcher: SentinelWatcher, wait: float, **kwargs: Any) -> None:
        self.watcher, self._wait, self.generation = watcher, wait, -1
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def connect(self) -> None:
        """Connects, anew when the primary has changed since."""
        self.watcher.run_here()
        if self._sock is not None and self.stale:
            self.disconnect()
        super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def _connect(self) -> Any:
        self.watcher.wait_for_primary(self._wait)
        view = self.watcher.view
        (self.host, self.port), self.generation = _require_address(view.address), view.generation
        return super()._connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """As :class:`PrimaryConnection`, over TLS."""


class AsyncPrimaryConnection(_Follows, AsyncConnection):
    """As :class:`PrimaryConnection`, for an event loop."""

    def __init__(self, *, watcher: SentinelWatcher, wait: float, **kwargs: Any) -> None:
        self.watcher, self._wait, self.generation = watcher, wait, -1
        super().__init__(**kwargs)

    async def connect(self) -> None:
        """Connects, anew when the primary has changed since."""
        self.watcher.run_here()
        if self.is_connected and self.stale:
            await self.disconnect()
        await super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def _connect(self) -> None:
        # No thread: 64 connections would wait for each other in a pool.
        deadline = time.monotonic() + self._wait
        while (  # noqa: ASYNC110  # a thread sets it, for loops that come and go
            self.watcher.view.address is None and not self.watcher.silent and time.monotonic() < deadline
        ):
            await asyncio.sleep(LOOK_EVERY)
        view = self.watcher.view
        (self.host, self.port), self.generation = _require_address(view.address), view.generation
        await super()._connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


class AsyncPrimarySSLConnection(AsyncPrimaryConnection, AsyncSSLConnection):
    """As :class:`AsyncPrimaryConnection`, over TLS."""


def _check_master(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("ROLE")
    _require_master(connection.read_response())


class PrimaryPool(redis.BlockingConnectionPool):
    """A pool of connections to the primary of ``service``; ``options`` are those of a connection."""

    def __init__(self, service: SentinelService, options: dict[str, Any], *, timeout: float, **kwargs: Any) -> None:
        self.watcher = watch(service)
        self.watcher.add_user(self)
        options = dict(options)
        kind = PrimarySSLConnection if options.pop("ssl", False) else PrimaryConnection
        super().__init__(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            timeout=timeout,
            connection_class=kind,
            watcher=self.watcher,
            wait=timeout,
            redis_connect_func=_check_master,
            **options,
            **kwargs,
        )


class AsyncPrimaryPool(aioredis.BlockingConnectionPool):
    """As :class:`PrimaryPool`, for an event loop; ``on_connect`` is awaited on each new connection."""

    def __init__(
        self,
        service: SentinelService,
        options: dict[str, Any],
        on_connect: OnConnect | None,
        *,
        timeout: float,
        **kwargs: Any,
    ) -> None:
        self.watcher = watch(service)
        self.watcher.add_user(self)
        options = dict(options)
        kind = AsyncPrimarySSLConnection if options.pop("ssl", False) else AsyncPrimaryConnection

        async def check(connection: Any) -> None:
            await connection.on_connect()
            await connection.send_command("ROLE")
            _require_master(await connection.read_response())
            if on_connect is not None:
                await on_connect(connection)

        super().__init__(
            timeout=timeout,
            connection_class=kind,
            watcher=self.watcher,
            wait=timeout,
            redis_connect_func=check,
            **options,
            **kwargs,
        )
