"""Notices that a client has gone, so that long work for it in a thread ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event

from starlette.requests import ClientDisconnect, Request


@asynccontextmanager
async def while_present(request: Request) -> AsyncIterator[Callable[[object], None]]:
    """Yields a function that long work calls now and then, from any thread: it raises ClientDisconnect once nobody waits.

    The request's body must have been read.
    """
    gone = Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    def check(_progress: object) -> None:
        if gone.is_set():
            raise ClientDisconnect

    task = asyncio.create_task(watch())
    try:
        yield check
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
