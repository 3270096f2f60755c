"""The heartbeat of a web process, which carries its failures to ``alodial doctor`` and ``status``, and its look for findings."""

import contextlib
import os
import socket
import time
from importlib.metadata import version

from ..calls.queue import AsyncCallQueue
from ..errors import StoreUnavailable
from ..observability.alerts import alert_threads
from ..observability.process_findings import ProcessFindings
from ..store import workers
from ..store.heartbeat import HeartbeatWriter
from ..store.supervision import process_loops


def process_name() -> str:
    """Returns the name of this web process, in its log lines and in its heartbeat."""
    return f"web:{socket.gethostname()[:32]}:{os.getpid()}"


class WebHeartbeat:
    """Writes the heartbeat from ``start`` to ``stop``. Redis may be away all the time."""

    def __init__(self, queue: AsyncCallQueue, findings: ProcessFindings) -> None:
        self._queue = queue
        self._findings = findings
        self._name = process_name()
        self._began = time.monotonic()
        self._version = version("alodial")
        self._writer: HeartbeatWriter | None = None
        # Made here: receivers that Apprise does not know keep the process from starting.
        self._alerts = alert_threads(queue.thread_store, self._name, findings)

    def start(self) -> None:
        """Starts the threads."""
        self._writer = HeartbeatWriter(self._queue.thread_store, self._describe, key=self._queue.thread_store.keys.WEB)
        self._writer.start()
        for thread in self._alerts:
            thread.start()

    def stop(self) -> None:
        """Ends the threads and takes the process off the list; blocks for two timeouts of Redis at most."""
        for thread in self._alerts:
            thread.ended.set()
        if self._writer is not None:
            self._writer.stop(self._queue.settings.redis_timeout)
            with contextlib.suppress(StoreUnavailable):
                self._queue.thread_store.call(workers.deregister, self._name, self._queue.thread_store.keys.WEB)

    def _describe(self, now_ms: int) -> workers.Heartbeat:
        return workers.Heartbeat(
            name=self._name,
            at=now_ms,
            pid=os.getpid(),
            host=socket.gethostname(),
            in_flight=0,
            started_at=now_ms - int((time.monotonic() - self._began) * 1000),
            version=self._version,
            failing=process_loops.failing(),
            findings=self._findings.current(),
        )
