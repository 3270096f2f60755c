"""Runs the store's operations, synchronously or asynchronously, and raises StoreUnavailable where Redis fails.

An :class:`Operation` is a script, its arguments and how its answer is read; ``call_transitions.py`` and its like build
them. Both stores run the same operations.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import hiredis
import redis
import redis.asyncio as aioredis
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError, TimeoutError

from ..errors import StoreFull, StoreUnavailable
from ..settings import Settings
from . import mark
from .connect import connect, connect_async, watcher_of
from .keys import Keys, keys_of
from .loop_clients import LoopClients
from .primary_pool import OnConnect
from .redis_address import unavailable_text
from .redis_errors import is_lost, is_out_of_memory, is_passing
from .sansio import Steps, run, run_async
from .script_connections import POOL_ARGUMENTS, ScriptConnections, as_text
from .scripts import CONFIRMED, CREATING, load_scripts, retention_ms
from .server_clock import ServerClock, server_ms, server_ms_async

MARK = "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], 1)"
"""What is written before a WAIT. It begins with a deletion, so that a full Redis takes it: see ``scripts.WHEN_FULL``."""

KEY_COUNT = "2"
"""Text, see ``as_text``."""

T = TypeVar("T")
P = ParamSpec("P")
Arg = str | bytes | int | float
Wait = tuple[str, int, int]
"""``WAIT``, the number of replicas, milliseconds."""


@dataclass(slots=True)
class Operation(Generic[T]):
    """One run of a script of ``lua/``: its name, its arguments, and ``read``, which turns Redis' answer into a value.

    Not frozen, which makes it three times as slow to make.
    """

    script: str
    args: list[Arg]
    read: Callable[[Any], T]


class StoreErrors:
    """A context that raises StoreUnavailable for errors of a Redis that cannot work now. Names its address without a password.

    A class: a context made of a generator takes three times as long, and each command of the store has one.
    """

    __slots__ = ("_settings",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _trace: object) -> None:
        if not isinstance(exc, OSError | RedisError | RuntimeError) or not is_passing(exc):
            return
        if is_out_of_memory(exc):
            raise StoreFull from None
        raise StoreUnavailable(unavailable_text(exc, self._settings)) from None


def confirmation(settings: Settings, client: Any) -> Wait | None:
    """The command after which what this connection wrote survives a failover; None unless the durability is ``replica``.

    Every replica that a promotion may choose has to confirm: a replica that was promoted has left its primary, and no
    other one can confirm in its place. WAIT is about what its own connection wrote: a script that finds its work done
    writes nothing, so that a write goes before it.
    """
    if settings.durability != "replica":
        return None
    watcher = watcher_of(client)
    copies = watcher.view.replicas if watcher is not None else 1
    return ("WAIT", copies, max(1, int(settings.redis_timeout * 500)))


def require_confirmed(copies: int, wait: Wait) -> None:
    """Raises StoreUnavailable when a WAIT was answered with fewer copies than it asked for."""
    if copies < wait[1]:
        raise StoreUnavailable(f"{copies} of {wait[1]} replicas confirmed; repeat it with the same key")


class Store:
    """The call store for threads. ``client`` replaces the one that the settings describe, in tests."""

    def __init__(self, settings: Settings, *, client: "redis.Redis | None" = None) -> None:
        self.settings = settings
        self.redis = client or connect(
            settings.redis_url.get_secret_value(), namespace=settings.namespace, timeout=settings.redis_timeout
        )
        self._connections = ScriptConnections(self.redis)
        self._errors = StoreErrors(settings)
        self.clock = ServerClock()
        self.keys = keys_of(settings)
        self._checked = False
        self._scripts = load_scripts(*retention_ms(settings))

    def run(self, op: Operation[T]) -> T:
        """Runs an operation. Raises StoreUnavailable; then it is not known whether the change was made: run it again."""
        script = self._scripts[op.script]
        if op.script in CREATING and not self._checked:
            self._check()
        wait = self.wait_for(op)
        with self._errors:
            if wait is not None:
                return op.read(self._confirmed(op, wait))
            words: Any = op.args if op.script == "enqueue" else as_text(op.args)  # those of new calls are text
            keys = (KEY_COUNT, self.keys.PREFIX, self.keys.EVENTS)
            try:
                answer = self._connections.execute("EVALSHA", script.sha, *keys, *words)
            except NoScriptError:
                answer = self._connections.execute("EVAL", script.text, *keys, *words)
        return op.read(answer)

    def _check(self) -> None:
        self.call(mark.check, self.settings)
        self._checked = True

    def wait_for(self, op: Operation[Any]) -> Wait | None:
        """The command that confirms an operation; None when its answer need not survive a failover."""
        return confirmation(self.settings, self.redis) if op.script in CONFIRMED else None

    @property
    def primary_number(self) -> int:
        """Grows whenever Sentinels name another primary; 0 without Sentinels."""
        watcher = watcher_of(self.redis)
        return watcher.view.generation if watcher is not None else 0

    def _confirmed(self, op: Operation[Any], wait: Wait) -> Any:
        script = self._scripts[op.script]
        for command, text in (("EVALSHA", script.sha), ("EVAL", script.text)):
            commands = (
                (command, text, KEY_COUNT, self.keys.PREFIX, self.keys.EVENTS, *op.args),
                ("EVAL", MARK, 1, self.keys.CONFIRMED),
                wait,
            )
            answers = self._connections.execute_all(commands)
            if isinstance(answers[0], NoScriptError):
                continue
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            require_confirmed(int(answers[2]), wait)
            return answers[0]
        raise StoreUnavailable("Redis does not keep scripts")

    def run_overlapped(self, operations: Iterable[Operation[T]]) -> Iterator[T]:
        """Runs operations in order on one connection, taking the next one from the iterable while Redis works.

        In one thread: two switched the interpreter lock every 5 ms and lost a third of the rate. An operation whose
        connection breaks is run again, as every script may be. Raises StoreUnavailable.
        """
        if not self._checked:
            self._check()
        with self._errors:
            connection: Any = self.redis.connection_pool.get_connection(*POOL_ARGUMENTS)
        pending: tuple[Operation[T], Wait | None] | None = None
        try:
            for op in operations:
                done = None if pending is None else (self._finish(connection, *pending),)
                pending, lost = None, False
                script = self._scripts[op.script]
                try:
                    # redis-py's own packing checks every argument first: a fifth of the whole time for 3,500 of them.
                    words: Any = ("EVALSHA", script.sha, KEY_COUNT, self.keys.PREFIX, self.keys.EVENTS, *op.args)
                    packed = [hiredis.pack_command(words)]
                    if (wait := self.wait_for(op)) is not None:
                        marker: Any = ("EVAL", MARK, "1", self.keys.CONFIRMED)
                        waiting: Any = tuple(as_text(wait))
                        packed += [hiredis.pack_command(marker), hiredis.pack_command(waiting)]
                    connection.send_packed_command(packed)
                except (ConnectionError, TimeoutError):
                    connection.disconnect()
                    lost = True
                else:
                    pending = op, wait
                # Only now, so that Redis works on the next one while the caller reads this answer.
                if done is not None:
                    yield done[0]
                if lost:
                    yield self.run(op)
            if pending is not None:
                last, pending = self._finish(connection, *pending), None
                yield last
        finally:
            if pending is not None:
                connection.disconnect()  # its answer is still under way
            self.redis.connection_pool.release(connection)

    def _finish(self, connection: Any, op: Operation[T], wait: Wait | None) -> T:
        try:
            try:
                answer = connection.read_response()
            finally:
                if wait is not None:
                    connection.read_response()
                copies = 0 if wait is None else int(connection.read_response())
            if wait is not None:
                require_confirmed(copies, wait)
            return op.read(answer)
        except NoScriptError:
            return self.run(op)
        except (ConnectionError, TimeoutError):
            connection.disconnect()
            return self.run(op)
        except ResponseError as exc:
            if is_lost(exc):
                connection.disconnect()
                return self.run(op)
            with self._errors:
                raise exc

    def call(self, function: Callable[Concatenate["redis.Redis", Keys, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls ``function(client, keys, *args, **kwargs)``. Raises StoreUnavailable when Redis does not answer."""
        with self._errors:
            return function(self.redis, self.keys, *args, **kwargs)

    def run_steps(self, steps: Callable[Concatenate[Keys, P], Steps[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the generator ``steps(keys, *args, **kwargs)``, see sansio.py. Raises StoreUnavailable."""
        with self._errors:
            return run(self.redis, steps(self.keys, *args, **kwargs))

    def server_ms(self) -> int:
        """Redis' clock in milliseconds. Raises StoreUnavailable."""
        with self._errors:
            return server_ms(self.redis)

    def close(self) -> None:
        """Closes the connections."""
        self._connections.close()
        self.redis.connection_pool.disconnect()


class AsyncStore:
    """The call store for event loops: one after another, and those of several threads at once.

    Each loop gets connections of its own, which are closed with the loop. ``client`` replaces them all, in tests;
    ``on_connect`` is awaited on each connection before its first command.
    """

    def __init__(
        self, settings: Settings, *, client: "aioredis.Redis | None" = None, on_connect: OnConnect | None = None
    ) -> None:
        self.settings = settings
        url, timeout = settings.redis_url.get_secret_value(), settings.redis_timeout
        self._clients = LoopClients(
            lambda: connect_async(url, namespace=settings.namespace, timeout=timeout, on_connect=on_connect), client
        )
        self.clock = ServerClock()
        self.keys = keys_of(settings)
        self._checked = False
        self._scripts = load_scripts(*retention_ms(settings))

    @property
    def redis(self) -> "aioredis.Redis":
        """The client of the running loop. Raises RuntimeError without one."""
        return self._clients.current()

    async def run(self, op: Operation[T]) -> T:
        """As :meth:`Store.run`."""
        if op.script in CREATING and not self._checked:
            await self.call(mark.check_async, self.settings)
            self._checked = True
        if op.script in CONFIRMED and (wait := self.confirmation) is not None:
            answer, copies = await self.run_durable(op, wait)
            require_confirmed(copies, wait)
            return answer
        script, keys = self._scripts[op.script], (KEY_COUNT, self.keys.PREFIX, self.keys.EVENTS)
        with StoreErrors(self.settings):
            connections = self._clients.script_connections()
            try:
                answer = await connections.execute("EVALSHA", script.sha, *keys, *op.args)
            except NoScriptError:
                answer = await connections.execute("EVAL", script.text, *keys, *op.args)
        return op.read(answer)

    @property
    def confirmation(self) -> Wait | None:
        """The command that makes Redis wait until replicas have what was written; None unless they have to."""
        return confirmation(self.settings, self.redis)

    async def run_durable(self, op: Operation[T], wait: Wait) -> tuple[T, int]:
        """Runs an operation and, on the same connection, ``wait``: a ``WAIT`` or ``WAITAOF`` command.

        The second value is the (first) count that it answers. Raises StoreUnavailable.
        """
        script = self._scripts[op.script]
        with StoreErrors(self.settings):
            for text, name in ((script.sha, "EVALSHA"), (script.text, "EVAL")):
                commands = (
                    (name, text, KEY_COUNT, self.keys.PREFIX, self.keys.EVENTS, *op.args),
                    ("EVAL", MARK, 1, self.keys.CONFIRMED),
                    wait,
                )
                answers = await self._clients.script_connections().execute_all(commands)
                if isinstance(answers[0], NoScriptError):
                    continue
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                confirmed = answers[2]
                return op.read(answers[0]), int(confirmed[0] if isinstance(confirmed, list) else confirmed)
        raise StoreUnavailable("Redis does not keep scripts")

    async def call(
        self,
        function: Callable[Concatenate["aioredis.Redis", Keys, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Awaits ``function(client, keys, *args, **kwargs)``. Raises StoreUnavailable when Redis does not answer."""
        with StoreErrors(self.settings):
            return await function(self.redis, self.keys, *args, **kwargs)

    async def run_steps(self, steps: Callable[Concatenate[Keys, P], Steps[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`Store.run_steps`."""
        with StoreErrors(self.settings):
            return await run_async(self.redis, steps(self.keys, *args, **kwargs))

    async def server_ms(self) -> int:
        """As :meth:`Store.server_ms`."""
        with StoreErrors(self.settings):
            return await server_ms_async(self.redis)

    async def aclose(self) -> None:
        """Closes the connections of this loop, and has other loops that run close theirs."""
        await self._clients.aclose()
