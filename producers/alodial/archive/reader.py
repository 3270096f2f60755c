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
    any_,
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
from ..store.caller import Caller
from .call_events import events_of
from .local_hours import in_local_time
from .read_connection import ReadConnections
from .reports import ReportReader
from .rows import unpacked_record
from .schema import ATTEMPTS, CALLS, DEFAULT_ACCOUNT

MAX_READ: Final = 2000
"""Rows looked at for one page."""

WINDOWS: Final = (2, 30, 366)
"""Days before the page's first call that are looked through, one span after the other, before all of them are."""

LEADS: Final = ("reference", "campaign_id", "initiator", "owner", "reason", "account", "line", "operator_code")
"""Columns with an index that goes on with the creation; what few calls have comes first."""

_NOT_INDEXED: Final = {
    **dict.fromkeys(("reference", "campaign_id", "owner", "reason"), ""),
    "account": DEFAULT_ACCOUNT,
    "state": State.COMPLETED.value,
}
"""The common value that the index of a column leaves out."""

_COMMON: Final = ("reason", "account", "line", "operator_code", "state", "disposition")
_REPORTED: Final = ("campaign_id", "initiator", "line", "operator_code")

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
            lead = _lead(filter, section)
            conditions = _conditions(filter, section, lite=lite, lead=lead)
            least = _oldest_day(filter, connection)
            windows: Sequence[int] = WINDOWS
            if section.ended or (lite and filter.phone):
                windows = ()
            elif lite and filter.part:
                windows = WINDOWS[:1]
            spans = _spans(after, filter, least, windows)
            for first_day, last_day in spans:
                days = _within(connection, first_day, last_day, lead)
                # SQLite's index names calls of all days: worth it once, where the newest do not fill the page.
                parts = _parts(filter, lite=lite, indexed=(first_day, last_day) == spans[-1])
                while looked < MAX_READ:
                    size = min(MAX_READ - looked, max(limit - len(rows), 1))
                    query = _newest(after, size, section, lead).where(*conditions, *parts, *days)
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

    def find(self, name: str, viewer: Caller) -> tuple[str, Hash] | None:
        """The extid and fields of the call with this id, or this extid of any attempt, that the viewer may see."""
        calls = select(*_COLUMNS, CALLS.c.owner).order_by(CALLS.c.created_at.desc()).limit(20)
        if viewer.tenant:
            calls = calls.where(CALLS.c.owner == viewer.owner)
        with self._connections.open() as connection:
            for rows in _rows_named(connection, calls, name):
                for row in sorted(rows, key=lambda row: bool(row.owner != viewer.extids_of)):
                    return unpacked_record(row.record)
        return None

    def count(self, filter: CallFilter, limit: int) -> int:
        """How many calls match; counts no further than one beyond ``limit``."""
        with self._connections.open() as connection:
            lite = connection.dialect.name == "sqlite"
            lead = _lead(filter, Section())
            conditions = [
                *_conditions(filter, Section(), lite=lite, lead=lead),
                *_parts(filter, lite=lite, indexed=True),
            ]
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
        with self._connections.open() as connection:
            # What a masked record no longer tells; the rest is held against the records.
            lite, values = connection.dialect.name == "sqlite", _values(filter)
            reported = [_is(name, values[name], lite=lite) for name in _REPORTED if name in values]
            named = CALLS.c.wire_extid.in_(wire_extids)
            query = select(*_COLUMNS).where(named, *reported, *_reported(filter)).limit(len(wire_extids))
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


def _within(connection: Connection, first: date | None, last: date | None, lead: str) -> list[ColumnElement[bool]]:
    """Conditions for creation on these days.

    PostgreSQL's partitions go by the day; an index of another column needs the time. Both at once where they do not help make
    it expect too few calls. SQLite would sort all calls of the days.
    """
    conditions = []
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        conditions += ([CALLS.c.day >= first] if first else []) + ([CALLS.c.day <= last] if last else [])
    if lead or not postgresql:
        conditions += [CALLS.c.created_at >= _first_ms(first)] if first else []
        conditions += [CALLS.c.created_at < _first_ms(last + _DAY)] if last and last < date.max else []
    return conditions


def _first_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _day(ms: int) -> date:
    return datetime.fromtimestamp(min(ms, 10**14) / 1000, UTC).date()


def _newest(after: Rank, size: int, section: Section, lead: str) -> "Select[Any]":
    moment = CALLS.c.ended_at if section.ended else CALLS.c.created_at
    later = and_(moment <= after.moment, or_(moment < after.moment, CALLS.c.call_id < after.id))
    order = (CALLS.c[lead].desc(),) if lead else ()
    return select(*_COLUMNS).where(later).order_by(*order, moment.desc(), CALLS.c.call_id.desc()).limit(size)


