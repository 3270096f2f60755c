"""A result that comes after its call's record has left Redis changes the archived call, by the store's own rules and once."""

import json
from typing import Any

import pytest
from archive_harness import CALL, archive_all, complete, everything, stored, submit
from sqlalchemy import Engine

from alodial import CallQueue
from alodial.archive import late_results
from alodial.archive.archiver import Archiver
from alodial.archive.late_results import LateResults
from alodial.calls.erasure import Eraser
from alodial.store import archiving, call_transitions
from alodial.store.keys import Keys
from alodial_workers.collect import collect, retry_orphans

keys = Keys()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_results, "EVERY", 0)


@pytest.fixture
def gone(queue: CallQueue, archiver: Archiver) -> tuple[str, str]:
    """The id and the extid of a busy call of the archive whose record has expired."""
    call = queue.enqueue(CALL, reference="order-17")
    complete(queue, submit(queue), "busy")
    archive_all(archiver)
    queue.store.redis.delete(keys.record(call.extid))
    return call.id, call.extid


def receive(queue: CallQueue, extid: str, dialstatus: str, id: int = 17) -> None:
    """AloVoice sends a result, and a collector takes it."""
    body = {"externalid": int(extid), "dialstatus": dialstatus, "id": [id], "duration": 30, "begin_time": 1769500000}
    body |= {"answer_time": 1769500007, "end_time": 1769500037, "trunk_number": "712000000"}
    queue.store.redis.xadd(keys.INBOX, {"b": json.dumps(body), "t": "application/json"})
    collect(queue.store, queue.settings, "reader")


def retry(queue: CallQueue) -> int:
    """What the sweeper does each second."""
    return retry_orphans(queue.store, queue.settings, queue.store.server_ms())


def kinds(queue: CallQueue) -> list[str]:
    """The types of all events."""
    entries: Any = queue.store.redis.xrange(keys.EVENTS)
    return [json.loads(fields[b"event"])["type"] for _, fields in entries]


def test_a_late_result_changes_the_archived_call_once(
    queue: CallQueue, archiver: Archiver, engine: Engine, gone: tuple[str, str]
) -> None:
    id, extid = gone
    assert stored(engine)[id].disposition == "busy"
    receive(queue, extid, "ANSWER")
    assert retry(queue) == 0
    archive_all(archiver)
    assert 0 < queue.store.redis.pttl(keys.record(extid)) <= queue.settings.live_retention * 1000
    assert retry(queue) == 1
    assert archive_all(archiver) == 1
    changed = stored(engine)[id]
    assert (changed.disposition, changed.state, changed.timeline[-1]["note"]) == (
        "answered",
        "completed",
        "late_result",
    )
    assert kinds(queue).count("alodial.call.corrected") == 1
    assert "alodial.result.unmatched" not in kinds(queue)
    before, told = everything(engine), len(kinds(queue))
    queue.store.redis.delete(keys.record(extid))
    receive(queue, extid, "ANSWER")
    archive_all(archiver)
    assert retry(queue) == 1
    assert archive_all(archiver) == 0
    assert (everything(engine), len(kinds(queue))) == (before, told), "the same result again changes nothing"


def test_a_late_result_that_says_less_is_kept_beside_the_first(
    queue: CallQueue, archiver: Archiver, engine: Engine, gone: tuple[str, str]
) -> None:
    id, extid = gone
    for status, disposition in (("ANSWER", "answered"), ("BUSY", "answered")):
        receive(queue, extid, status)
        archive_all(archiver)
        retry(queue)
        archive_all(archiver)
        queue.store.redis.delete(keys.record(extid))
        assert stored(engine)[id].disposition == disposition


