"""A person is erased while the archiver is between reading Redis and its commit: nothing of them is archived after it."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from archive_harness import CALL, NoCampaigns, archive_all, complete, stored, submit
from sqlalchemy import Engine, select

from alodial import CallQueue
from alodial.archive.archiver import Archiver
from alodial.archive.engine import reading
from alodial.archive.packing import subject_of
from alodial.archive.rows import Row
from alodial.archive.schema import CAMPAIGNS, EVENTS, METADATA, ROWS
from alodial.calls.erasure import Eraser

PERSON, DIGITS = "+998901234567", "901234567"


class Erasure:
    """An erasure in a thread, as a command beside the archiver is one in a process."""

    def __init__(self, queue: CallQueue) -> None:
        self._thread = threading.Thread(target=Eraser(queue.store, PERSON, apply=True).run, args=("cli:test",))

    def begin(self) -> None:
        """Starts it, and lets it go as far as it can while the archiver stands still."""
        if self._thread.ident is None:
            self._thread.start()
            self._thread.join(1)

    def end(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def erasure(queue: CallQueue) -> Iterator[Erasure]:
    erasure = Erasure(queue)
    yield erasure
    erasure.end()


def text_of(engine: Engine) -> str:
    with reading(engine) as connection:
        rows = [row for table in METADATA.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(map(str, rows))


@pytest.mark.parametrize("moment", ["read", "written"])
def test_a_call_that_is_just_being_archived_is_erased(
    queue: CallQueue, engine: Engine, erasure: Erasure, moment: str
) -> None:
    archiver = Archiver(
        queue.store,
        engine,
        queue.settings,
        campaigns=NoCampaigns(),
        before_commit=erasure.begin if moment == "written" else lambda: None,
    )
    archiver.begin()
    read = archiver._batch

    def read_and_erase(entries: Any) -> Any:
        batch = read(entries)
        if moment == "read":
            erasure.begin()
        return batch

    archiver._batch = read_and_erase  # type: ignore[method-assign]  # what happens in between
    queue.enqueue(CALL | {"callto": [{"phone": PERSON}]}, extid="1017")
    kept = queue.enqueue(CALL)
    complete(queue, submit(queue))
    archive_all(archiver)
    erasure.end()
    assert DIGITS not in text_of(engine)
    assert set(stored(engine)) == {kept.id}
    with reading(engine) as connection:
        assert set(map(subject_of, connection.execute(select(EVENTS.c.subject)).scalars())) == {kept.id}


class EndedCampaign(NoCampaigns):
    """A campaign whose row called the person, who is erased once it was read."""

    def __init__(self, erasure: Erasure) -> None:
        self._erasure = erasure
        self._phone = PERSON

    def row(self, campaign: str) -> Row | None:
        row = {column.name: "" for column in CAMPAIGNS.columns}
        return row | {"campaign_id": campaign, "created_at": 1, "ended_at": 2, "record": "{}"}

    def is_over(self, campaign: str) -> bool:
        return True

    def rows(self, campaign: str) -> Iterator[Sequence[Row]]:
        row = {column.name: "" for column in ROWS.columns}
        row |= {"campaign_id": campaign, "row_number": 0, "file_row": 2}
        phone, self._phone = self._phone, ""
        self._erasure.begin()
        yield [row | {"phone": phone, "cells": json.dumps([phone])}]


def test_rows_of_a_campaign_that_were_read_before_an_erasure_are_not_archived(
    queue: CallQueue, engine: Engine, erasure: Erasure
) -> None:
    archiver = Archiver(queue.store, engine, queue.settings, campaigns=EndedCampaign(erasure))
    archiver.begin()
    event = {"type": "alodial.campaign.completed", "id": "c1-1", "time": "2026-11-26T00:00:00Z"}
    queue.store.redis.xadd(queue.store.keys.EVENTS, {"event": json.dumps(event | {"data": {"campaign_id": "c1"}})})
    archive_all(archiver)
    erasure.end()
    assert DIGITS not in text_of(engine)
    with reading(engine) as connection:
        assert len(connection.execute(select(ROWS)).all()) == 1, "it is read and written anew"
