"""Ships the log lines of this process to Redis, where ``alodial logs`` reads those of all processes.

Logging never waits: a line goes into a bounded buffer, and a thread with a connection of its own sends it. While Redis is
away the thread retries after pauses; lines that find the buffer full are counted, and the count is logged as
``log.dropped`` when there is room again. This module does not log, for its lines would come back to it.
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

from pydantic_core import to_json

from ..errors import ConfigurationError
from ..settings import Settings

LINES: Final = 10_000
BYTES: Final = 8 * 1024 * 1024
"""Limits of the buffer: a minute of a busy worker."""
BATCH: Final = 500
LINGER: Final = 0.5
"""Seconds that lines are gathered for one round trip."""
PAUSES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
TIMEOUT: Final = 1.0
"""Seconds to wait for an answer of Redis, even when ALODIAL_REDIS_TIMEOUT is longer."""
DRAIN_TIMEOUT: Final = 1.5
"""Seconds to wait for unsent lines when the process ends."""

MAX_LINE: Final = 4096
"""Bytes of a line; longer texts in it are cut and marked."""
MAX_TEXT: Final = 600
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)
NAMES: Final = ("event", "level", "timestamp", "logger", "worker", "call_id", "extid", "record", "campaign", "account")


def truncate(line: str) -> str:
    """Returns the JSON of a line in at most MAX_LINE bytes; long texts keep their beginning and end."""
    if len(line) <= MAX_LINE:
        return line
    event = json.loads(line)
    short = {name: _shortened(value) for name, value in event.items()}
    while len(text := encode(short)) > MAX_LINE:
        longest = max(
            (name for name in short if name not in NAMES), key=lambda name: len(encode(short[name])), default=""
        )
        if not longest:
            return encode({name: str(short[name])[:100] for name in NAMES if name in short} | {"cut": len(line)})
        del short[longest]
        short["cut"] = len(line)
    return text


def _shortened(value: object) -> object:
    text = value if isinstance(value, str) else encode(value)
    if len(text) <= MAX_TEXT:
        return value
    half = MAX_TEXT // 2
    return f"{text[:half]} [... {len(text) - 2 * half} cut ...] {text[-half:]}"


def encode(value: object, **_options: Any) -> str:
    """Returns compact JSON in ASCII, so that characters are bytes."""
    try:
        # Six times as fast as the standard library's, which writes what this leaves outside of printable ASCII.
        text = to_json(value, fallback=str, inf_nan_mode="constants")
    except (ValueError, TypeError):
        text = b""
    if text and text.isascii() and b"\x7f" not in text:
        return text.decode("ascii")
    return _ENCODER.encode(value)


class LogShipper:
    """The buffer and its thread. Safe in threads; a forked child gets a thread and a name of its own."""

    def __init__(self, settings: Settings, bound: dict[str, str]) -> None:
        # Imported here, so that other programs need not load them, and now, as a thread cannot while the process ends.
        from ..store.connect import connect  # noqa: PLC0415  # see above
        from ..store.keys import keys_of  # noqa: PLC0415  # see above
        from ..store.log_stream import LogWriter  # noqa: PLC0415  # see above
        from ..store.redis_errors import is_passing  # noqa: PLC0415  # see above
        from ..store.supervision import process_loops  # noqa: PLC0415  # see above

        self._connect, self._writer = connect, LogWriter
        self._is_passing, self._loops = is_passing, process_loops
        self._settings = settings
        self._keys = keys_of(settings)
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
        self._reported = self.dropped
        self._name = secrets.token_hex(6)
        self._thread: threading.Thread | None = None

    def processor(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor that ships the event, for use before a renderer of text."""
        self.put(encode(event))
        return event

    def rendered(self, _logger: object, _method: str, line: str) -> str:
        """A structlog processor that ships the line, for use after a renderer of JSON."""
        self.put(line)
        return line

    def put(self, line: str) -> None:
        """Buffers a line of ASCII JSON. Never raises and never waits for Redis."""
        raw = truncate(line).encode("ascii", "replace")
        with self._lock:
            if len(self._lines) >= LINES or self._bytes >= BYTES:
                self.dropped += 1
                return
            self._lines.append(raw)
            self._bytes += len(raw)
            if self._idle.is_set():
                self._idle.clear()
            if self._thread is None and not self._start():
                return
        if not self._wake.is_set():
            self._wake.set()

    def _start(self) -> bool:
        thread = threading.Thread(target=self._work, name="log-shipper", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending, or there is no thread left: the next line tries again
            self._idle.set()
            return False
        self._thread = thread
        return True

    def drain(self, timeout: float = DRAIN_TIMEOUT) -> None:
        """Waits up to ``timeout`` seconds until all lines are in Redis; call it when the process ends."""
        self._leaving.set()
        self._wake.set()
        self._idle.wait(timeout)

    def _take(self) -> list[bytes]:
        with self._lock:
            batch = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            self._bytes -= sum(map(len, batch))
            return batch

    def _dropped_line(self, lines: int) -> bytes:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        event = {"event": "log.dropped", "level": "warning", "lines": lines, "timestamp": now, "logger": "alodial.logs"}
        return encode(self._bound | event).encode()

    def _work(self) -> None:
        timeout = min(TIMEOUT, self._settings.redis_timeout)
        pauses = iter(PAUSES)
        while True:
            try:
                url = self._settings.redis_url.get_secret_value()
                client = self._connect(url, namespace=self._keys.namespace, timeout=timeout, connections=1, repeat=0)
                self._ship(self._writer(client, self._keys, self._name, self._settings.logs_keep))
            except ConfigurationError:  # the process itself reports it and ends
                self._idle.set()
                return
            except Exception as exc:  # short of memory, perhaps; lines that were taken are lost, the next are shipped
                self._loops.failed("log-shipper", exc, logged=False)
                time.sleep(next(pauses, PAUSES[-1]))

    def _ship(self, writer: Any) -> None:
        is_quiet = True
        while True:
            # While lines come it wakes for those of LINGER together, and not for the first of them too.
            if is_quiet:
                self._wake.wait()
            self._wake.clear()
            self._leaving.wait(LINGER)
            is_quiet = True
            while lines := self._take():
                is_quiet = False
                self._send(writer, lines)
            with self._lock:
                if not self._lines:
                    self._idle.set()

    def _send(self, writer: Any, lines: list[bytes]) -> None:
        """Retries until Redis has the lines, however long that takes."""
        first, tries = self._number, 0
        # The count follows the lines that were buffered before.
        lost = 0 if self._lines else self.dropped - self._reported
        if lost:
            lines = [*lines, self._dropped_line(lost)]
        while True:
            try:
                refused = writer.append(first, lines, lost)
                with self._lock:
                    # A statement of its own: in one expression with the above the old count would be read before the
                    # wait for Redis, and lines dropped meanwhile would be forgotten.
                    self.dropped += refused
                self._reported += lost
                self._number += len(lines)
                self._loops.succeeded("log-shipper")
                return
            except Exception as exc:  # whatever Redis or its client raises: the lines wait, the work goes on
                if not self._is_passing(exc):
                    self._loops.failed("log-shipper", exc, logged=False)
                if self._leaving.wait(PAUSES[min(tries, len(PAUSES) - 1)]):
                    time.sleep(PAUSES[0])
                tries += 1
