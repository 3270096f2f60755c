"""Moves what has ended from the store into the archive, batch by batch, each of them once.

A batch is committed with its position and its counts in one transaction, then acknowledged, then its records may leave Redis.
Killed anywhere, the next archiver begins with what was not acknowledged.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import structlog
from redis.exceptions import ResponseError
from sqlalchemy import Connection, Engine

from alodial_schemas import extid_of

from ..errors import ArchiveUnfit, ConfigurationError
from ..settings import Settings
from ..store import archiving, erasure
from ..store.archiving import ArchiveState, EndedCall
from ..store.client import Store
from ..store.events import StreamEvent
from .address import masked_url
from .engine import reading, writing
from .late_results import LateResults
from .namespace import OWNER, check_owner, owner_of
from .rows import ENDED_EVENTS, ArchivedCall, ArchivedEvent, Row, archived_call, archived_event
from .write import (
    Count,
    read_position,
    total_calls,
    write_audit,
    write_calls,
    write_campaign_rows,
    write_campaigns,
    write_events,
    write_position,
)

log = structlog.get_logger("alodial.archive")

BATCH: Final = 3000
"""Events of one transaction, when so many wait."""

WAIT: Final = 1.0
"""Seconds that a read waits for an event, below the socket's own timeout."""

AUDIT_BATCH: Final = 1000
STATE_EVERY: Final = 2.0
"""Seconds between two notes of how far the archive is, at most."""

THROUGH: Final = "through:"
"""Before the number of lost events at which the list of all calls was looked through last."""


class CampaignSource(Protocol):
    """Reads campaigns for the archive; the rooms of campaigns lie above this one."""

    def row(self, campaign: str) -> Row | None:
        """The row of a campaign; None for one that is gone."""
        ...

    def is_over(self, campaign: str) -> bool:
        """Whether a campaign that has a row has ended."""
        ...

    def rows(self, campaign: str) -> Iterator[Sequence[Row]]:
        """Its rows with their outcomes, some hundreds at a time."""
        ...


@dataclass(slots=True)
class ArchiveBatch:
    """What one transaction writes. ``positions`` are acknowledged after it."""

    events: list[ArchivedEvent] = field(default_factory=list)
    calls: list[ArchivedCall] = field(default_factory=list)
    campaigns: list[Row] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)


class _ErasedMeanwhile(Exception):
    """Somebody was erased since the step began: what it has read may still hold the number."""


class ArchiveStep(NamedTuple):
    """What one step did: events and calls written, and whether there may be more at once."""

    events: int
    calls: int
    more: bool


