"""Resolves host names in threads of its own, one for each name under way.

The event loop's shared threads would all wait for a name whose servers are silent (30 s and more), and everything that
needs one with them: calls, reconnects to Redis. Here a silent name holds one thread, however often it is asked for, and no
other name. The threads are daemons: the process's end does not wait for them.
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from alodial.store.local_errors import shortage_of_files

LookUp = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> Sequence[str]:
    """Returns the system's addresses of a name; spellings such as 127.1 or 0x7f000001 are normalized. Raises OSError."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise shortage_of_files() or exc from None
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class Resolver:
    """Callable as ``await resolver(host, port)`` on one event loop. Raises OSError when there is no address."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        future = self._under_way.get((host, port))
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            work = (loop, future, host, port)
            try:
                threading.Thread(target=self._work, args=work, name=f"resolve {host}", daemon=True).start()
            except RuntimeError:
                raise OSError(errno.ENOMEM, "no thread for a look-up") from None
            # Only now: a look-up that nobody works on would be waited for in vain. It settles on this loop, later.
            self._under_way[host, port] = future
            future.add_done_callback(lambda done: self._finish(host, port, done))
        # Whoever gives up waiting leaves the look-up to the next that asks.
        return await asyncio.shield(future)

    def _finish(self, host: str, port: int, done: "asyncio.Future[Sequence[str]]") -> None:
        self._under_way.pop((host, port), None)
        if not done.cancelled():
            done.exception()  # seen, although nobody may wait for it any more

    def _work(
        self, loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Sequence[str]]", host: str, port: int
    ) -> None:
        answer: Sequence[str] = ()
        problem: Exception | None = None
        try:
            answer = self._look_up(host, port)
        except (OSError, UnicodeError) as exc:
            problem = exc
        except Exception as exc:  # it must come to an end for those who wait
            problem = OSError(type(exc).__name__)

        def settle() -> None:
            if future.done():
                return
            if problem is not None:
                future.set_exception(problem)
            else:
                future.set_result(answer)

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle)
