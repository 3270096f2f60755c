"""Opens the archive, and says in alodial's own errors what is wrong with it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ..errors import ArchiveUnavailable, ConfigurationError
from .deadline import Deadline, answering

CONNECT_TIMEOUT: Final = 5
BUSY_MS: Final = 10_000
"""How long SQLite waits for another writer."""

WRITER: Final = 5_021_374_901
"""The lock of PostgreSQL under which rows are written: two archivers never write at the same time."""

ANSWER_SECONDS: Final = 120.0
"""Seconds for a transaction on PostgreSQL, after which it is taken for hanging."""

LONG_SECONDS: Final = 6 * 3600.0
"""The same for what may read or rewrite every row: migrations, erasures."""

_FULL: Final = ("database or disk is full", "no space left", "disk full", "53100")


def open_engine(url: str) -> Engine:
    """An engine for the archive; connects at its first use. Raises ConfigurationError for a URL that cannot be one."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database:
                _create_private(Path(parsed.database))
            engine = create_engine(parsed, connect_args={"timeout": BUSY_MS / 1000})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(
            parsed,
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "alodial", "prepare_threshold": None},
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
        if not (exc.connection_invalidated or _is_passing(exc.orig)):
            raise
        raise _unavailable(exc.orig) from None
    except (SQLAlchemyError, OSError) as exc:
        if isinstance(exc, SQLAlchemyError) and "timeout" not in type(exc).__name__.lower():
            raise
        raise ArchiveUnavailable(f"the archive does not answer ({type(exc).__name__})") from None
    except Exception as exc:
        # Of the driver itself: COPY goes past SQLAlchemy.
        if not type(exc).__module__.startswith("psycopg") or not _is_passing(exc):
            raise
        raise _unavailable(exc) from None


def _unavailable(error: BaseException | None) -> ArchiveUnavailable:
    cause = (str(error).strip().splitlines() or [""])[0][:200]  # further lines may quote what was written
    return ArchiveUnavailable(f"the archive cannot be written: {cause}", "full" if _is_full(error) else "unavailable")


def _is_full(error: BaseException | None) -> bool:
    words = str(error).lower()
    return any(part in words for part in _FULL) or getattr(error, "sqlstate", "") == "53100"


def _is_passing(error: BaseException | None) -> bool:
    return _is_full(error) or bool(
        {base.__name__ for base in type(error).__mro__} & {"OperationalError", "InterfaceError"}
    )


@contextmanager
def _connected(engine: Engine, seconds: float, **options: Any) -> Iterator[Connection]:
    """A connection on which everything, its return to the pool included, takes so many seconds at most."""
    deadline: Deadline | None = None
    try:
        with archive_errors(), ExitStack() as after, engine.connect().execution_options(**options) as connection:
            deadline = after.enter_context(answering(connection, seconds))
            yield connection
    except ArchiveUnavailable:
        if deadline is not None and deadline.passed:
            raise ArchiveUnavailable(f"the archive did not answer within {seconds:.0f} s") from None
        raise


@contextmanager
def reading(engine: Engine, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
    """A connection that only reads, for so many seconds. Raises ArchiveUnavailable."""
    with _connected(engine, seconds) as connection:
        yield connection


@contextmanager
def writing(engine: Engine, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
    """A transaction that no other writer is in at the same time; commits at its end. Raises ArchiveUnavailable."""
    with _connected(engine, seconds, writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER})
        yield connection
