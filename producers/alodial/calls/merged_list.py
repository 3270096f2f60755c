"""Live and archived calls as one list with one cursor.

Both sources are sorted alike: by section (a number's recipients before its initiators, a campaign's labels), then newest
first, then by id. A page takes what comes next in that order from both, and its cursor holds the rank of the last call: a call
that moves from Redis into the archive meanwhile keeps its rank, so that it comes once. Redis is read first: what leaves it
before the archive is read was archived before. A live copy wins over an archived one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from alodial_schemas import ENDS, extid_of

from ..errors import ArchiveUnavailable, ArchiveUnfit, ConfigurationError
from ..settings import Settings
from ..store.call_filter import CallFilter, Hash
from ..store.call_indexes import BadCursor, labels_of
from ..store.call_listing import PAGE_SCAN, PART_SCAN, Count, Page, Walk, by_end, count, moment_of, page, walk
from ..store.call_rank import FUTURE, Rank, RankedCall, Section
from ..store.caller import Caller
from ..store.client import Store
from ..store.find_call import find, read_hashes
from ..store.records import CallRecord, read_record

if TYPE_CHECKING:
    from ..archive.report_query import Report, ReportQuery

_CURSOR: Final = re.compile(r"m([a-z])([0-9]{1,3})_([0-9]{1,18})_([0-9a-f-]{36}|z)_(end|[0-9.-]{0,60})")

_CHUNK: Final = 300
"""Live records of a further read: more than a script makes in one moment."""


class Reports(Protocol):
    """Makes reports."""

    def make(self, query: "ReportQuery") -> "Report":
        """The report. Blocks for some seconds at most. Raises ArchiveUnavailable."""


class Archive(Protocol):
    """Reads archived calls. Every method blocks for some seconds at most, and raises ArchiveUnavailable."""

    @property
    def reports(self) -> Reports:
        """Makes reports from the counts."""

    def page(
        self, filter: CallFilter, after: Rank, limit: int, section: Section
    ) -> tuple[list[RankedCall], Rank | None]:
        """The next rows of a section, and the rank down to which the rows are complete, None for the section's end."""

    def find(self, name: str, viewer: Caller) -> tuple[str, Hash] | None:
        """The extid and fields of the call with this id, or this extid of any attempt, that the viewer may see."""

    def count(self, filter: CallFilter, limit: int) -> int:
        """How many calls match; counts no further than one beyond ``limit``."""

    def events(self, call_id: str) -> list[str]:
        """The events of the call with this id as CloudEvents JSON, the oldest first."""

    def named(self, wire_extids: Sequence[str], filter: CallFilter) -> list[RankedCall]:
        """The calls that Redis kept under these extids."""


@dataclass(slots=True)
class _Live:
    """What was read of the live list: ``rows`` in its order, the place after them, and the least moment that is complete."""

    rows: list[tuple[Rank, str, str, Hash]]
    place: str
    over: bool
    floor: Rank | None

    def close(self) -> None:
        """Closes the connections."""


def open_archive(settings: Settings) -> Archive | None:
    """Reads the archive that the settings name; None where they name none. Connects at the first use."""
    if settings.archive_url is None:
        return None
    try:
        from ..archive.reader import CallReader  # noqa: PLC0415  # SQLAlchemy is loaded only where there is an archive
    except ImportError as exc:
        raise ConfigurationError(f"the archive needs {exc.name}; pip install 'alodial[archive]'") from None
    return CallReader.of(settings.archive_url.get_secret_value(), settings.namespace)


class ArchiveUser:
    """A queue that reads the archive of its ``settings``."""

    settings: Settings

    @cached_property
    def archive(self) -> Archive | None:
        """Reads archived calls; None without ALODIAL_ARCHIVE_URL."""
        return open_archive(self.settings)

    def close_archive(self) -> None:
        """Closes its connections, if there are any."""
        if (archive := self.__dict__.get("archive")) is not None:
            archive.close()


def is_live_only(filter: CallFilter) -> bool:
    """Whether no archived call can match: only ended calls are archived."""
    return bool(filter.state) and filter.state not in ENDS


