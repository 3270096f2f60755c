"""The local hour and weekday of a column of Unix ms, as conditions of SQL that SQLite and PostgreSQL understand alike."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, or_

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_FIRST: Final = datetime(2015, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2050, 1, 1, tzinfo=UTC)


class OffsetSpan(NamedTuple):
    """From ``begin`` to ``end`` (excluded), Unix ms, local time is ``offset`` ms ahead of UTC; None is open."""

    begin: int | None
    end: int | None
    offset: int


@lru_cache(maxsize=8)
def offset_spans(timezone: str) -> tuple[OffsetSpan, ...]:
    """The offsets of a time zone from 2015 to 2050, one after the other; the first and the last go on for ever."""
    zone = ZoneInfo(timezone)

    def offset(at: datetime) -> timedelta:
        return at.astimezone(zone).utcoffset() or timedelta()

    spans: list[OffsetSpan] = []
    begin: int | None = None
    at = _FIRST
    while at < _LAST:
        low, high = at, at + timedelta(days=1)
        if offset(low) != offset(high):
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            change = int(high.timestamp()) * 1000
            spans.append(OffsetSpan(begin, change, _ms(offset(at))))
            begin = change
        at += timedelta(days=1)
    return (*spans, OffsetSpan(begin, None, _ms(offset(_LAST))))


def _ms(offset: timedelta) -> int:
    return round(offset.total_seconds() * 1000)


def in_local_time(
    column: "ColumnElement[Any]",
    timezone: str,
    hour: int | None,
    weekday: int | None,
    since: int | None,
    until: int | None,
) -> "ColumnElement[bool]":
    """Whether the column's moment is in this hour (0 to 23) and on this weekday (1 is Monday); None for any.

    Only moments from ``since`` to ``until`` matter, so that a period with one offset makes one condition.
    """
    choices = []
    for span in offset_spans(timezone):
        if (until is not None and span.begin is not None and span.begin >= until) or (
            since is not None and span.end is not None and span.end <= since
        ):
            continue
        local = column + span.offset
        conditions = [column >= span.begin] if span.begin is not None else []
        conditions += [column < span.end] if span.end is not None else []
        if hour is not None:
            conditions.append((local // _HOUR) % 24 == hour)
        if weekday is not None:
            conditions.append((local // _DAY + 3) % 7 + 1 == weekday)  # 1970-01-01 was a Thursday
        choices.append(and_(*conditions))
    return or_(*choices) if choices else false()
