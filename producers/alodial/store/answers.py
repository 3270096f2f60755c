"""Turns what Redis answers into Python values."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

Row = TypeVar("Row", bound=NamedTuple)

_BETWEEN = re.compile(rb";(?=[a-z_]+ [0-9]+(?:[ ;]|$))")
"""Separates two entries of a timeline, ``state ms note``; a semicolon within a note does not."""


def text(value: Any) -> str:
    """The text of an answer; "" for nil. Bytes that are not UTF-8 become replacement characters."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def number(value: Any) -> int:
    """The whole number of a counter, score or timestamp; 0 for nil."""
    return int(float(value or 0))


def entries(timeline: bytes) -> list[bytes]:
    """The entries ``state ms note`` of a record's timeline, oldest first."""
    return _BETWEEN.split(timeline)


def unix_ms(moment: str | None) -> int | None:
    """Unix ms of an ISO 8601 time; None for none, and for a text that is no time."""
    if not moment:
        return None
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None


def read_row(kind: type[Row], row: Sequence[Any]) -> Row:
    """A script's row as the NamedTuple ``kind``: whole numbers where a field's type is ``int``, texts elsewhere."""
    types = kind.__annotations__
    return kind._make(
        int(value) if types[name] is int else text(value) for name, value in zip(kind._fields, row, strict=True)
    )


def read_rows(kind: type[Row], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Each row by :func:`read_row`."""
    return [read_row(kind, row) for row in rows]
