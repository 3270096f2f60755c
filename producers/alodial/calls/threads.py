"""Pools of threads for blocking work, so that stop, pause and probes never wait behind it.

The event loop's own pool has five threads on a single core: eight files that were checked at once held up a pause for 20 s.
What takes long has a pool of its own, and so has what must not wait.
"""

import asyncio
import contextvars
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPool:
    """At most ``size`` threads, started when they are first needed; a forked process starts its own."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._executor: ThreadPoolExecutor | None = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._executor = None

    async def iterate(self, rows: Iterator[T], size: int = 1) -> AsyncIterator[list[T]]:
        """Yields the next ``size`` items of a blocking iterator at a time, each taken in one of the threads."""
        while block := await self.run(lambda: list(islice(rows, size))):
            yield block

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a blocking function in one of the threads and returns its result, as :func:`asyncio.to_thread` does."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._size, self._name)
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)


CONTROL: Final = ThreadPool("alodial-control", 4)
"""Acts that must be carried out now: stop, pause, resume, cancel a campaign, the do-not-call list."""

READS: Final = ThreadPool("alodial-read", 4)
"""A few requests to Redis each: what a page shows, and the campaign that an act is about."""

ARCHIVE: Final = ThreadPool("alodial-archive", 4)
"""Queries to the archive: each may wait for some seconds while its database is away."""

UPLOADS: Final = ThreadPool("alodial-upload", 4)
"""Writing files to the disk while they arrive."""

EXPORTS: Final = ThreadPool("alodial-export", 4)
"""The next rows of a list that is sent while it is read. A reader that is slow holds no thread meanwhile."""

WAKEUPS: Final = ThreadPool("alodial-wakeup", 8)
"""Messages to the broker: each waits for Redis' timeout while the broker is away."""

WORK: Final = ThreadPool("alodial-work", 2)
"""What takes seconds and a core: checking and submitting files, exports, reports, acts on thousands of calls."""

PARSING: Final = ThreadPool("alodial-parse", 2)
"""Reading large JSON bodies."""

PROBE: Final = ThreadPool("alodial-probe", 1)
"""The check behind ``/readyz``."""
