"""Rows of a file as the store keeps them: 500 in one compressed chunk, each with the cells it came from.

A packed row takes 30 to 100 bytes, a call's record 330. The same rows give the same bytes, so that a repeated submission
can tell whether it continues the same file.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from .errors import DamagedRows

CHUNK_ROWS = 500
LEVEL = 6
"""Level 9 saves another 1 % and takes twice as long; level 1 is twice as quick and 15 % larger."""

MAX_EXCERPT = 40

DUPLICATE = "duplicate"
"""The code of a row whose number an earlier row has."""


class RowSpec(NamedTuple):
    """The call that a row describes: numbers in E.164, ``expires_at`` in Unix ms.

    ``zone`` is set only where the campaign's hours follow the number: zone names joined with "|".
    """

    to: tuple[str, ...]
    lang: str | None = None
    initiator: str | None = None
    queue: str | None = None
    reference: str | None = None
    expires_at: int | None = None
    metadata: dict[str, str] = {}  # noqa: RUF012  # a NamedTuple's default, never changed
    zone: str = ""


class PackedRow(NamedTuple):
    """A good row: its number in the spreadsheet program, its call and its original cells."""

    number: int
    spec: RowSpec
    cells: tuple[str, ...]


class RowProblem(NamedTuple):
    """A row that cannot be called: the column, what is wrong there and how to fix it.

    ``column`` is "" when the row as a whole is wrong; ``value`` is the cell, as :func:`excerpt` shortens it.
    """

    number: int
    column: str
    code: str
    problem: str
    remedy: str
    value: str = ""
    cells: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self._fields if name != "cells"}


def excerpt(text: str) -> str:
    """The first 40 characters of a cell; "?" replaces the unprintable ones."""
    start = "".join(c if c.isprintable() else "?" for c in text[:MAX_EXCERPT])
    return start if len(text) <= MAX_EXCERPT else f"{start}…"


def pack(rows: Sequence[tuple[int, RowSpec, tuple[str, ...]]]) -> bytes:
    """One chunk of rows."""
    return _compress([[number, _trimmed(spec), cells] for number, spec, cells in rows])


def unpack(blob: bytes) -> list[PackedRow]:
    """The rows of one chunk. Raises DamagedRows."""
    try:
        return [
            PackedRow(number, RowSpec(tuple(spec[0]), *spec[1:]), tuple(cells))
            for number, spec, cells in _decompress(blob)
        ]
    except (zlib.error, ValueError, TypeError, IndexError, KeyError) as exc:
        raise DamagedRows(f"a chunk of rows cannot be read ({type(exc).__name__})") from None


def pack_problems(problems: Sequence[RowProblem]) -> bytes:
    """One chunk of problems."""
    return _compress(problems)


def unpack_problems(blob: bytes) -> list[RowProblem]:
    """The problems of one chunk."""
    return [RowProblem._make((*values[:-1], tuple(values[-1]))) for values in _decompress(blob)]


def _trimmed(spec: RowSpec) -> list[object]:
    """The fields without the empty ones at the end: most rows have a number and nothing else."""
    values: list[object] = [*spec]
    while len(values) > 1 and not values[-1]:
        values.pop()
    return values


def _compress(values: Sequence[Any]) -> bytes:
    return zlib.compress(
        json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"), LEVEL
    )


def _decompress(blob: bytes) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(zlib.decompress(blob))
    return rows
