"""Puts archived calls back into the store for results that came after their records had left it: its own rules apply these."""

import json
import time
from collections.abc import Sequence
from hashlib import blake2b
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

EVERY: Final = 1.0
"""Seconds between two rounds, as between two of the sweeper."""

AGAIN: Final = 60.0
"""Seconds after which the same results are looked at again: a failover may have lost what was put back."""


class LateResults:
    """Puts the records back for which results without a call wait."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._looked_at: set[bytes] = set()
        self._next = self._next_again = 0.0

    def restore(self) -> int:
        """One round, once a second at most; returns how many of the calls that it looked for have a record now.

        Calls that ended longer ago than ``ALODIAL_CALL_RETENTION``, were masked or never POSTed stay in the archive alone.
        Raises StoreUnavailable and ArchiveUnavailable; may be repeated.
        """
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + EVERY
        if now >= self._next_again:
            self._next_again = now + AGAIN
            self._looked_at.clear()
        waiting = _waiting(self._store)
        # By result and not by call: the next one of a call whose record left Redis again since waits for it as the first did.
        restored = self._restore(sorted({extid for result, extid in waiting.items() if result not in self._looked_at}))
        self._looked_at = set(waiting)
        return restored

    def _restore(self, extids: Sequence[str]) -> int:
        if not extids:
            return 0
        since = self._store.server_ms() - int(self._store.settings.call_retention * 1000)
        with reading(self._engine) as connection:
            if not _records(connection, extids, since):
                return 0
        # In a transaction of the writer: an erasure comes before it, or after it and deletes what was restored.
        with writing(self._engine) as connection:
            records = [unpacked_record(record) for record in _records(connection, extids, since)]
            restored = self._store.run(archiving.restore(records, self._store.settings.live_life))
        if any(restored):
            log.info("archive.records_restored", calls=sum(restored))
        return sum(restored)


def _waiting(store: Store) -> dict[bytes, str]:
    """The extids of results without a call, by a digest of each result."""
    waiting: dict[bytes, str] = {}
    for member, _ in store.call(inbox.orphans, LIMIT):
        try:
            waiting[blake2b(member, digest_size=8).digest()] = str(json.loads(member)["extid"])
        except (ValueError, TypeError, LookupError):
            continue  # the sweeper makes it a dead letter
    return waiting


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