def test_the_result_of_a_redial_finds_its_archived_call(queue: CallQueue, archiver: Archiver, engine: Engine) -> None:
    call = queue.enqueue(CALL, redial={"max_attempts": 2, "delays": {"busy": [1]}})
    complete(queue, submit(queue), "busy")
    queue.store.redis.zadd(keys.DUE, {call.extid: 1})
    queue.store.run(call_transitions.pace())
    (second,) = submit(queue)
    complete(queue, [second], "no_answer")
    archive_all(archiver)
    queue.store.redis.delete(keys.record(call.extid), keys.alias(second))
    receive(queue, second, "ANSWER")
    archive_all(archiver)
    assert retry(queue) == 1
    archive_all(archiver)
    assert [attempt["disposition"] for attempt in stored(engine)[call.id].attempts] == ["busy", "answered"]


@pytest.mark.parametrize("ended", ["long ago", "under another extid"])
def test_a_late_result_of_no_recent_call_stays_unmatched(
    queue: CallQueue, archiver: Archiver, engine: Engine, gone: tuple[str, str], ended: str
) -> None:
    before = everything(engine)
    extid = gone[1]
    if ended == "long ago":
        queue.store.settings = queue.settings.model_copy(update={"call_retention": 0.001})
    else:
        extid = str(int(extid) + 1)
    receive(queue, extid, "ANSWER")
    archive_all(archiver)
    assert retry_orphans(queue.store, queue.settings, queue.store.server_ms() + 10**9) == 0
    assert kinds(queue)[-1] == "alodial.result.unmatched"
    archive_all(archiver)
    assert everything(engine)["calls"] == before["calls"]


def test_a_result_that_waits_is_looked_for_in_the_archive_once_a_minute(
    queue: CallQueue, engine: Engine, gone: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateResults(queue.store, engine)
    receive(queue, gone[1], "ANSWER")
    assert [late.restore(), late.restore()] == [1, 0]
    queue.store.redis.delete(keys.record(gone[1]))  # a failover
    assert late.restore() == 0
    late._next_again = 0
    assert late.restore() == 1


def test_the_next_result_of_the_same_call_does_not_wait_for_that_minute(
    queue: CallQueue, archiver: Archiver, engine: Engine, gone: tuple[str, str]
) -> None:
    late = LateResults(queue.store, engine)
    for status, expected in (("CHANUNAVAIL", "busy"), ("ANSWER", "answered")):
        receive(queue, gone[1], status)
        assert late.restore() == 1
        assert retry(queue) == 1
        archive_all(archiver)
        queue.store.redis.delete(keys.record(gone[1]))
        assert stored(engine)[gone[0]].disposition == expected


def test_a_call_of_a_campaign_that_is_gone_stays_as_it_is(queue: CallQueue) -> None:
    fields = {b"id": b"i", b"s": b"completed", b"g": b"campaign", b"n": b"1", b"tl": b"queued 1;completed 2"}
    assert queue.store.run(archiving.restore([("1017", fields)], 60)) == [False]
    queue.store.redis.hset(keys.campaign("campaign"), "s", "completed")
    assert queue.store.run(archiving.restore([("1017", fields)], 60)) == [True]
    fields[b"s"] = b"queued"
    assert queue.store.run(archiving.restore([("1018", fields)], 60)) == [False], "only what has ended"


def test_a_person_who_is_erased_while_a_late_result_comes_is_not_put_back(
    queue: CallQueue, archiver: Archiver, engine: Engine, gone: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    eraser = Eraser(queue.store, "+998994412860", apply=True)
    erase = eraser._erase_archived

    def restore_and_erase() -> int:
        receive(queue, gone[1], "ANSWER")
        assert LateResults(queue.store, engine).restore() == 1
        assert retry(queue) == 1
        assert kinds(queue) == ["alodial.call.corrected"]
        monkeypatch.setattr(eraser, "_erase_archived", erase)
        return erase()

    monkeypatch.setattr(eraser, "_erase_archived", restore_and_erase)
    eraser.run("cli:test")
    assert not queue.store.redis.exists(keys.record(gone[1]))
    assert kinds(queue) == [], "nor is it told what became of the call"
    assert LateResults(queue.store, engine).restore() == 0
    assert not stored(engine)
