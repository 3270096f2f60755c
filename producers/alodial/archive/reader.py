"""Reads archived calls: the archive's half of the lists of calls, and of the look-up of one call."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    union,
)
from sqlalchemy.dialects.postgresql import array

from alodial_schemas import State, extid_of

from ..store.call_facts import NO_VALUE
from ..store.call_filter import CallFilter, Hash, digits_of, recipients
from ..store.call_rank import FUTURE, Rank, RankedCall, Section
from ..store.find_call import Viewer
from .call_events import events_of
from .local_hours import in_local_time
from .read_connection import ReadConnections
from .reports import ReportReader
from .rows import unpacked_record
from .schema import ATTEMPTS, CALLS

MAX_READ: Final = 2000
"""Rows looked at for one page."""

WINDOWS: Final = (2, 30, 366)
"""Days before the page's first call that are looked through, one span after the other, before all of them are."""

_DAY: Final = timedelta(days=1)
_COLUMNS: Final = (CALLS.c.call_id, CALLS.c.created_at, CALLS.c.ended_at, CALLS.c.wire_extid, CALLS.c.record)
_SEARCH: Final = table("calls_search", column("rowid"), column("search"))
_PHONES: Final = table("calls_phones", column("number"), column("phone"))
"""SQLite's indexes of parts and of recipients."""
_NUMBER: Final[ColumnElement[int]] = literal_column("calls.number")


class CallReader:
    """Reads the archive's calls. Its methods block for some seconds at most, and raise ArchiveUnavailable."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections
        self.reports = ReportReader(connections)

    @classmethod
    def of(cls, url: str, namespace: str) -> Self:
        """A reader of the archive of a namespace at this URL of SQLAlchemy."""
        return cls(ReadConnections(url, namespace))

    def close(self) -> None:
        """Closes the connections."""
        self._connections.close()

    def page(
        self, filter: CallFilter, after: Rank, limit: int, section: Section
    ) -> tuple[list[RankedCall], Rank | None]:
        """The next rows of a section, and the rank down to which the rows are complete, None for the section's end."""
        rows: list[RankedCall] = []
        looked = 0
        with self._connections.open() as connection:
            lite = connection.dialect.name == "sqlite"
            conditions = _conditions(filter, section, lite=lite)
            least = _oldest_day(filter, connection)
            windows: Sequence[int] = WINDOWS
            if section.ended or (lite and filter.phone):
                windows = ()
            elif lite and filter.part:
                windows = WINDOWS[:1]
            spans = _spans(after, filter, least, windows)
            for first_day, last_day in spans:
                days = _within(connection, first_day, last_day)
                # SQLite's index names calls of all days: worth it once, where the newest do not fill the page.
                parts = _parts(filter, lite=lite, indexed=(first_day, last_day) == spans[-1])
                while looked < MAX_READ:
                    size = min(MAX_READ - looked, max(limit - len(rows), 1))
                    query = _newest(after, size, section).where(*conditions, *parts, *days)
                    found = connection.execute(query).all()
                    looked += len(found)
                    for row in found:
                        moment = row.ended_at if section.ended else row.created_at
                        after = Rank(section.number, moment, row.call_id)
                        _, raw = unpacked_record(row.record)
                        if filter.matches_fields(raw) and _in_role(filter, section, raw):
                            rows.append(RankedCall(after, row.wire_extid, raw))
                    if len(rows) >= limit:
                        return rows, after
                    if len(found) < size:
                        break
                else:
                    return rows, after
        return rows, None

    def find(self, name: str, viewer: Viewer) -> tuple[str, Hash] | None:
        """The extid and fields of the call with this id, or this extid of any attempt, that the viewer may see."""
        calls = select(*_COLUMNS, CALLS.c.owner).order_by(CALLS.c.created_at.desc()).limit(20)
        if viewer.exclusive:
            calls = calls.where(CALLS.c.owner == viewer.owner)
        with self._connections.open() as connection:
            for rows in _rows_named(connection, calls, name):
                for row in sorted(rows, key=lambda row: bool(row.owner != viewer.owner)):
                    return unpacked_record(row.record)
        return None

    def count(self, filter: CallFilter, limit: int) -> int:
        """How many calls match; counts no further than one beyond ``limit``."""
        with self._connections.open() as connection:
            lite = connection.dialect.name == "sqlite"
            conditions = [*_conditions(filter, Section(), lite=lite), *_parts(filter, lite=lite, indexed=True)]
            some = select(CALLS.c.call_id).where(*conditions).limit(limit + 1)
            return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())

    def events(self, call_id: str) -> list[str]:
        """The events of the call with this id as CloudEvents JSON, the oldest first."""
        with self._connections.open() as connection:
            return events_of(connection, call_id)

    def named(self, wire_extids: Sequence[str], filter: CallFilter) -> list[RankedCall]:
        """The calls that Redis kept under these extids, and that match."""
        if not wire_extids:
            return []
        reported = reported_conditions(filter)
        query = select(*_COLUMNS).where(CALLS.c.wire_extid.in_(wire_extids), *reported).limit(len(wire_extids))
        with self._connections.open() as connection:
            rows = connection.execute(query).all()
        calls = [RankedCall(Rank(0, row.created_at, row.call_id), *unpacked_record(row.record)) for row in rows]
        return [call for call in calls if filter.matches_fields(call.raw)]


