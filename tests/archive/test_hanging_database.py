"""A PostgreSQL that hangs: connections stay open, and nothing answers. Nobody waits for long, and nothing is lost."""

from collections.abc import Iterator

import pytest
from archive_harness import NoCampaigns, archive_all, completed, stored
from postgres_server import PostgresServer
from sqlalchemy import Engine

from alodial import CallQueue
from alodial.archive import engine as archive_engine
from alodial.archive import read_connection
from alodial.archive.archiver import Archiver
from alodial.errors import ArchiveUnavailable
from alodial.settings import Settings


@pytest.fixture
def archive_url(postgres: PostgresServer) -> str:
    return postgres.new_database("hanging")


@pytest.fixture
def hanging(postgres: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres
    postgres.go_on()


def test_readers_and_the_archiver_leave_a_database_that_hangs_and_go_on_with_it_later(
    archiving: Settings, queue: CallQueue, engine: Engine, hanging: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_connection, "SILENCE", 0.5)
    monkeypatch.setattr(read_connection, "MAX_SECONDS", 0.5)
    monkeypatch.setattr(read_connection, "PAUSE", 0.2)
    for function in (archive_engine.reading, archive_engine.writing):
        monkeypatch.setattr(getattr(function, "__wrapped__"), "__defaults__", (0.7,))  # noqa: B009  # the generator inside
    archiver = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns())
    archiver.begin()
    (old,) = completed(queue)
    archive_all(archiver)
    queue.store.redis.delete(queue.store.keys.record(queue.get(old).wire_extid))
    (live,) = completed(queue)
    assert [record.id for record in queue.calls().calls] == [live, old]

    hanging.hang()
    page = queue.calls()
    assert ([record.id for record in page.calls], page.incomplete) == ([live], True)
    with pytest.raises(ArchiveUnavailable):
        queue.get(old)
    with pytest.raises(ArchiveUnavailable):
        archiver.step(wait=0.01)

    hanging.go_on()
    archive_all(archiver)
    assert set(stored(engine)) == {old, live}
    with CallQueue(settings=archiving) as reader:
        assert [record.id for record in reader.calls().calls] == [live, old]
