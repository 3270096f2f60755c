"""Live and archived calls are one list: no call twice, none missing, whatever moves while somebody pages."""

import random
from pathlib import Path

import pytest
from tests.store.test_lists import NO_LIMITS, PHONES, World

from alodial import CallFilter, CallQueue
from alodial.archive.engine import open_engine, writing
from alodial.archive.migrate import migrate
from alodial.archive.rows import archived_call
from alodial.archive.write import write_calls
from alodial.errors import ArchiveUnavailable, InvalidCall, NotFound
from alodial.settings import Settings
from alodial.store.caller import Caller
from alodial.store.find_call import read_hashes
from alodial.store.records import CallRecord
from alodial_schemas import ENDS, Disposition, State


class Moving:
    """Calls of which those that ended go into the archive, and leave Redis, at random."""

    def __init__(self, queue: CallQueue, url: str, seed: int) -> None:
        self.world, self.queue = World(queue, seed, 60), queue
        self.rng = random.Random(seed)
        body = {"callfrom": {"phone": PHONES[0]}, "callto": [{"phone": PHONES[1]}]}
        queue.enqueue_many([body | {"reference": "at-once"}] * 12)
        self.records = {record.id: record for record in self.world.records()}
        self.engine = open_engine(url)
        migrate(self.engine)
        ended = [record for record in self.records.values() if record.state in ENDS]
        rows = [
            archived_call(x, raw)
            for x, raw in zip(
                [record.wire_extid for record in ended],
                queue.store.run_steps(read_hashes, [record.wire_extid for record in ended]),
                strict=True,
            )
        ]
        with writing(self.engine) as connection:
            write_calls(connection, [row for row in rows if row])
        self.ended = ended

    def leave(self, share: float) -> None:
        """Some of the archived calls leave Redis."""
        for record in self.ended:
            if self.rng.random() < share:
                self.queue.store.redis.delete(self.queue.store.keys.record(record.wire_extid))

    def pages(self, wanted: CallFilter, limit: int, share: float) -> list[CallRecord]:
        calls: list[CallRecord] = []
        cursor = None
        for _ in range(400):
            page = self.queue.calls(wanted, cursor=cursor, limit=limit)
            assert len(page.calls) <= limit
            assert not page.incomplete
            calls += page.calls
            cursor = page.cursor
            if cursor is None:
                return calls
            self.leave(share)
        raise AssertionError("no end")


@pytest.fixture
def archived(archiving: Settings) -> Settings:
    return archiving.model_copy(update={"accounts": {"second": NO_LIMITS}})


def test_no_call_comes_twice_or_is_missing_while_calls_leave_redis(archived: Settings) -> None:
    with CallQueue(settings=archived) as queue:
        assert archived.archive_url is not None
        moving = Moving(queue, archived.archive_url.get_secret_value(), seed=1)
        filters = [
            CallFilter(),
            CallFilter(reference="order-3"),
            CallFilter(account="second"),
            CallFilter(part=PHONES[2][-6:]),
            CallFilter(part="ORDER"),
            *(CallFilter(phone=phone) for phone in PHONES),
            *(CallFilter(state=state) for state in (State.COMPLETED, State.REJECTED, State.QUEUED)),
            *(CallFilter(disposition=disposition) for disposition in Disposition),
            CallFilter(state="rejected", reason="http_400"),
        ]
        before = {wanted: moving.pages(wanted, 100, 0) for wanted in filters}
        assert {record.id for record in before[filters[0]]} == set(moving.records)
        assert any(before[wanted] for wanted in filters[5:])
        for wanted, calls in before.items():
            for limit in (3, 25):
                again = moving.pages(wanted, limit, 0.03)
                assert [record.id for record in again] == [record.id for record in calls]
                assert again == calls
        moving.leave(1)
        for wanted, calls in before.items():
            assert moving.pages(wanted, 7, 0) == calls
        some = before[filters[0]]
        assert all(queue.get(record.id) == record and queue.get(record.extid) == record for record in some)
        with pytest.raises(NotFound):
            queue.get(moving.ended[0].id, viewer=Caller("tenant", tenant=True))
        moving.engine.dispose()
        with pytest.raises(InvalidCall):
            queue.calls(cursor="mi0_1_z_0-0.0x")


def test_without_the_archives_database_live_calls_are_listed_and_the_page_says_that_it_lacks_some(
    settings: Settings, tmp_path: Path
) -> None:
    away = settings.model_validate({**dict(settings), "archive_url": f"sqlite:///{tmp_path}/none/archive.db"})
    with CallQueue(settings=away) as queue:
        ids = {queue.enqueue({"callfrom": "712037006", "callto": ["994412860"]}).id for _ in range(3)}
        page = queue.calls(limit=2)
        rest = queue.calls(cursor=page.cursor, limit=2)
        assert page.incomplete
        assert {record.id for record in page.calls + rest.calls} == ids
        assert rest.cursor is None
        with pytest.raises(ArchiveUnavailable):
            queue.get("123456789012345")
