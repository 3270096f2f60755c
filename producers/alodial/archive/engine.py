"""Opens the archive, and says in alodial's own errors what is wrong with it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ..errors import ArchiveUnavailable, ConfigurationError

CONNECT_TIMEOUT: Final = 5
BUSY_MS: Final = 10_000
"""How long SQLite waits for another writer."""

WRITER: Final = 5_021_374_901
"""The lock of PostgreSQL under which rows are written: two archivers never write at the same time."""

_FULL: Final = ("database or disk is full", "no space left", "disk full", "53100")


def open_engine(url: str, *, connections: int = 5) -> Engine:
    """An engine for the archive; connects at its first use. Raises ConfigurationError for a URL that cannot be one."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database:
                _create_private(Path(parsed.database))
            engine = create_engine(parsed, connect_args={"timeout": BUSY_MS / 1000}, pool_size=connections)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(
            parsed,
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "alodial", "prepare_threshold": None},
            pool_size=connections,
            pool_pre_ping=True,
        )
    except ImportError as exc:
        raise ConfigurationError(f"the archive needs {exc.name}; pip install 'alodial[archive]'") from None
    except (ArgumentError, OSError) as exc:
        raise ConfigurationError(f"ALODIAL_ARCHIVE_URL: cannot be used ({type(exc).__name__})") from None


def _create_private(path: Path) -> None:
    """Creates the file, readable for this user alone: it holds numbers. Another reader that may not write opens it as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions begin too late: `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_MS}", "cache_size=-65536"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def archive_errors() -> Iterator[None]:
    """Raises ArchiveUnavailable for errors of a database that cannot work now; says nothing of values or passwords."""
    try:
        yield
    except DBAPIError as exc:
        cause = " ".join(str(exc.orig).split())[:200]
        full = any(words in cause.lower() for words in _FULL) or getattr(exc.orig, "sqlstate", "") == "53100"
        if not full and not _passing(exc):
            raise
        raise ArchiveUnavailable(f"the archive cannot be written: {cause}", "full" if full else "unavailable") from None
    except (SQLAlchemyError, OSError) as exc:
        if isinstance(exc, SQLAlchemyError) and "timeout" not in type(exc).__name__.lower():
            raise
        raise ArchiveUnavailable(f"the archive does not answer ({type(exc).__name__})") from None


def _passing(exc: DBAPIError) -> bool:
    if exc.connection_invalidated or type(exc).__name__ in {"OperationalError", "InterfaceError"}:
        return True
    return isinstance(exc.orig, sqlite3.OperationalError)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads. Raises ArchiveUnavailable."""
    with archive_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer is in at the same time; commits at its end. Raises ArchiveUnavailable."""
    with archive_errors(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER})
        yield connection
