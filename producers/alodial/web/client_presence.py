"""Bounds the work for one request: it ends when the client has gone, and when it has used up its processor time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from threading import Event
from typing import Final, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request

from ..calls.threads import WORK
from ..campaigns.importing.interruption import interrupted_by
from .problems import Refusal

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")

BATCH_SECONDS: Final = 10.0
"""Processor time for reading the rows of a batch, which takes about a second for 10,000."""


TURN_SECONDS: Final = 0.002
"""How long a request may keep the event loop before others get a turn; a call takes 40 us, a bad one up to 20 ms."""


def too_much_work(seconds: float) -> Refusal:
    """Returns the refusal 413 of a request whose reading took more than ``seconds`` of processor time."""
    detail = f"Reading it took more than {seconds:g} seconds of processor time; send it in parts."
    return Refusal(413, "too_much_work", detail, limit="processor_seconds")


class ProcessorTime:
    """The processor time that one request has used, in seconds, in whichever threads it ran."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._used = 0.0
        self._since = 0.0

    def start(self) -> None:
        """Counts what this thread uses from here on."""
        self._since = time.thread_time()

    def stop(self) -> None:
        """Adds what this thread has used since :meth:`start`."""
        now = time.thread_time()
        self._used, self._since = self._used + now - self._since, now

    @property
    def is_used_up(self) -> bool:
        return self._used > self.seconds


async def in_turns(values: Sequence[V], used: ProcessorTime | None = None) -> AsyncIterator[V]:
    """Yields the values on the event loop; other requests get a turn every TURN_SECONDS, however long each value takes.

    ``used`` counts the turns of this request; whoever takes the values awaits nothing else meanwhile.
    """
    turn = time.monotonic()
    if used is not None:
        used.start()
    for value in values:
        yield value
        if time.monotonic() - turn > TURN_SECONDS:
            if used is not None:
                used.stop()
            await asyncio.sleep(0)
            turn = time.monotonic()
            if used is not None:
                used.start()
    if used is not None:
        used.stop()


class RequestWork:
    """Long work for a request, in threads."""

    def __init__(self, seconds: float) -> None:
        self._gone = Event()
        self._time = ProcessorTime(seconds)

    def end(self) -> None:
        """Nobody waits for the answer any more."""
        self._gone.set()

    def check(self) -> None:
        """Raises ClientDisconnect or Refusal 413 when the work has to end."""
        if self._gone.is_set():
            raise ClientDisconnect
        self._time.stop()
        if self._time.is_used_up:
            raise too_much_work(self._time.seconds)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a blocking function in a thread; readers of files in it end as :meth:`check` says."""

        def bounded() -> T:
            self._time.start()
            self.check()
            with interrupted_by(self.check):
                result = function(*args, **kwargs)
            self._time.stop()
            return result

        return await WORK.run(bounded)


@asynccontextmanager
async def while_present(request: Request, seconds: float) -> AsyncIterator[RequestWork]:
    """Yields the work of a request whose body has been read; it may take ``seconds`` of processor time."""
    work = RequestWork(seconds)

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        work.end()

    task = asyncio.create_task(watch())
    try:
        yield work
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