def _values(filter: CallFilter) -> dict[str, str]:
    """The columns that the filter names, with their values."""
    columns = {
        "reference": filter.reference,
        "campaign_id": filter.campaign,
        "initiator": filter.initiator,
        "owner": filter.owner,
        "reason": filter.reason,
        "account": filter.account,
        "line": filter.line,
        "operator_code": filter.operator,
        "state": filter.state,
        "disposition": filter.disposition,
    }
    absent = {name for name in _REPORTED if columns[name] == NO_VALUE}
    return {name: "" if name in absent else value for name, value in columns.items() if value}


def _lead(filter: CallFilter, section: Section) -> str:
    """The column by whose index the calls of a section are read in their order; "" where it is that of all calls."""
    values = _values(filter)
    if section.ended and filter.disposition and not values.get("campaign_id"):
        return "state"
    if section.ended:
        names: Sequence[str] = ("campaign_id", "state")
    elif filter.phone:
        return "initiator" if section.initiator else ""
    else:
        names = LEADS
    return next((name for name in names if values.get(name) and values[name] != _NOT_INDEXED.get(name, "")), "")


def _conditions(filter: CallFilter, section: Section, *, lite: bool, lead: str = "") -> list[ColumnElement[bool]]:
    """What SQL can tell of a filter; the records that come are held against the filter again."""
    values = _values(filter)
    if section.ended and filter.disposition:
        values.setdefault("state", State.COMPLETED)  # as live calls are listed by their end
    conditions = [_is(name, value, lite=lite, lead=lead) for name, value in values.items()]
    # As their indexes say, which hold nothing else; SQLite does not conclude it.
    partial = {"campaign_id", "reference", "owner", lead} & _NOT_INDEXED.keys()
    conditions += [
        CALLS.c[name] != _NOT_INDEXED[name]
        for name in sorted(partial)
        if values.get(name, "") not in ("", _NOT_INDEXED[name])
    ]
    if section.label:
        state, _, disposition = section.label.partition(":")
        conditions += [CALLS.c.state == state] + ([CALLS.c.disposition == disposition] if disposition else [])
    conditions += _reported(filter)
    if filter.created_since is not None:
        conditions.append(CALLS.c.created_at >= filter.created_since)
    if filter.until is not None:
        conditions.append(CALLS.c.created_at < filter.until)
    if filter.phone:
        initiated = _is("initiator", filter.phone, lite=lite, lead=lead)
        roles = {True: initiated, False: _called(filter.phone, lite=lite)}
        conditions.append(or_(*roles.values()) if section.initiator is None else roles[section.initiator])
    return conditions


def _is(name: str, value: str, *, lite: bool, lead: str = "") -> ColumnElement[bool]:
    """The condition that a column has this value.

    PostgreSQL assumes that the calls with a value lie evenly among all others, and would go back through a month of calls by
    time until it meets those of an old campaign. Ordered by that column first, the list can only use the column's own index;
    but PostgreSQL drops from the order what equals a constant, hence ``= ANY`` of a single value. SQLite takes the index of
    any column that is named, however common the value; a plus before the name prevents it.
    """
    if lite:
        weak = name in _COMMON and lead not in {name, "state"}
        return (literal_column(f"+calls.{name}") if weak else CALLS.c[name]) == value
    if name == lead:
        return CALLS.c[name] == any_(cast(array([value]), ARRAY(Text)))
    return CALLS.c[name] == value


def _called(phone: str, *, lite: bool) -> ColumnElement[bool]:
    """The condition that a number is among the recipients, as an index of single numbers has it."""
    if lite:
        return _NUMBER.in_(select(_PHONES.c.number).where(_PHONES.c.phone == phone))
    numbers: ColumnElement[Any] = literal_column("string_to_array(calls.recipients, ' ')")
    return numbers.bool_op("@>")(cast(array([phone]), ARRAY(Text)))


def _reported(filter: CallFilter) -> list[ColumnElement[bool]]:
    """The conditions on the hour, the weekday and the first POST."""
    moment = ATTEMPTS.c.submitted_at if filter.by_first_post else CALLS.c.created_at
    local: list[ColumnElement[bool]] = []
    if filter.hour is not None or filter.weekday is not None:
        choice = (filter.timezone or "UTC", filter.hour, filter.weekday, filter.since, filter.until)
        local = [in_local_time(moment, *choice)]
    if not filter.by_first_post:
        return local
    same = (ATTEMPTS.c.day == CALLS.c.day, ATTEMPTS.c.call_id == CALLS.c.call_id, ATTEMPTS.c.attempt == 1)
    sent = select(ATTEMPTS.c.attempt).where(*same, moment.is_not(None))
    if filter.since is not None:
        sent = sent.where(moment >= filter.since)
    if filter.until is not None:
        sent = sent.where(moment < filter.until)
    return [sent.where(*local).exists()]


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
