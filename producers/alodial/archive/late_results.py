"""Puts archived calls back into the store for results that came after their records had left it: its own rules apply these."""

import json
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, select

from ..store import archiving, inbox
from ..store.client import Store
from .engine import reading, writing
from .rows import unpacked_record
from .schema import ATTEMPTS, CALLS

log = structlog.get_logger("alodial.archive")

LIMIT: Final = 500
"""Results looked at in one round: as many as the sweeper applies again in one."""


def restore_calls(store: Store, engine: Engine) -> int:
    """Puts records back for which results without a call wait; returns how many of these calls have a record now.

    Calls that ended longer ago than ``ALODIAL_CALL_RETENTION``, were masked or never POSTed stay in the archive alone.
    Raises StoreUnavailable and ArchiveUnavailable; may be repeated.
    """
    extids = _extids(store)
    if not extids:
        return 0
    since = store.server_ms() - int(store.settings.call_retention * 1000)
    with reading(engine) as connection:
        if not _records(connection, extids, since):
            return 0
    with writing(engine) as connection:  # an erasure comes before or after, and deletes what is restored by then
        records = [unpacked_record(record) for record in _records(connection, extids, since)]
        restored = store.run(archiving.restore(records, store.settings.live_life))
    if any(restored):
        log.info("archive.records_restored", calls=sum(restored))
    return sum(restored)


def _extids(store: Store) -> list[str]:
    extids: dict[str, None] = {}
    for member, _ in store.call(inbox.orphans, LIMIT):
        try:
            extids[str(json.loads(member)["extid"])] = None
        except (ValueError, TypeError, LookupError):
            continue  # the sweeper makes it a dead letter
    return list(extids)


def _records(connection: Connection, extids: Sequence[str], since: int) -> list[bytes]:
    """The packed records of POSTed calls that ended after ``since``, Unix ms, by the extid of any attempt."""
    recent = select(CALLS.c.record).where(CALLS.c.ended_at > since, CALLS.c.masked == 0, CALLS.c.attempts > 0)
    redials = select(ATTEMPTS.c.day, ATTEMPTS.c.call_id).where(ATTEMPTS.c.extid.in_(extids), ATTEMPTS.c.attempt > 1)
    redialed = connection.execute(redials).all()
    records = list(connection.execute(recent.where(CALLS.c.wire_extid.in_(extids))).scalars())
    if redialed:
        # Days and ids apart: PostgreSQL looks into the partitions of these days alone.
        days, ids = {row.day for row in redialed}, {row.call_id for row in redialed}
        records += connection.execute(recent.where(CALLS.c.day.in_(days), CALLS.c.call_id.in_(ids))).scalars()
    return records
