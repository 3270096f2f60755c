"""An archive for each test: SQLite always, PostgreSQL where the machine has one."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_harness import NoCampaigns
from postgres_server import PostgresServer, postgres_folder
from sqlalchemy import Engine

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import open_engine
from alodial.archive.migrate import migrate
from alodial.settings import Settings


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the session; the tests that need it skip where there is none."""
    if postgres_folder() is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    server = PostgresServer().start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def archive_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty archive."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/archive.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database(f"t{os.getpid()}_{secrets.token_hex(4)}")


@pytest.fixture
def archiving(settings: Settings, archive_url: str) -> Settings:
    """The settings with an archive."""
    return settings.model_validate({**dict(settings), "archive_url": archive_url})


@pytest.fixture
def engine(archive_url: str) -> Iterator[Engine]:
    """The archive with its tables."""
    engine = open_engine(archive_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(archiving: Settings) -> Iterator[CallQueue]:
    with CallQueue(settings=archiving) as queue:
        yield queue


@pytest.fixture
def archiver(queue: CallQueue, engine: Engine) -> Archiver:
    archiver = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns())
    archiver.begin()
    return archiver
