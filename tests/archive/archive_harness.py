"""Calls that ended, an archiver over them, and what the archive holds."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, select

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import reading
from alodial.archive.rows import Row, record_of
from alodial.archive.schema import ATTEMPTS, CALLS, EVENTS
from alodial.store import call_transitions, redis_checks
from alodial.store.call_transitions import Applying, Arming, Settling
from monitor.call_stage import RESULT
from monitor.call_stage import TWO_WAY as CALL


class NoCampaigns:
    """A store without campaigns."""

    def row(self, campaign: str) -> Row | None:
        return None

    def is_over(self, campaign: str) -> bool:
        return False

    def rows(self, campaign: str) -> Iterator[Sequence[Row]]:
        yield from ()


def place(queue: CallQueue, count: int = 1, **options: Any) -> list[str]:
    """Places calls and returns their ids."""
    return [queue.enqueue(CALL, **options).id for _ in range(count)]


def submit(queue: CallQueue) -> list[str]:
    """Submits every ready call, as a worker does, and returns their extids."""
    store, settings = queue.store, queue.settings
    limits, epoch = settings.account("default"), redis_checks.epoch(store.redis, store.keys)
    extids: list[str] = []
    while calls := store.run(
        call_transitions.claim(settings, "default", limits, epoch=epoch, room=100, horizon=1, attend=0)
    ).calls:
        items = [Arming(call.record, call.token, call.slot) for call in calls]
        store.run(call_transitions.arm(settings, limits, items, epoch=epoch, worker="w"))
        answer = json.dumps({"outcome": "taken", "code": "", "ms": 12, "status": 200, "body": ""})
        settlings = [Settling(call.record, call.token, "taken", delay=0, answer=answer, code="") for call in calls]
        store.run(call_transitions.settle(settings, limits, settlings))
        extids += [call.extid for call in calls]
    return extids


def complete(queue: CallQueue, extids: Sequence[str], disposition: str = "answered") -> None:
    """Lets the results of submitted calls arrive."""
    for extid in extids:
        item = Applying(extid, json.dumps(RESULT), f"{hash((extid, disposition)) & 0xFFFFFF:032x}", disposition, 30)
        queue.store.run(call_transitions.apply_results([item]))


def completed(queue: CallQueue, count: int = 1, **options: Any) -> list[str]:
    """Places calls that are answered, and returns their ids."""
    ids = place(queue, count, **options)
    complete(queue, submit(queue))
    return ids


def archive_all(archiver: Archiver) -> int:
    """Steps until there is nothing left; returns how many calls were written."""
    written = 0
    while (step := archiver.step(wait=0.01)).more or step.events:
        written += step.calls
    return written


def stored(engine: Engine) -> dict[str, Any]:
    """The calls of the archive as CallRecords, by id."""
    with reading(engine) as connection:
        return {row.call_id: record_of(row.record) for row in connection.execute(select(CALLS))}


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of calls, attempts and events."""
    with reading(engine) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in (CALLS, ATTEMPTS, EVENTS)
        }