class Archiver:
    """Archives one store into one database. Only one process works at a time; ``count`` is what the counts need."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        settings: Settings,
        *,
        campaigns: CampaignSource,
        count: Count | None = None,
        batch: int = BATCH,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._settings = settings
        self._campaigns = campaigns
        self._count = count
        self._size = batch
        self._before_commit = before_commit
        self._late_results = LateResults(store, engine)
        self._pending = True
        self._erasures = 0
        self._total = 0
        self._noted_at = 0.0

    def begin(self) -> None:
        """Takes up what another archiver left. Raises StoreUnavailable and ArchiveUnavailable, and ConfigurationError for the
        archive of another namespace: its positions would be taken for ours, and calls be left out."""
        self._pending = True
        self._store.call(archiving.create_group)
        namespace = self._store.keys.namespace
        with writing(self._engine) as connection:
            try:
                check_owner(connection, namespace)
            except ArchiveUnfit as exc:
                raise ConfigurationError(str(exc)) from None  # it ends the process
            if not owner_of(connection):
                write_position(connection, OWNER, namespace)
            self._total = total_calls(connection)

    def step(self, wait: float = WAIT) -> ArchiveStep:
        """Archives the next events, waiting up to ``wait`` seconds for the first; then a part of what events do not tell.

        Raises StoreUnavailable and ArchiveUnavailable; then what was read comes again in the next step, as it does after an
        erasure meanwhile.
        """
        self._erasures = self._store.call(erasure.count)
        try:
            return self._step(wait)
        except _ErasedMeanwhile:
            self._pending = True
            return ArchiveStep(0, 0, True)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction for what this step has read of Redis. An erasure waits for it, or it is of no use after that erasure."""
        with writing(self._engine) as connection:
            if self._store.call(erasure.count) != self._erasures:
                raise _ErasedMeanwhile
            yield connection

    def _step(self, wait: float) -> ArchiveStep:
        read_at = self._store.server_ms()
        entries = self._read(wait)
        lag = 0.0
        written = 0
        if entries:
            self._pending, resume = True, self._pending
            batch = self._batch(entries)
            written = self._commit(batch, entries[-1].position)
            self._store.call(archiving.acknowledge, batch.positions)
            self._pending = resume
            self._let_go(batch.calls)
            lag = max(0.0, (read_at - int(entries[-1].position.partition("-")[0])) / 1000)
        elif self._pending:
            self._pending = False
            return ArchiveStep(0, 0, True)
        if len(entries) < self._size:
            lag = 0.0
        missed = self._catch_up()
        acts = self._archive_audit()
        self._late_results.restore()
        self._note(lag)
        return ArchiveStep(len(entries), written, len(entries) == self._size or missed or acts)

    def _read(self, wait: float) -> list[StreamEvent]:
        try:
            return self._store.call(archiving.read_events, self._size, wait, pending=self._pending)
        except ResponseError as exc:
            if not str(exc).startswith("NOGROUP"):
                raise
            # Redis was emptied, or somebody destroyed the group.
            self._store.call(archiving.create_group)
            log.warning("archive.group_made")
            return []

    def _batch(self, entries: Sequence[StreamEvent]) -> ArchiveBatch:
        batch = ArchiveBatch(positions=[entry.position for entry in entries])
        ended: dict[str, None] = {}
        campaigns: dict[str, None] = {}
        for entry in entries:
            event = archived_event(entry.position, entry.event)
            if event is None:
                if entry.event:
                    log.error("archive.event_unreadable", position=entry.position)
                continue
            batch.events.append(event)
            extid = extid_of(event.call_id)
            if event.type in ENDED_EVENTS and extid:
                ended[extid] = None
            elif not extid and event.campaign_id:
                campaigns[event.campaign_id] = None
        self._add_calls(batch, list(ended))
        self._add_campaigns(batch, list(campaigns))
        return batch

    def _add_calls(self, batch: ArchiveBatch, extids: Sequence[str]) -> None:
        """Reads records, and adds those that have ended."""
        if not extids:
            return
        gone = 0
        for extid, raw in zip(extids, self._store.call(archiving.raw_records, extids), strict=True):
            if b"id" not in raw:
                gone += 1
                continue
            try:
                call = archived_call(extid, raw)
            except (ValueError, LookupError) as exc:
                log.error("archive.record_unreadable", extid=extid, error=type(exc).__name__)
                continue
            if call is not None:
                batch.calls.append(call)
        if gone:
            log.info("archive.records_gone", calls=gone)

    def _add_campaigns(self, batch: ArchiveBatch, ids: Sequence[str]) -> None:
        for id in ids:
            row = self._campaigns.row(id)
            if row is None:
                continue
            batch.campaigns.append(row)
            if self._campaigns.is_over(id):
                for rows in self._campaigns.rows(id):
                    with self._writing() as connection:
                        write_campaign_rows(connection, rows)

    def _commit(self, batch: ArchiveBatch, position: str) -> int:
        with self._writing() as connection:
            write_events(connection, [event.row for event in batch.events])
            written = write_calls(connection, batch.calls, self._count)
            write_campaigns(connection, batch.campaigns)
            write_position(connection, "events", position)
            self._total = total_calls(connection)
            self._before_commit()
        return written

    def _let_go(self, calls: Sequence[ArchivedCall]) -> None:
        """Lets what was committed leave Redis sooner."""
        life = self._settings.live_life
        if not calls or life >= self._settings.call_retention:
            return
        ended = [EndedCall(row.call["wire_extid"], row.call["version"], row.call["ended_at"]) for row in calls]
        for start in range(0, len(ended), 200):
            self._store.run(archiving.shorten(ended[start : start + 200], life))

    def _catch_up(self) -> bool:
        """Archives a part of the calls that ended before there was an archive, or whose events were dropped unread.

        Looks through the list of all calls once, and once more whenever further events were lost. Returns whether it goes on.
        """
        lost = self._store.call(archiving.lost_events)
        with reading(self._engine) as connection:
            place = read_position(connection, "index")
        if place.startswith(THROUGH):
            if lost <= int(place.removeprefix(THROUGH)):
                return False
            log.warning("archive.events_lost", events=lost)
            place = ""
        extids, last = self._store.call(archiving.listed_calls, place, self._size)
        batch = ArchiveBatch()
        self._add_calls(batch, extids)
        through = len(extids) < self._size
        with self._writing() as connection:
            write_calls(connection, batch.calls, self._count)
            self._total = total_calls(connection)
            write_position(connection, "index", f"{THROUGH}{lost}" if through else last)
        self._let_go(batch.calls)
        return not through

    def _archive_audit(self) -> bool:
        more = False
        for own, source in ((False, "audit"), (True, "audit:own")):
            with reading(self._engine) as connection:
                last = read_position(connection, source)
            acts = self._store.call(archiving.audit_after, last, AUDIT_BATCH, own=own)
            if acts:
                rows = [_audit_row(id, entry, hash, own=own) for id, entry, hash in acts]
                with writing(self._engine) as connection:
                    write_audit(connection, rows)
                    write_position(connection, source, acts[-1][0])
            more = more or len(acts) == AUDIT_BATCH
        return more

    def _note(self, lag: float) -> None:
        if lag == 0 and time.monotonic() - self._noted_at < STATE_EVERY:
            return
        self._noted_at = time.monotonic()
        url = masked_url(str(self._settings.archive_url.get_secret_value())) if self._settings.archive_url else ""
        self._store.call(archiving.write_state, ArchiveState(lag, self._total, url), self._store.server_ms())


def _audit_row(id: str, entry: str, hash: str, *, own: bool) -> Row:
    return {"own": int(own), "stream_id": id, "at": int(id.partition("-")[0]), "entry": entry, "hash": hash}