def _oldest_day(filter: CallFilter, connection: Connection) -> date | None:
    """The day of creation before which no call matches; None where a call may be of any."""
    if not filter.by_first_post or filter.since is None:
        return None if filter.created_since is None else _day(filter.created_since)
    # A call may have waited for its time as long as its caller wanted.
    sent = ATTEMPTS.c.submitted_at
    days = select(func.min(ATTEMPTS.c.day)).where(sent >= filter.since)
    first = connection.execute(days.where(sent < filter.until) if filter.until is not None else days).scalar()
    return first or _day(filter.since)


def _rows_named(connection: Connection, calls: "Select[Any]", name: str) -> Iterator[list[Row[Any]]]:
    """Calls with this id, or this extid of a first and then of a later attempt; the likelier first."""
    if extid_of(name):
        at = datetime.fromtimestamp(int(name[:8] + name[9:13], 16) / 1000, UTC).date()
        named = calls.where(CALLS.c.call_id == name)
        yield list(connection.execute(named.where(CALLS.c.day.between(at - _DAY, at + _DAY))))
        yield list(connection.execute(named))
        return
    # Two queries: with "or" PostgreSQL reads calls in the order of their creation instead of these indexes.
    own = calls.where(CALLS.c.extid == name, CALLS.c.extid != CALLS.c.wire_extid)
    yield [row for query in (calls.where(CALLS.c.wire_extid == name), own) for row in connection.execute(query)]
    redials = select(ATTEMPTS.c.day, ATTEMPTS.c.call_id).where(ATTEMPTS.c.extid == name, ATTEMPTS.c.attempt > 1)
    found = connection.execute(redials.limit(20)).all()
    if found:
        # With their days, so that PostgreSQL looks into these partitions alone.
        days, ids = {row.day for row in found}, {row.call_id for row in found}
        yield list(connection.execute(calls.where(CALLS.c.day.in_(days), CALLS.c.call_id.in_(ids))))


def _spans(
    after: Rank, filter: CallFilter, least: date | None, windows: Sequence[int]
) -> list[tuple[date | None, date | None]]:
    """The first and last day of each span to look through, both included; None is open. The days are of the creation.

    Calls that are listed by their creation come from the newest days first, so that a page reads few partitions.
    """
    last = None if after.moment >= FUTURE or not windows else _day(after.moment)
    if filter.until is not None:
        last = min(last or date.max, _day(filter.until))
    upper, newest = last, last or datetime.now(UTC).date()
    spans: list[tuple[date | None, date | None]] = []
    for days in windows:
        first = newest - timedelta(days=days)
        if least is not None and first <= least:
            break
        spans.append((first, upper))
        upper = first - _DAY
    return [*spans, (least, upper)]


