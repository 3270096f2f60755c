"""Runs scripts on connections that are kept between two of them, for threads and for event loops.

redis-py takes a connection from its pool under a lock, looks whether it is alive, packs the arguments in Python and records
each step; asynchronously it sends them in a task of its own. There that is 95 us of the interpreter for a script. On a kept
connection, packed by hiredis, it is 25. Connecting, passwords, TLS, Sentinels and the reading of answers stay redis-py's; in a
thread, the bytes of a command that goes over a plain socket are sent and received here.
"""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import hiredis
import redis
import redis.asyncio as aioredis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from .redis_errors import is_lost

# redis-py before 5.3 demands the command's name, later versions warn of it.
POOL_ARGUMENTS: Final = ("EVALSHA",) if tuple(int(n) for n in redis.__version__.split(".")[:2]) < (5, 3) else ()

PLAIN: Final = frozenset({redis.Connection, redis.UnixDomainSocketConnection})

ANSWER_SIZE: Final = 16_384
"""Bytes that are received at once; few answers are longer."""

ONE: Final = b":1\r\n"
"""The answer to most calls that are enqueued alone, which needs no reader."""

KEPT: Final = 8
"""Connections kept for scripts; what more there are goes back to the pool after each script."""

LOST: Final = (ConnectionError, TimeoutError, OSError, ResponseError)

Command = Sequence[str | bytes | int | float]


class ScriptConnections:
    """The kept connections of one client. Safe in threads; a forked process opens connections of its own."""

    def __init__(self, client: "redis.Redis") -> None:
        self._pool: Any = client.connection_pool
        self._kept_by_process: dict[int, list[Any]] = {}

    def execute(self, *words: str | bytes) -> Any:
        """Returns Redis' answer. A command whose connection breaks, that is not answered in time, or whose server became a
        replica is sent once more, on a new connection. Numbers are given as text, see :func:`as_text`.

        Raises redis-py's errors.
        """
        packed = _packed(words)
        kept = self._kept()
        try:
            connection = kept.pop()  # no other thread gets this one; between a look and a pop it could
        except IndexError:
            connection = self._pool.get_connection(*POOL_ARGUMENTS)
        try:
            try:
                return (self._exchange_bytes if _is_plain(connection) else self._exchange)(connection, packed)
            except LOST as exc:
                if not is_lost(exc):
                    raise
                return self._exchange(connection, packed)  # what this raises is in redis-py's words
        finally:
            # A connection that failed was disconnected and connects when it is used next.
            if len(kept) < KEPT:
                kept.append(connection)
            else:
                self._pool.release(connection)

    def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """As :meth:`execute`, for several commands on one connection; a refusal is an answer, but that of a replica."""
        connection = self._pool.get_connection(*POOL_ARGUMENTS)
        packed = [_packed(as_text(words)) for words in commands]
        try:
            try:
                return self._exchange_all(connection, packed)
            except LOST as exc:
                if not is_lost(exc):
                    raise
                return self._exchange_all(connection, packed)
        finally:
            self._pool.release(connection)

    def close(self) -> None:
        """Gives the kept connections back to the pool."""
        kept = self._kept()
        while kept:
            self._pool.release(kept.pop())

    def _kept(self) -> list[Any]:
        process = os.getpid()
        kept = self._kept_by_process.get(process)
        if kept is None:
            kept = self._kept_by_process.setdefault(process, [])
            # Those of the parent are closed here and stay open there: redis-py ends only the connections of its own process.
            for other in [number for number in list(self._kept_by_process) if number != process]:
                self._kept_by_process.pop(other, None)
        return kept

    def _exchange(self, connection: Any, packed: bytes) -> Any:
        try:
            connection.connect()  # where that is due, to another primary too
            connection.send_packed_command([packed])
            return connection.read_response()
        except BaseException as exc:
            if is_lost(exc):
                connection.disconnect()  # the answer, which may still come, is that of no other command
            raise

    def _exchange_all(self, connection: Any, packed: list[bytes]) -> list[Any]:
        def answer() -> Any:
            try:
                return connection.read_response()
            except ResponseError as exc:
                return exc

        try:
            connection.connect()
            connection.send_packed_command([b"".join(packed)])
            return _without_replica([answer() for _ in packed])
        except BaseException:
            connection.disconnect()  # answers may be under way, or the server is a replica
            raise

    def _exchange_bytes(self, connection: Any, packed: bytes) -> Any:
        """As :meth:`_exchange`, over a connected plain socket; its errors are in other words than redis-py's."""
        try:
            sock, reader = connection._sock, connection._parser._reader
            if sock is None or reader is None:  # a thread has closed the store since it was looked at
                raise ConnectionError("the connection was closed")
            sock.sendall(packed)
            answer = sock.recv(ANSWER_SIZE)
            if answer == ONE:
                return 1
            if not answer:
                raise ConnectionError("the connection was closed")
            reader.feed(answer)
            return connection.read_response()  # reads on where that was not all of it
        except BaseException as exc:
            if is_lost(exc):
                connection.disconnect()  # as above
            raise


