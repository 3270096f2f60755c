"""Writes the heartbeat of this process, in a supervised thread."""

import time
from collections.abc import Callable
from typing import Final

from . import workers
from .client import Store
from .supervision import SupervisedThread, Supervisor, process_loops

HEARTBEAT: Final = 2.0
"""Seconds between heartbeats."""


class HeartbeatWriter(SupervisedThread):
    """Writes the heartbeat, by Redis' clock: a process whose own clock is wrong is alive all the same.

    ``describe`` returns the heartbeat at a moment, Redis' Unix ms; ``key`` is the hash for it, that of workers if "".
    """

    def __init__(
        self,
        store: Store,
        describe: Callable[[int], workers.Heartbeat],
        supervisor: Supervisor = process_loops,
        *,
        key: str = "",
    ) -> None:
        def step() -> float:
            began = time.monotonic()
            now = store.server_ms()
            store.clock.learn(now)
            store.call(workers.write_heartbeat, describe(now), key)
            return max(0.0, HEARTBEAT - (time.monotonic() - began))

        super().__init__("heartbeat", step, supervisor)
