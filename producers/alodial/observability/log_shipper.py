"""Log lines of this process on their way to Redis, where ``alodial logs`` finds those of all processes.

Whoever logs never waits: a line is put into a bounded buffer, and a thread with a connection of its own hands it on.
While Redis is away the thread comes again after pauses; what finds the buffer full is counted, and the count is told in
a line ``log.dropped`` when there is room again. Nothing here logs, for that would be a line for itself.
"""

import atexit
import json
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import ConfigurationError
from ..settings import Settings

LINES: Final = 10_000
BYTES: Final = 8 * 1024 * 1024
"""What the buffer holds at most: a minute of a busy worker."""
BATCH: Final = 500
LINGER: Final = 0.05
"""Seconds that lines are gathered: one round trip for them, and nobody sees the delay."""
PAUSES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
PATIENCE: Final = 1.0
"""Longest wait for one answer of Redis, whatever ALODIAL_REDIS_TIMEOUT says."""
FAREWELL: Final = 1.5
"""Seconds at the end of the process for what is still on its way."""

LONGEST: Final = 4096
"""Bytes of one line; longer texts in it are cut, and say so."""
MAX_TEXT: Final = 600
NAMES: Final = ("event", "level", "timestamp", "logger", "worker", "call_id", "extid", "record", "campaign", "account")


def truncate(line: str) -> str:
    """A line's JSON with at most LONGEST bytes, still JSON. Of a text the beginning and the end stay."""
    if len(line) <= LONGEST:
        return line
    event = json.loads(line)
    short = {name: _shortened(value) for name, value in event.items()}
    while len(text := _encoded(short)) > LONGEST:
        longest = max(
            (name for name in short if name not in NAMES), key=lambda name: len(_encoded(short[name])), default=""
        )
        if not longest:
            return _encoded({name: str(short[name])[:100] for name in NAMES if name in short} | {"cut": len(line)})
        del short[longest]
        short["cut"] = len(line)
    return text


def _shortened(value: object) -> object:
    text = value if isinstance(value, str) else _encoded(value)
    if len(text) <= MAX_TEXT:
        return value
    half = MAX_TEXT // 2
    return f"{text[:half]} [... {len(text) - 2 * half} cut ...] {text[-half:]}"


def _encoded(value: object) -> str:
    # ASCII only, so that characters are bytes.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str)


class LogShipper:
    """The buffer and its thread. Safe in threads; a forked child goes on with a thread and a name of its own."""

    def __init__(self, settings: Settings, bound: dict[str, str]) -> None:
        # Now, for a thread cannot load them any more while the process ends; and here, for others need not load them.
        from ..store.connect import connect  # noqa: PLC0415  # see above
        from ..store.log_stream import LogWriter  # noqa: PLC0415  # see above

        self._connect, self._writer = connect, LogWriter
        self._settings = settings
        self._bound = bound
        self.dropped = 0
        self._begin()
        atexit.register(self.drain)
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        # Reentrant: a signal or the garbage collector may log in the middle of a line.
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._leaving = threading.Event()
        self._number = 0
        self._told = self.dropped
        self._name = secrets.token_hex(6)
        self._thread: threading.Thread | None = None

    def processor(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor before one that writes for people."""
        self.put(_encoded(event))
        return event

    def rendered(self, _logger: object, _method: str, line: str) -> str:
        """A structlog processor behind one that writes JSON."""
        self.put(line)
        return line

    def put(self, line: str) -> None:
        """Takes one line of ASCII JSON; never raises, never waits for Redis."""
        raw = truncate(line).encode("ascii", "replace")
        with self._lock:
            if len(self._lines) >= LINES or self._bytes >= BYTES:
                self.dropped += 1
                return
            self._lines.append(raw)
            self._bytes += len(raw)
            self._idle.clear()
            if self._thread is None and not self._start():
                return
        self._wake.set()

    def _start(self) -> bool:
        self._thread = threading.Thread(target=self._work, name="log-sink", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._idle.set()
            return False
        return True

    def drain(self, timeout: float = FAREWELL) -> None:
        """Waits until what was logged is in Redis, at most ``timeout`` seconds; to be called at the end of a process."""
        self._leaving.set()
        self._wake.set()
        self._idle.wait(timeout)

    def _take(self) -> list[bytes]:
        with self._lock:
            taken = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            self._bytes -= sum(map(len, taken))
            return taken

    def _note(self, lines: int) -> bytes:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        told = self._bound | {"event": "log.dropped", "level": "warning", "lines": lines, "timestamp": now}
        return _encoded(told | {"logger": "alodial.logs"}).encode()

    def _work(self) -> None:
        timeout = min(PATIENCE, self._settings.redis_timeout)
        try:
            client = self._connect(
                self._settings.redis_url.get_secret_value(), timeout=timeout, connections=1, repeat=0
            )
        except ConfigurationError:  # the process itself says so, and does not go on
            self._idle.set()
            return
        writer = self._writer(client, self._name, self._settings.logs_keep)
        while True:
            self._wake.wait()
            self._wake.clear()
            self._leaving.wait(LINGER)
            while lines := self._take():
                self._hand_on(writer, lines)
            with self._lock:
                if not self._lines:
                    self._idle.set()

    def _hand_on(self, writer: Any, lines: list[bytes]) -> None:
        """Until Redis took them, however long that takes."""
        first, tries = self._number, 0
        # Behind the lines that were there before them.
        lost = 0 if self._lines else self.dropped - self._told
        if lost:
            lines = [*lines, self._note(lost)]
        while True:
            try:
                refused = writer.append(first, lines, lost)
                with self._lock:
                    # Not in one expression with the above: it would begin with the count of before, and forget what
                    # found no room while Redis was waited for.
                    self.dropped += refused
                self._told += lost
                self._number += len(lines)
                return
            except Exception:  # whatever Redis or its client says: lines wait, and work goes on
                if self._leaving.wait(PAUSES[min(tries, len(PAUSES) - 1)]):
                    time.sleep(PAUSES[0])
                tries += 1