def _is_plain(connection: Any) -> bool:
    """Whether a connection is connected, and needs nothing of redis-py before a command: it has no TLS, follows no Sentinel or
    Cluster and checks nothing first, and hiredis reads its answers.
    """
    return (
        type(connection) in PLAIN
        and type(getattr(connection, "_sock", None)) is socket.socket
        and type(getattr(getattr(connection, "_parser", None), "_reader", None)) is hiredis.Reader
        and not connection.health_check_interval
    )


class AsyncScriptConnections:
    """The kept connections of one client, which belongs to one event loop and closes them with its pool."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._pool: Any = client.connection_pool
        self._kept: list[Any] = []

    async def execute(self, *words: str | bytes | int | float) -> Any:
        """Returns Redis' answer. A command whose connection breaks, that is not answered in time, or whose server became a
        replica is sent once more, on a new connection.

        Raises redis-py's errors.
        """
        return await self._run(self._exchange, [_packed(words)])

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """As :meth:`execute`, for several commands on one connection; a refusal is an answer, but that of a replica."""
        answers: list[Any] = await self._run(self._exchange_all, list(map(_packed, commands)))
        return answers

    async def _run(self, exchange: Callable[[Any, list[bytes]], Awaitable[Any]], packed: list[bytes]) -> Any:
        connection = self._kept.pop() if self._kept else await self._pool.get_connection(*POOL_ARGUMENTS)
        try:
            try:
                return await exchange(connection, packed)
            except LOST as exc:
                if not is_lost(exc):
                    raise
                await connection.disconnect(nowait=True)
                return await exchange(connection, packed)
        finally:
            # A connection that failed was disconnected and connects when it is used next.
            if len(self._kept) < KEPT:
                self._kept.append(connection)
            else:
                await self._pool.release(connection)

    async def _exchange(self, connection: Any, packed: list[bytes]) -> Any:
        await self._send(connection, packed)
        return await connection.read_response()

    async def _exchange_all(self, connection: Any, packed: list[bytes]) -> list[Any]:
        async def answer() -> Any:
            try:
                return await connection.read_response()
            except ResponseError as exc:
                return exc

        await self._send(connection, packed)
        return _without_replica([await answer() for _ in packed])

    async def _send(self, connection: Any, packed: list[bytes]) -> None:
        # Connects where that is due, to another primary too, and leaves no unread answer of an earlier command.
        await self._pool.ensure_connection(connection)
        try:
            # Nobody waits until the bytes have left: the answer is waited for, with the client's timeout.
            connection._writer.write(b"".join(packed))  # send_packed_command makes a task: 30 us
        except RuntimeError as exc:
            # uvloop, where the other side has reset the connection: redis-py sees it as connected for ever.
            raise ConnectionError("the connection was reset") from exc


def _without_replica(answers: list[Any]) -> list[Any]:
    """Returns the answers. Raises the refusal of a server that became a replica: all of them have been read."""
    for answer in answers:
        if isinstance(answer, ResponseError) and is_lost(answer):
            raise answer
    return answers


def as_text(words: Command) -> Sequence[str | bytes]:
    """Returns the words with numbers as text: a signal that raises while hiredis makes text of one crashes the process."""
    return [word if isinstance(word, str | bytes) else str(word) for word in words]


def _packed(words: Command) -> bytes:
    command: Any = tuple(words)
    packed: bytes = hiredis.pack_command(command)
    return packed
