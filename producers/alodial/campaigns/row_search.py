"""What somebody looks for among a campaign's rows. Pure."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from .records import ResultRow
from .row_codec import PackedRow

MAX_SCANNED: Final = 10_000
"""Rows that one request reads, so that a search in a million rows is many short requests."""

MIN_DIGITS: Final = 3
MAX_TEXT: Final = 100


class RowPage(NamedTuple):
    """Rows with their outcomes; ``cursor`` goes on behind them, None at the campaign's end. ``scanned`` rows were read."""

    rows: list[ResultRow]
    cursor: str | None
    scanned: int


@dataclass(frozen=True, slots=True)
class RowSearch:
    """Rows whose cells hold ``text``, or whose phones hold its digits, and whose outcome is ``outcome``.

    An outcome is "d:" and a disposition, or "s:" and a state; "" takes every row.
    """

    text: str = ""
    outcome: str = ""

    def may_match(self, row: PackedRow) -> bool:
        """Whether the row's cells or phones match, whatever its outcome."""
        text = " ".join(self.text[:MAX_TEXT].casefold().split())
        if not text:
            return True
        digits = "".join(c for c in text if c.isdecimal())
        only_phone = len(digits) >= MIN_DIGITS and not any(c.isalpha() for c in text)
        if only_phone and any(digits in phone for phone in row.spec.to):
            return True
        return any(text in " ".join(cell.casefold().split()) for cell in row.cells)

    def matches_outcome(self, row: ResultRow) -> bool:
        kind, _, value = self.outcome.partition(":")
        match kind:
            case "d":
                return row.disposition == value
            case "s":
                return row.state == value and not row.disposition
            case _:
                return True


def read_cursor(cursor: str) -> tuple[int, int]:
    """Chunk and offset of a cursor; the first row's for any other text."""
    index, _, offset = cursor.partition("-")
    if all(part.isdecimal() and part.isascii() and len(part) < 8 for part in (index, offset)):
        return int(index), int(offset)
    return 0, 0
