"""The archive under fire: workers, web, archivers and the database die, and it holds each call once, as the ledger does."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plant import Plant
from postgres_server import PostgresServer, postgres_folder
from sqlalchemy import func, select

from alodial import TwoWayCall
from alodial.archive.count_tables import COUNTS_DAY
from alodial.archive.engine import open_engine, reading
from alodial.archive.rows import record_of
from alodial.archive.schema import ATTEMPTS, CALLS, EVENTS
from alodial.archive.write import total_calls
from alodial.store import archiving
from alodial_schemas import ENDS
from waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]

FULL = os.environ.get("ALODIAL_CHAOS") == "full"
CALLS_PLACED = 6000 if FULL else 400
RATE = 20  # calls a second
VICTIMS = ("worker-0", "worker-1", "web", "archive-0", "archive-1", "database")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    if postgres_folder() is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    server = PostgresServer().start()
    yield server
    server.stop()


def test_the_archive_is_the_ledger_row_by_row_whatever_dies(tmp_path: Path, postgres: PostgresServer) -> None:
    rng = random.Random(20261126)
    url = postgres.new_database("archive")
    with Plant(
        tmp_path,
        sandbox=("--speed", "60", "--seed", "7", "--fault", "answer_lost=0.03", "--fault", "refuse=0.03"),
        calls_per_second=str(RATE),
        max_concurrent_calls="0",
        result_timeout="45",
        channel_timeout="20",
        archive_url=url,
    ) as plant:
        for name in ("worker-0", "worker-1"):
            plant.start_worker(name)
        for name in ("archive-0", "archive-1"):
            plant.start_archive(name)
        with plant.queue() as queue:
            calls = [TwoWayCall(callfrom="712037006", callto=[f"90{n:05d}10"]) for n in range(CALLS_PLACED)]
            queue.enqueue_many(calls)
        kills, began = 0, time.monotonic()
        while not plant.all_ended(CALLS_PLACED):
            assert time.monotonic() - began < (1050 if FULL else 240), plant.counts()
            if sum(n for state, n in plant.counts().items() if state in ENDS) < CALLS_PLACED * 0.9:
                _kill(plant, postgres, rng.choice(VICTIMS))
                kills += 1
            time.sleep(2)
        assert kills >= 5
        engine = open_engine(url)

        def is_through() -> bool:
            with reading(engine) as connection:
                return total_calls(connection) == CALLS_PLACED and _is_read(plant)

        wait_until(is_through, within=90, what="the archive has everything", every=0.5)
        with reading(engine) as connection, plant.queue() as queue:
            archived = {row.call_id: row for row in connection.execute(select(CALLS))}
            attempts = connection.execute(select(ATTEMPTS)).all()
            events = connection.execute(select(EVENTS.c.subject, EVENTS.c.name)).all()
            counted = connection.execute(select(func.sum(COUNTS_DAY.c.calls), func.sum(COUNTS_DAY.c.attempts))).one()
            for id, row in archived.items():
                assert record_of(row.record) == queue.get(id)
        engine.dispose()
        assert len(archived) == CALLS_PLACED
        assert set(plant.rings().values()) == {1}, "no phone rings twice"
        assert set(plant.rings()) <= {row.extid for row in attempts}, (
            "everything that rang is an attempt in the archive"
        )
        done = {row.extid for row in attempts if row.disposition}
        assert done <= set(plant.rings()), "every result in the archive is of a phone that rang"
        assert len(set(events)) == len(events)
        assert set(plant.terminal_events()) == set(archived)
        assert counted == (CALLS_PLACED, sum(row.attempts for row in archived.values())), "counts are exact"


def _is_read(plant: Plant) -> bool:
    with plant.queue() as queue:
        client = queue.store.redis
        (group,) = (row for row in client.xinfo_groups(queue.store.keys.EVENTS) if row["name"] == b"archive")
        state = queue.store.call(archiving.read_state, queue.store.server_ms())
        return group["pending"] == 0 and group["lag"] in (0, None) and state is not None and not state.trouble


def _kill(plant: Plant, postgres: PostgresServer, victim: str) -> None:
    if victim == "database":
        postgres.kill()
        time.sleep(1)
        postgres.start()
        return
    plant.kill(victim)
    if victim == "web":
        plant.start_web()
    elif victim.startswith("archive"):
        plant.start_archive(victim)
    else:
        plant.start_worker(victim)
