"""The process goes on by itself after everything that was away, and one works at a time."""

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest
from archive_harness import NoCampaigns, completed, stored
from sqlalchemy import Engine

from alodial import CallQueue
from alodial.archive import process as module
from alodial.archive.archiver import Archiver
from alodial.archive.engine import archive_errors, open_engine
from alodial.archive.process import ArchiveProcess
from alodial.archive.retention import RetentionPolicy
from alodial.errors import ArchiveUnavailable
from alodial.settings import Settings
from alodial.store import archiving
from waiting import wait_until

TIMEOUT = 20.0


@pytest.fixture
def archive_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/archive.db"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(module, "MAX_PAUSE", 0.1)


class Running:
    """An archive process in a thread."""

    def __init__(self, queue: CallQueue, engine: Engine, name: str) -> None:
        archiver = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns())
        self.process = ArchiveProcess(queue.store, engine, archiver, name, RetentionPolicy(), lease=2)
        self.thread = threading.Thread(target=self.process.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.process.request_stop()
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive()


def state_of(queue: CallQueue) -> archiving.ArchiveState | None:
    return queue.store.call(archiving.read_state, queue.store.server_ms())


def test_a_database_that_was_away_is_caught_up_with(queue: CallQueue, tmp_path: Path, archiving: Settings) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    engine = open_engine(f"sqlite:///{folder}/archive.db")
    (folder / "archive.db").unlink()
    folder.rename(tmp_path / "unmounted")
    ids = completed(queue, 5)
    running = Running(queue, engine, "a")
    wait_until(lambda: (state := state_of(queue)) is not None and state.trouble == "unavailable")
    (tmp_path / "unmounted").rename(folder)
    wait_until(lambda: (state := state_of(queue)) is not None and not state.trouble)
    wait_until(lambda: set(stored(engine)) == set(ids))
    running.stop()
    engine.dispose()


def test_a_full_disk_is_named_and_nothing_is_lost(queue: CallQueue, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    running = Running(queue, engine, "a")
    wait_until(lambda: state_of(queue) is not None)
    pages = _limit_pages(engine)
    ids = completed(queue, 400)
    wait_until(lambda: (state := state_of(queue)) is not None and state.trouble == "full")
    _limit_pages(engine, 1_000_000_000)
    wait_until(lambda: set(stored(engine)) >= set(ids))
    assert pages
    running.stop()


def _limit_pages(engine: Engine, more: int = 8) -> int:
    """SQLite answers "database or disk is full" beyond a number of pages, on each connection of the pool."""
    driver = engine.raw_connection()
    try:
        count = int(driver.cursor().execute("PRAGMA page_count").fetchone()[0])
    finally:
        driver.close()
    for pooled in (engine.raw_connection() for _ in range(1)):
        pooled.cursor().execute(f"PRAGMA max_page_count={count + more}")
        pooled.close()
    return count


def test_one_archiver_works_and_another_takes_over(queue: CallQueue, engine: Engine) -> None:
    first = Running(queue, engine, "a")
    completed(queue, 3)
    wait_until(lambda: len(stored(engine)) == 3)
    second = Running(queue, engine, "b")
    first.stop()
    completed(queue, 3)
    wait_until(lambda: len(stored(engine)) == 6)
    second.stop()


def test_a_file_of_the_archive_is_for_its_user_alone(engine: Engine, tmp_path: Path) -> None:
    assert (tmp_path / "archive.db").stat().st_mode & 0o077 == 0
    assert sqlite3.sqlite_version_info >= (3, 34), "trigrams"


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (psycopg.errors.DiskFull('could not extend file: No space left\nCONTEXT: COPY calls, line 1: "998"'), "full"),
        (psycopg.OperationalError("server closed the connection"), "unavailable"),
    ],
)
def test_errors_of_copy_say_why_the_archive_waits(error: Exception, trouble: str) -> None:
    with pytest.raises(ArchiveUnavailable) as caught, archive_errors():
        raise error
    assert caught.value.trouble == trouble
    assert "998" not in str(caught.value)


def test_a_row_that_postgresql_refuses_is_no_outage() -> None:
    with pytest.raises(psycopg.DataError), archive_errors():
        raise psycopg.DataError("invalid input")
