"""A request that is repeated after its call's record has left Redis for the archive rings nobody a second time."""

import pytest
from archive_harness import CALL, archive_all, complete, submit

from alodial import CallQueue, Conflict, NotCancelable, RefusedCall
from alodial.archive.archiver import Archiver
from alodial.calls.prepare import BatchKeys, read_call
from alodial.store import call_transitions
from alodial.store.keys import Keys

keys = Keys()


@pytest.fixture
def gone(queue: CallQueue, archiver: Archiver) -> str:
    """A call with extid 1017 that was answered and archived, and whose record has expired: its id."""
    call = queue.enqueue(CALL, extid="1017", reference="order-17")
    complete(queue, submit(queue))
    archive_all(archiver)
    assert 0 < queue.store.redis.pttl(keys.record("1017")) <= queue.settings.live_retention * 1000
    queue.store.redis.delete(keys.record("1017"))
    return call.id


def test_an_old_extid_is_the_same_call_by_every_way_in(queue: CallQueue, gone: str) -> None:
    known = (gone, "1017", "completed", False, ())
    assert queue.enqueue(CALL, extid="1017", reference="order-17") == known
    assert queue.enqueue(CALL, extid="1017", reference="order-17", idempotency_key="k") == known
    assert queue.enqueue_many([{**CALL, "extid": "1017", "reference": "order-17"}]) == [known]
    row = BatchKeys("batch", "").prepare(
        read_call({**CALL, "extid": "1017", "reference": "order-17"}, queue.settings), queue.settings, 0
    )
    assert queue.store.run(call_transitions.enqueue([row], queue.settings))[1][0].outcome == "same"
    assert not submit(queue), "nobody is rung"


def test_an_old_extid_with_another_body_is_a_conflict(queue: CallQueue, gone: str) -> None:
    with pytest.raises(Conflict) as caught:
        queue.enqueue(CALL, extid="1017", reference="order-18")
    assert caught.value.call_id == gone
    (refused,) = queue.enqueue_many([{**CALL, "extid": "1017"}])
    assert isinstance(refused, RefusedCall)
    assert not submit(queue)


def test_a_key_of_an_archived_call_leads_to_it_while_it_is_known(queue: CallQueue, archiver: Archiver) -> None:
    call = queue.enqueue(CALL, idempotency_key="k")
    complete(queue, submit(queue))
    archive_all(archiver)
    queue.store.redis.delete(keys.record(call.extid))
    assert queue.enqueue(CALL, idempotency_key="k")[:4] == (call.id, call.extid, "completed", False)
    with pytest.raises(Conflict):
        queue.enqueue(CALL, idempotency_key="k", reference="another")


def test_an_archived_call_cannot_be_canceled(queue: CallQueue, gone: str) -> None:
    with pytest.raises(NotCancelable):
        queue.cancel(gone)


def test_a_call_is_remembered_in_a_few_bytes(queue: CallQueue, archiver: Archiver) -> None:
    place = [{**CALL, "extid": str(1_000_000 + 1_048_573 * n)} for n in range(40)]  # all of them in one hash
    queue.enqueue_many(place)
    complete(queue, submit(queue))
    archive_all(archiver)
    bucket = keys.past("1000000")
    assert queue.store.redis.hlen(bucket) == 41
    assert queue.store.redis.object("encoding", bucket) in (b"listpack", b"ziplist")
    assert queue.store.redis.memory_usage(bucket) < 40 * 40 + 250
