"""Each ended call is in the archive once, whatever is killed, repeated or away; and only what is there may leave Redis."""

import time
from typing import Any

import pytest
from archive_harness import NoCampaigns, archive_all, complete, completed, everything, place, stored, submit
from sqlalchemy import Engine, func, select

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import reading
from alodial.archive.packing import subject_key
from alodial.archive.schema import CALLS, EVENTS, METADATA
from alodial.archive.write import total_calls
from alodial.errors import ArchiveUnavailable, ConfigurationError
from alodial.settings import Settings
from alodial.store import archiving, audit, events
from alodial.store.keys import Keys

keys = Keys()


def test_an_ended_call_is_archived_as_the_record_that_readers_get(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    (id,) = completed(queue, reference="order-17", metadata={"name": "Aziza"})
    waiting = place(queue)
    live = queue.get(id)
    assert archive_all(archiver) == 1
    assert stored(engine) == {id: live}
    with reading(engine) as connection:
        row = connection.execute(select(CALLS)).one()
        assert (row.kind, row.state, row.disposition, row.attempts) == ("two-way", "completed", "answered", 1)
        assert (row.talk_seconds, row.line, row.operator_code) == (30, "712000000", "99")
        assert row.recipients == "+998994412860 +998977076909"
        assert "order-17" in row.search
        assert "aziza" in row.search
        assert total_calls(connection) == 1
        assert (
            connection.execute(
                select(func.count()).where(EVENTS.c.subject.in_([subject_key(id) for id in waiting]))
            ).scalar_one()
            == 1
        )


def test_the_same_events_again_change_nothing(queue: CallQueue, archiver: Archiver, engine: Engine) -> None:
    completed(queue, 5)
    archive_all(archiver)
    before = everything(engine)
    queue.store.redis.xgroup_setid(keys.EVENTS, archiving.GROUP, "0")
    assert archive_all(archiver) == 0
    assert everything(engine) == before
    with reading(engine) as connection:
        assert total_calls(connection) == 5


def test_an_archiver_killed_between_commit_and_acknowledgement_leaves_nothing_twice(
    queue: CallQueue, archiver: Archiver, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = completed(queue, 5)
    counted: list[tuple[int, int]] = []

    def count(_connection: Any, before: Any, after: Any) -> None:
        counted.append((len(before), len(after)))

    def killed(*_args: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "acknowledge", killed)
        first = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns(), count=count)
        first.begin()
        with pytest.raises(SystemExit):
            archive_all(first)
    second = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns(), count=count)
    second.begin()
    archive_all(second)
    assert set(stored(engine)) == set(ids)
    assert counted == [(0, 5)]
    assert not queue.store.redis.xpending(keys.EVENTS, archiving.GROUP)["pending"]


def test_a_database_that_fails_in_the_middle_of_a_batch_loses_nothing(queue: CallQueue, engine: Engine) -> None:
    ids = completed(queue, 7)
    fails = iter([True, False, True, True])

    def fail() -> None:
        if next(fails, False):
            raise ArchiveUnavailable("the disk is full", "full")

    archiver = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns(), batch=4, before_commit=fail)
    archiver.begin()
    for _ in range(40):
        try:
            if not archiver.step(wait=0.01).more:
                break
        except ArchiveUnavailable:
            with reading(engine) as connection:
                written = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
                assert written % 4 == 0, "a batch is there whole or not at all"
    assert set(stored(engine)) == set(ids)


def test_a_call_that_is_corrected_after_its_end_is_brought_up_to_date(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    (id,) = place(queue)
    (extid,) = submit(queue)
    complete(queue, [extid], "busy")
    archive_all(archiver)
    assert stored(engine)[id].disposition == "busy"
    complete(queue, [extid], "answered")
    archive_all(archiver)
    assert stored(engine)[id] == queue.get(id)
    with reading(engine) as connection:
        assert total_calls(connection) == 1


def test_calls_that_ended_before_there_was_an_archive_are_archived_too(queue: CallQueue, engine: Engine) -> None:
    ids = completed(queue, 12)
    queue.store.redis.delete(keys.EVENTS)
    archiver = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns(), batch=5)
    archiver.begin()
    while archiver.step(wait=0.01).more:
        pass
    assert set(stored(engine)) == set(ids)
    later = completed(queue, 3)
    queue.store.redis.delete(keys.EVENTS)
    queue.store.redis.set(keys.EVENTS_LOST, 9)
    for _ in range(10):
        archiver.step(wait=0.01)
    assert set(stored(engine)) == {*ids, *later}, "and once more when events were dropped unread"