def list_page(store: Store, archive: Archive | None, filter: CallFilter, cursor: str | None, limit: int) -> Page:
    """A page of all calls that match; of live ones where there is no archive. Raises BadCursor."""
    filter = filter.in_zone(store.settings.timezone)
    if archive is None or is_live_only(filter):
        return store.call(page, filter, cursor, limit)
    if filter.calls:
        return _named_page(store, archive, filter, cursor, limit)
    return merged_page(store, archive, filter, cursor, limit)


def merged_page(store: Store, archive: Archive, filter: CallFilter, cursor: str | None, limit: int) -> Page:
    """A page of live and archived calls. While the archive is away, a page of live calls that says so.

    Raises BadCursor, and ArchiveUnfit for the archive of another namespace.
    """
    kind, after, place, over = _read_cursor(cursor)
    kind, live = _read_live(store, filter, kind, after, place, limit, over=over)
    sections = _sections(filter, kind)
    if after.section >= len(sections):
        raise BadCursor
    calls: list[tuple[Rank, CallRecord]] = []
    away, done = False, False
    while len(calls) < limit and not done:
        archived: list[RankedCall] = []
        floor: Rank | None = None
        if not away:
            try:
                archived, floor = archive.page(filter, after, limit - len(calls), sections[after.section])
                archived = _not_live(store, filter, kind, archived, live)
            except ArchiveUnfit:
                raise
            except ArchiveUnavailable:
                away = True
        floors = [rank for rank in (floor, live.floor) if rank is not None and rank.section == after.section]
        cut = max(floors, key=lambda rank: rank.key, default=None)
        for rank, record in _merged(live, archived, after, cut):
            if len(calls) == limit:
                break
            calls.append((rank, record))
        if len(calls) == limit:
            after = calls[-1][0]
        elif cut is not None:
            after, done = min(after, cut, key=lambda rank: rank.key), True
        elif after.section + 1 < len(sections):
            after = Rank(after.section + 1)
        else:
            return Page([record for _, record in calls], None, incomplete=away)
    return Page([record for _, record in calls], _cursor_after(kind, after, live, place), incomplete=away)


def count_calls(store: Store, archive: Archive | None, filter: CallFilter, limit: int) -> Count:
    """How many live or archived calls match, counted up to ``limit``: those that ended are in the archive within a second.

    While the archive is away, those in Redis, with ``more``. Raises ArchiveUnfit.
    """
    filter = filter.in_zone(store.settings.timezone)
    if archive is not None and filter.calls:
        return Count(len(list_page(store, archive, filter, None, limit).calls), more=False)
    live = store.call(count, filter, limit)
    if archive is None or is_live_only(filter):
        return live
    try:
        archived = archive.count(filter, limit)
    except ArchiveUnfit:
        raise
    except ArchiveUnavailable:
        return replace(live, more=True)
    number = min(limit, max(live.number, archived))
    return Count(number, live.more or max(live.number, archived) > limit)


def find_call(store: Store, archive: Archive | None, name: str, viewer: Caller) -> CallRecord | None:
    """The live or archived call of this name. Raises ArchiveUnavailable when it is not live and the archive is away."""
    record = store.call(find, name, viewer)
    if record is not None or archive is None or not (extid_of(name) or (name.isascii() and name.isdigit())):
        return record
    archived = archive.find(name, viewer)
    return read_record(*archived) if archived else None


def _read_cursor(cursor: str | None) -> tuple[str, Rank, str, bool]:
    if not cursor:
        return "", Rank(), "", False
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadCursor
    kind, section, moment, id, place = match.groups()
    return kind, Rank(int(section), int(moment), id), "" if place == "end" else place, place == "end"


def _cursor_after(kind: str, after: Rank, live: _Live, start: str) -> str:
    place = start
    for rank, at, *_ in live.rows:
        if rank.key < after.key:
            break
        place = at
    else:
        place = "end" if live.over else live.place
    return f"m{kind}{after.section}_{after.moment}_{after.id}_{place}"


def _sections(filter: CallFilter, kind: str) -> list[Section]:
    if kind == "p":
        return [Section(0, initiator=False), Section(1, initiator=True)]
    ended = by_end(filter, kind)
    if kind == "g" and ended:
        labels = enumerate(labels_of(filter.state, filter.disposition))
        return [Section(number, ended, label) for number, label in labels]
    return [Section(0, ended)]


