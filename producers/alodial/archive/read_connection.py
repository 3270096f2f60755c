"""Connections that only read the archive, and wait for no more than a few seconds."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..errors import ArchiveUnavailable, ConfigurationError
from .deadline import Deadline, answering
from .namespace import check_owner, owner_of

MAX_SECONDS: Final = 2.5
"""Seconds that one query may take, and that a connection may take to come about."""

SILENCE: Final = 5.0
"""Seconds beyond these after which PostgreSQL, whose queries end by its own timeout, is taken for hanging."""

PAUSE: Final = 5.0
"""Seconds without a further try after the archive did not answer, so that not every page waits for it."""

MAX_READERS: Final = 4
"""Connections of a process."""

_STEPS: Final = 10_000
"""SQLite looks at the clock after so many steps: some ms."""


class ReadConnections:
    """Opens connections to the archive at this URL when they are first needed. Safe to share between threads.

    With a ``namespace`` it refuses the archive of another one.
    """

    def __init__(self, url: str, namespace: str = "") -> None:
        self._url = url
        self._namespace = namespace
        self._checked = not namespace
        self._engine: Engine | None = None
        self._lock = Lock()
        self._closed_until = 0.0

    def close(self) -> None:
        """Closes the connections."""
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def open(self, seconds: float = MAX_SECONDS) -> Iterator[Connection]:
        """A connection for queries of so many seconds. Raises ArchiveUnavailable, ArchiveUnfit, ConfigurationError for a wrong
        URL."""
        if time.monotonic() < self._closed_until:
            raise ArchiveUnavailable("the archive did not answer a moment ago")
        with self._lock:
            if self._engine is None:
                self._engine = _engine(self._url)
        deadline: Deadline | None = None
        try:
            with ExitStack() as after, self._engine.connect() as connection:
                deadline = after.enter_context(answering(connection, seconds + SILENCE))
                _limit(connection, seconds)
                if not self._checked:
                    check_owner(connection, self._namespace)
                    self._checked = bool(owner_of(connection))
                yield connection
        except SQLAlchemyError as exc:
            if deadline is not None and deadline.passed:
                self._closed_until = time.monotonic() + PAUSE
                raise ArchiveUnavailable(f"the archive did not answer within {deadline.seconds:.0f} s") from None
            cause = str(getattr(exc, "orig", "") or type(exc).__name__).strip().splitlines()[:1]
            text = cause[0][:200] if cause else type(exc).__name__
            if not _is_slow(text):
                self._closed_until = time.monotonic() + PAUSE
            raise ArchiveUnavailable(f"the archive cannot be read now: {text}") from None


def _is_slow(text: str) -> bool:
    """Whether a query took too long on a database that works: the next one may well succeed."""
    return "interrupted" in text or "statement timeout" in text


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": MAX_SECONDS}, pool_size=MAX_READERS, max_overflow=0)
            path = parsed.database or ""

            def refuse_missing(*_args: Any) -> None:
                # SQLite would make an empty database.
                if path and path != ":memory:" and not Path(path).exists():
                    raise ArchiveUnavailable("there is no archive yet; start alodial archive")

            event.listen(engine, "do_connect", refuse_missing)
            event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA query_only=ON"))
            return engine
        milliseconds = int(1000 * MAX_SECONDS)
        arguments = {
            "connect_timeout": max(2, int(MAX_SECONDS)),
            "tcp_user_timeout": milliseconds + 500,
            "application_name": "alodial readers",
            "options": f"-c statement_timeout={milliseconds} -c default_transaction_read_only=on -c jit=off",
            "prepare_threshold": None,
        }
        return create_engine(
            parsed, connect_args=arguments, pool_size=MAX_READERS, max_overflow=0, pool_timeout=MAX_SECONDS
        )
    except ImportError as exc:
        raise ConfigurationError(f"the archive needs {exc.name}; pip install 'alodial[archive]'") from None
    except ArgumentError:
        raise ConfigurationError("ALODIAL_ARCHIVE_URL: is no URL of a database; write sqlite:///archive.db") from None


def _limit(connection: Connection, seconds: float) -> None:
    if connection.dialect.name == "sqlite":
        until = time.monotonic() + seconds
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