def test_a_record_leaves_redis_sooner_only_once_it_is_in_the_archive(
    queue: CallQueue, archiver: Archiver, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed(queue, 1)
    completed(queue, 1, idempotency_key="k")
    plain, named = (row.wire_extid for row in reversed(queue.calls().calls))
    client = queue.store.redis
    thirty, day = queue.settings.call_retention * 1000, 86_400_000
    assert client.pttl(keys.record(plain)) > thirty - day
    with monkeypatch.context() as patch:
        patch.setattr("alodial.archive.archiver.write_position", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            archive_all(archiver)
    assert client.pttl(keys.record(plain)) > thirty - day
    archive_all(archiver)
    assert day - 60_000 < client.pttl(keys.record(plain)) <= day
    assert day - 60_000 < client.pttl(keys.record(named)) <= day
    assert client.exists(keys.past(named))
    assert not client.exists(keys.past(plain))


def test_events_that_the_archive_has_not_read_are_not_trimmed(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    completed(queue, 4)
    length = queue.store.redis.xlen(keys.EVENTS)
    assert queue.store.run(events.trim(1, max_age=3600)).held
    assert queue.store.redis.xlen(keys.EVENTS) == length
    archive_all(archiver)
    queue.store.run(events.trim(1, max_age=3600))
    assert queue.store.redis.xlen(keys.EVENTS) == 1


def test_the_audit_is_archived_entry_by_entry(queue: CallQueue, archiver: Archiver, engine: Engine) -> None:
    acts = []
    for number, own in enumerate((False, True, False)):
        act = audit.entry(number, actor="cli:test", address="h", act="keys revoke", target="shop", via="cli")
        audit.write(queue.store, act, own=own, keep=1000)
        acts.append(act.to_json())
    for _ in range(3):
        archiver.step(wait=0.01)
    with reading(engine) as connection:
        rows = connection.execute(select(METADATA.tables["audit"])).all()
    assert sorted(row.own for row in rows) == [0, 0, 1]
    assert {row.entry for row in rows} == set(acts)


def test_the_state_of_the_archive_tells_its_lag_and_its_calls(queue: CallQueue, archiver: Archiver) -> None:
    completed(queue, 3)
    archive_all(archiver)
    state = queue.store.call(archiving.read_state, time.time_ns() // 1_000_000)
    assert state is not None
    assert (state.calls, state.error) == (3, "")
    assert state.lag < 30
    assert "alodial@" not in state.url


def test_an_archive_of_another_namespace_is_refused(
    queue: CallQueue, archiver: Archiver, archiving: Settings, engine: Engine
) -> None:
    """Its positions would be taken for ours: calls before them would leave Redis without having been archived."""
    archiver.begin()
    archiver.begin()
    other = archiving.model_copy(update={"namespace": "sales"})
    with (
        CallQueue(settings=other) as theirs,
        pytest.raises(ConfigurationError, match="namespace alodial; give sales a database of its own"),
    ):
        Archiver(theirs.store, engine, other, campaigns=NoCampaigns()).begin()


def test_events_that_were_taken_and_dropped_hold_nothing_up(
    queue: CallQueue, archiver: Archiver, engine: Engine
) -> None:
    ids = completed(queue, 3)
    archiver.step(wait=0.01)
    queue.store.call(archiving.read_events, 100, 0.01, pending=False)
    queue.store.redis.xtrim(keys.EVENTS, maxlen=0)
    queue.store.redis.set(keys.EVENTS_LOST, 9)
    later = completed(queue, 1)
    again = Archiver(queue.store, engine, queue.settings, campaigns=NoCampaigns())
    again.begin()
    for _ in range(5):
        again.step(wait=0.01)
    assert set(stored(engine)) == {*ids, *later}
    assert not queue.store.redis.xpending(keys.EVENTS, archiving.GROUP)["pending"]
