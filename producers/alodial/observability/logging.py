"""Configures structlog for all loggers of the process: console or JSON, numbers masked, secrets hidden."""

import atexit
import io
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import IO, Any

import structlog

from ..settings import Settings, variables
from ..settings.environment import unknown_settings
from .log_shipper import LogShipper, encode
from .redaction import Event, Scrubber, secrets_of

LINGER = 0.5
"""Seconds that lines are gathered for one write: a thread that wakes for each takes the interpreter from the calls."""

MAX_WARNINGS = 1000
"""Texts of libraries' warnings that are remembered."""


@lru_cache(maxsize=2)
def _text_of_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(_logger: object, _method: str, event: Event) -> Event:
    """Adds the time, as structlog's TimeStamper does at four times the cost."""
    second, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_text_of_second(second)}.{microseconds:06d}Z"
    return event


class NonBlockingStream(io.TextIOBase):
    """A stream that never blocks its writers: a thread writes the lines to ``out``.

    A log pipe that no process reads must not stop calls. Lines over ``limit`` are dropped and counted, and the count is
    logged as ``log.dropped`` when there is room again.
    """

    def __init__(self, out: IO[str], *, limit: int = 10_000) -> None:
        self._out = out
        self._limit = limit
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._leaving = threading.Event()
        self.dropped = 0
        self._reported = 0
        threading.Thread(target=self._work, name="log", daemon=True).start()
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        if len(self._lines) >= self._limit:
            self.dropped += 1
        else:
            self._lines.append(text)
            if self._idle.is_set():
                self._idle.clear()
            if not self._wake.is_set():
                self._wake.set()
        return len(text)

    def flush(self) -> None:
        """Does nothing: the thread flushes after each burst."""

    def isatty(self) -> bool:
        return self._out.isatty()

    def drain(self, timeout: float = 1.0) -> None:
        """Waits up to ``timeout`` seconds until all lines are written; call it when the process ends."""
        self._leaving.set()
        self._idle.wait(timeout)

    def _write_out(self, text: str) -> None:
        """Writes past Python's buffer where ``out`` has a file descriptor.

        At the process' end Python waits for that buffer's lock, which a write into a full pipe never releases, and exits
        with 120 for text that a closed pipe left in it.
        """
        try:
            number = self._out.fileno()
        except (OSError, AttributeError):
            self._out.write(text)
            self._out.flush()
            return
        left = text.encode(getattr(self._out, "encoding", None) or "utf-8", "backslashreplace")
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                room = select.poll()
                room.register(number, select.POLLOUT)
                room.poll()

    def _work(self) -> None:
        is_quiet = True
        while True:
            # While lines come it wakes for those of LINGER together, and not for the first of them too.
            if is_quiet:
                self._wake.wait()
            self._wake.clear()
            self._leaving.wait(LINGER)
            burst: list[str] = []
            while self._lines and len(burst) < 1000:
                burst.append(self._lines.popleft())
            if self.dropped > self._reported:
                self._reported = self.dropped
                burst.append(encode({"event": "log.dropped", "level": "warning", "lines": self._reported}) + "\n")
            is_quiet = not burst
            try:
                self._write_out("".join(burst))
            except (OSError, ValueError):
                # A closed pipe: there is no reader left.
                self.dropped += len(burst)
                self._reported = self.dropped
            if self._lines:
                self._wake.set()
            else:
                self._idle.set()
                if self._lines:
                    self._idle.clear()  # a line came between the two


_shippers: list[LogShipper] = []
_streams: list[NonBlockingStream] = []


def drain() -> None:
    """Waits a moment for lines on their way to Redis and to standard error, in a process that ends without Python's exit
    handlers."""
    for stream in _streams:
        stream.drain()
    for shipper in _shippers:
        shipper.drain()


def configure(
    settings: Settings, *, stream: IO[str] | None = None, non_blocking: bool = False, shared: bool = False, **bound: str
) -> None:
    """Configures logging for the process, on ``stream`` or standard error; loggers of other libraries from warning on.

    ``non_blocking`` writes through a :class:`NonBlockingStream`. ``shared`` also sends each line to Redis, for
    ``alodial logs``, and errors to Sentry where ALODIAL_SENTRY_DSN is set. ``bound`` fields, such as the worker's name,
    are in every line.

    Raises ConfigurationError when the DSN is invalid or the extra ``alodial[sentry]`` is missing.
    """
    out: Any = stream or sys.stderr
    if non_blocking:
        out = NonBlockingStream(out)
        _streams[:] = [out]
    form = settings.log_format or ("console" if out.isatty() else "json")
    scrub = Scrubber(secrets_of(settings))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    common: list[Any] = [
        lambda _logger, _method, event: {**event, **bound} if bound else event,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
    ]
    if shared and settings.sentry_dsn is not None:
        from .sentry import Reporter  # noqa: PLC0415  # only with a DSN

        # Before exceptions become text: it sends their frames.
        common.append(Reporter(settings, scrub))
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if form == "console"
        else structlog.processors.JSONRenderer(serializer=encode)
    )
    if shared and settings.logs_keep:
        _shippers[:] = [LogShipper(settings, bound)]
    else:
        _shippers.clear()
    # Tracebacks become text before they are scrubbed, so that a token in an exception cannot slip past.
    tail: list[Any] = [structlog.processors.format_exc_info, scrub]
    if form == "console":
        tail += [*(shipper.processor for shipper in _shippers), _no_control, render]
    else:
        tail += [render, *(shipper.rendered for shipper in _shippers)]
    structlog.configure(
        processors=[*common, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(out, level, common, tail)
    # Python would print uncaught exceptions, with the secrets in their texts, to standard error.
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    for problem in unknown_settings(variables()) if shared else ():
        structlog.get_logger("alodial").warning("setting.unknown", problem=problem)


def _configure_libraries(out: Any, level: int, common: list[Any], tail: list[Any]) -> None:
    """Sends lines of other libraries, from warnings on, through the same processors."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    # These log URLs, which hold the provider's token and the callback's secret, at levels that users may turn on.
    for name in ("httpx", "httpcore", "uvicorn.access", "hpack"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("dramatiq", "uvicorn", "uvicorn.error", "asyncio"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).filters[:] = [_Seldom()]


class _Seldom(logging.Filter):
    """Lets the same warning through once a second: malformed requests cause some, and would wash other lines out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._again: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text, now = str(record.msg), time.monotonic()
        if record.levelno != logging.WARNING:
            return True
        if self._again.get(text, 0.0) > now:
            return False
        if len(self._again) >= MAX_WARNINGS:
            self._again.clear()
        self._again[text] = now + 1
        return True


def _uncaught(kind: type[BaseException], exc: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc or kind(), trace)
    elif not issubclass(kind, SystemExit):
        structlog.get_logger("alodial").critical("process.uncaught_exception", exc_info=(kind, exc, trace))


def _no_control(_logger: object, _method: str, event: Event) -> Event:
    """Escapes control characters, so that a console line stays one line whatever AloVoice answered.

    A traceback keeps its lines, indented, so that none of them looks like a line of the log.
    """
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            if name in {"exception", "stack"}:
                event[name] = "\n".join(f"    {_escaped(line)}" for line in value.split("\n"))
            else:
                event[name] = _escaped(value)
    return event


def _escaped(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
