"""Runs scripts for an event loop on connections that are kept between two of them.

redis-py takes a connection from its pool under a lock, packs the arguments in Python, sends them in a task of its own and
records each step: 95 us of the interpreter for a script. On a kept connection, packed by hiredis, it is 25. Connecting,
passwords, TLS, Sentinels and the reading of answers stay redis-py's.
"""

from collections.abc import Sequence
from typing import Any, Final

import hiredis
import redis
import redis.asyncio as aioredis
from redis.exceptions import ConnectionError, TimeoutError

# redis-py before 5.3 demands the command's name, later versions warn of it.
POOL_ARGUMENTS: Final = ("EVALSHA",) if tuple(int(n) for n in redis.__version__.split(".")[:2]) < (5, 3) else ()

KEPT: Final = 8
"""Connections kept for scripts; what more there are goes back to the pool after each script."""


class ScriptConnections:
    """The kept connections of one client, which belongs to one event loop and closes them with its pool."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._pool: Any = client.connection_pool
        self._kept: list[Any] = []

    async def execute(self, *words: str | bytes | int | float) -> Any:
        """Returns Redis' answer. A command whose connection breaks, or that is not answered in time, is sent once more.

        Raises redis-py's errors.
        """
        packed = _packed(words)
        connection = self._kept.pop() if self._kept else await self._pool.get_connection(*POOL_ARGUMENTS)
        try:
            try:
                return await self._exchange(connection, packed)
            except (ConnectionError, TimeoutError, OSError):
                await connection.disconnect(nowait=True)
                return await self._exchange(connection, packed)
        finally:
            # A connection that failed was disconnected and connects when it is used next.
            if len(self._kept) < KEPT:
                self._kept.append(connection)
            else:
                await self._pool.release(connection)

    async def _exchange(self, connection: Any, packed: bytes) -> Any:
        # Connects where that is due, to another primary too, and leaves no unread answer of an earlier command.
        await self._pool.ensure_connection(connection)
        # Nobody waits until the bytes have left: the answer is waited for, with the client's timeout.
        connection._writer.write(packed)  # send_packed_command makes a task: 30 us
        return await connection.read_response()


def _packed(words: Sequence[str | bytes | int | float]) -> bytes:
    command: Any = tuple(words)
    packed: bytes = hiredis.pack_command(command)
    return packed
