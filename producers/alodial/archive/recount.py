"""Counts archived calls anew, a day in each transaction, beside a running archiver."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, delete, func, select

from .count_tables import COUNT_TABLES, COUNTS_DAY
from .counts import add_attempt, add_call, add_increments, new_sums, nonzero
from .engine import reading, writing
from .schema import ATTEMPTS, CALLS
from .write import read_position, write_position

PLACE: Final = "recount"
"""The place among the positions that holds the zone and the last day of a recount that is not through."""

_SLICE: Final = 5000
"""Rows that are fetched at once."""

_CALL: Final = tuple(
    CALLS.c[name]
    for name in (
        *("created_at", "owner", "campaign_id", "initiator", "state", "disposition"),
        *("attempts", "talk_seconds", "line", "operator_code"),
    )
)


def recount(engine: Engine, zone: ZoneInfo, note: Callable[[date, int], None] = lambda _day, _calls: None) -> int:
    """Counts all days anew and returns how many calls that were; ``note`` hears of each day that is done.

    A recount that was cut short goes on after its last day. Counts of days of which retention deleted calls stay.
    Raises ArchiveUnavailable.
    """
    with reading(engine) as connection:
        first, last = _days(connection, zone)
        place = read_position(connection, PLACE)
    if place.startswith(f"{zone.key} ") and first is not None:
        first = max(first, date.fromisoformat(place.removeprefix(f"{zone.key} ")) + timedelta(days=1))
    counted = 0
    for day in _each(first, last):
        with writing(engine) as connection:
            calls = recount_day(connection, day, zone)
            write_position(connection, PLACE, f"{zone.key} {day.isoformat()}")
        counted += calls
        note(day, calls)
    with writing(engine) as connection:
        write_position(connection, PLACE, "")
    return counted


def recount_day(connection: Connection, day: date, zone: ZoneInfo) -> int:
    """Counts a local day anew, in the caller's transaction, and returns how many calls were made on it."""
    begin, end = (_midnight(at, zone) for at in (day, day + timedelta(days=1)))
    sums, calls = new_sums(), 0
    made = select(*_CALL).where(
        CALLS.c.day.between(day - timedelta(days=1), day + timedelta(days=1)),
        CALLS.c.created_at >= begin,
        CALLS.c.created_at < end,
    )
    for row in connection.execute(made.execution_options(yield_per=_SLICE)):
        add_call(sums, row._mapping, zone)
        calls += 1
    same = (ATTEMPTS.c.day == CALLS.c.day) & (ATTEMPTS.c.call_id == CALLS.c.call_id)
    sent = select(ATTEMPTS, CALLS.c.owner, CALLS.c.campaign_id).join(CALLS, same)
    sent = sent.where(ATTEMPTS.c.submitted_at >= begin, ATTEMPTS.c.submitted_at < end)
    for row in connection.execute(sent.execution_options(yield_per=_SLICE)):
        add_attempt(sums, row._mapping, row.owner, row.campaign_id, zone)
    for table in COUNT_TABLES:
        connection.execute(delete(table).where(table.c.day == day))
    add_increments(connection, nonzero(sums))
    return calls


def _days(connection: Connection, zone: ZoneInfo) -> tuple[date | None, date | None]:
    """The first and last day to count; None without calls."""
    made, sent = CALLS.c.created_at, ATTEMPTS.c.submitted_at
    oldest, newest = connection.execute(select(func.min(made), func.max(made))).one()
    if oldest is None:
        return None, None
    first = _local(oldest, zone)
    if connection.execute(select(COUNTS_DAY.c.day).where(COUNTS_DAY.c.day < first).limit(1)).first():
        first += timedelta(days=1)  # retention deleted the calls of the days before, and some of that day
    moments = [newest, connection.execute(select(func.max(sent))).scalar() or newest]
    counted = [connection.execute(select(func.max(table.c.day))).scalar() for table in COUNT_TABLES]
    return first, max([*(_local(ms, zone) for ms in moments), *(day for day in counted if day is not None)])


def _each(first: date | None, last: date | None) -> Iterator[date]:
    while first is not None and last is not None and first <= last:
        yield first
        first += timedelta(days=1)


def _local(ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(ms / 1000, zone).date()


def _midnight(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)