def _section(filter: CallFilter, kind: str, place: str) -> int:
    """The section of a place in the live lists, which begins with the number of the list."""
    if kind == "p":
        return int(place.partition(".")[0]) // 2
    return int(place.partition(".")[0]) if kind == "g" and by_end(filter, kind) else 0


def _lowest(filter: CallFilter, walked: Walk) -> Rank | None:
    """The rank down to which a walk is complete; None where it went to the end."""
    if not walked.place:
        return None
    if walked.kind in "ioe":
        # Later entries of a stream are older; those of the same ms may be still to come.
        return Rank(0, int(walked.place.partition("-")[0]))
    section = _section(filter, walked.kind, walked.place)
    return Rank(section, FUTURE if walked.lowest is None else walked.lowest)


def _read_live(
    store: Store, filter: CallFilter, kind: str, after: Rank, place: str, limit: int, *, over: bool
) -> tuple[str, _Live]:
    """The live calls that come after a rank: enough for a page, with all of the last one's moment."""
    live = _Live([], place, over, None)
    if over:
        return kind, live
    scan, size = (PART_SCAN if filter.part else PAGE_SCAN), limit + 1
    while True:
        walked = store.run_steps(walk, filter, kind, live.place, size, scan, dated=True)
        kind = walked.kind
        ended = by_end(filter, kind)
        for x, at, raw in walked.matches:
            rank = Rank(_section(filter, kind, at), moment_of(raw, ended=ended), raw[b"id"].decode())
            if rank.key < after.key:
                live.rows.append((rank, at, x, raw))
        live.place, live.over, live.floor = walked.place, not walked.place, _lowest(filter, walked)
        if live.floor is None:
            break
        above = sum(1 for row in live.rows if row[0].key > live.floor.key)
        used_up = len(walked.matches) < size
        if above >= limit or (used_up and (above or not live.rows)):
            break
        size = _CHUNK
    return kind, live


def _not_live(store: Store, filter: CallFilter, kind: str, archived: list[RankedCall], live: _Live) -> list[RankedCall]:
    """Archived calls of which Redis has no copy, or the very copy of this rank, which replaces it.

    A live copy that changed since stands elsewhere in the live list, or no longer matches.
    """
    listed = {rank.id for rank, *_ in live.rows}
    left = [call for call in archived if call.rank.id not in listed]
    if not left:
        return left
    raws: Sequence[Hash] = store.run_steps(read_hashes, [call.wire_extid for call in left])
    kept: list[RankedCall] = []
    for call, raw in zip(left, raws, strict=True):
        if raw.get(b"id", b"").decode() != call.rank.id:
            kept.append(call)
        elif filter.matches(raw) and moment_of(raw, ended=by_end(filter, kind)) == call.rank.moment:
            kept.append(replace(call, raw=raw))
    return kept


def _merged(live: _Live, archived: list[RankedCall], after: Rank, cut: Rank | None) -> list[tuple[Rank, CallRecord]]:
    """What comes after a rank in its section, from both sources, down to the rank at which either is incomplete."""
    rows = [(rank, x, raw) for rank, _, x, raw in live.rows]
    rows += [(call.rank, call.wire_extid, call.raw) for call in archived]
    rows = [row for row in rows if row[0].section == after.section and row[0].key < after.key]
    rows = [row for row in rows if cut is None or row[0].key >= cut.key]
    rows.sort(key=lambda row: row[0].key, reverse=True)
    merged: list[tuple[Rank, CallRecord]] = []
    for rank, x, raw in rows:
        record = read_record(x, raw)
        if record is not None and not (merged and merged[-1][0] == rank):
            merged.append((rank, record))
    return merged


def _named_page(store: Store, archive: Archive, filter: CallFilter, cursor: str | None, limit: int) -> Page:
    """Calls that somebody ticked, at most a page of them: those that left Redis come from the archive."""
    live = store.call(page, filter, cursor, limit)
    if cursor or live.cursor:
        return live
    there = {record.wire_extid for record in live.calls}
    try:
        rows = archive.named([name for name in filter.calls if name not in there], filter)
    except ArchiveUnfit:
        raise
    except ArchiveUnavailable:
        return replace(live, incomplete=True)
    records = {call.wire_extid: read_record(call.wire_extid, call.raw) for call in rows}
    records |= {record.wire_extid: record for record in live.calls}
    return Page([record for name in filter.calls if (record := records.get(name))], None)