def _within(connection: Connection, first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """Conditions for creation on these days: of the column that partitions go by; SQLite would sort all of theirs."""
    if connection.dialect.name == "postgresql":
        return ([CALLS.c.day >= first] if first else []) + ([CALLS.c.day <= last] if last else [])
    moments = [_first_ms(day) if day else None for day in (first, last + _DAY if last and last < date.max else None)]
    return ([CALLS.c.created_at >= moments[0]] if first else []) + (
        [CALLS.c.created_at < moments[1]] if moments[1] else []
    )


def _first_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _day(ms: int) -> date:
    return datetime.fromtimestamp(min(ms, 10**14) / 1000, UTC).date()


def _newest(after: Rank, size: int, section: Section) -> "Select[Any]":
    moment = CALLS.c.ended_at if section.ended else CALLS.c.created_at
    later = and_(moment <= after.moment, or_(moment < after.moment, CALLS.c.call_id < after.id))
    return select(*_COLUMNS).where(later).order_by(moment.desc(), CALLS.c.call_id.desc()).limit(size)


def _conditions(filter: CallFilter, section: Section, *, lite: bool) -> list[ColumnElement[bool]]:
    """What SQL can tell of a filter; the records that come are held against the filter again."""
    columns = {
        "state": filter.state,
        "campaign_id": "" if filter.campaign == NO_VALUE else filter.campaign,
        "reference": filter.reference,
        "disposition": filter.disposition,
        "owner": filter.owner,
        "account": filter.account,
        "reason": filter.reason,
    }
    conditions = [CALLS.c[name] == value for name, value in columns.items() if value]
    if filter.state == State.COMPLETED and not filter.disposition and lite:
        # Nearly all calls: SQLite would take them by their state, and sort them.
        conditions[0] = literal_column("+calls.state") == filter.state
    # As their indexes say, which hold nothing else; SQLite does not conclude it.
    conditions += [CALLS.c[name] != "" for name in ("campaign_id", "reference", "owner") if columns[name]]
    if section.label:
        state, _, disposition = section.label.partition(":")
        conditions += [CALLS.c.state == state] + ([CALLS.c.disposition == disposition] if disposition else [])
    conditions += reported_conditions(filter)
    if filter.created_since is not None:
        conditions.append(CALLS.c.created_at >= filter.created_since)
    if filter.until is not None:
        conditions.append(CALLS.c.created_at < filter.until)
    if filter.phone:
        roles = {True: CALLS.c.initiator == filter.phone, False: _called(filter.phone, lite=lite)}
        conditions.append(or_(*roles.values()) if section.initiator is None else roles[section.initiator])
    return conditions


def _called(phone: str, *, lite: bool) -> ColumnElement[bool]:
    """The condition that a number is among the recipients, as an index of single numbers has it."""
    if lite:
        return _NUMBER.in_(select(_PHONES.c.number).where(_PHONES.c.phone == phone))
    numbers: ColumnElement[Any] = literal_column("string_to_array(calls.recipients, ' ')")
    return numbers.bool_op("@>")(cast(array([phone]), ARRAY(Text)))


def reported_conditions(filter: CallFilter) -> list[ColumnElement[bool]]:
    """The conditions on what reports group by, which a masked record no longer tells."""
    columns = {
        CALLS.c.line: filter.line,
        CALLS.c.operator_code: filter.operator,
        CALLS.c.initiator: filter.initiator,
        CALLS.c.campaign_id: NO_VALUE if filter.campaign == NO_VALUE else "",
    }
    conditions = [column == ("" if value == NO_VALUE else value) for column, value in columns.items() if value]
    moment = ATTEMPTS.c.submitted_at if filter.by_first_post else CALLS.c.created_at
    local: list[ColumnElement[bool]] = []
    if filter.hour is not None or filter.weekday is not None:
        choice = (filter.timezone or "UTC", filter.hour, filter.weekday, filter.since, filter.until)
        local = [in_local_time(moment, *choice)]
    if not filter.by_first_post:
        return conditions + local
    same = (ATTEMPTS.c.day == CALLS.c.day, ATTEMPTS.c.call_id == CALLS.c.call_id, ATTEMPTS.c.attempt == 1)
    sent = select(ATTEMPTS.c.attempt).where(*same, moment.is_not(None))
    if filter.since is not None:
        sent = sent.where(moment >= filter.since)
    if filter.until is not None:
        sent = sent.where(moment < filter.until)
    return [*conditions, sent.where(*local).exists()]


def _parts(filter: CallFilter, *, lite: bool, indexed: bool) -> list[ColumnElement[bool]]:
    """The condition on the column of parts, through its trigram index where there is one."""
    parts = {part for part in (filter.part.casefold(), digits_of(filter.part)) if part}
    if not parts:
        return []
    if not (lite and indexed and all(len(part) >= 3 for part in parts)):
        return [or_(*(CALLS.c.search.contains(part, autoescape=True) for part in sorted(parts)))]
    # With an escape it would not use its index; a record that only a wildcard found is left out afterwards.
    patterns = [f"%{part.replace('%', '_')}%" for part in sorted(parts)]
    return [_NUMBER.in_(union(*(select(_SEARCH.c.rowid).where(_SEARCH.c.search.like(text)) for text in patterns)))]


def _in_role(filter: CallFilter, section: Section, raw: Hash) -> bool:
    return section.initiator is None or not filter.phone or (filter.phone in recipients(raw)) is not section.initiator
