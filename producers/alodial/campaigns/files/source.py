"""What every kind of file is read as."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

MOST_COLUMNS = 256
MOST_CELL = 32_767
"""Characters in a cell: what a spreadsheet's own cell can hold."""


class SourceRow(NamedTuple):
    """``number`` is the row's number in the spreadsheet program (a line's in NDJSON); ``cells`` as many as columns.

    ``position`` is how far the reading has come, in bytes, for a progress bar.
    """

    number: int
    cells: tuple[str, ...]
    position: int = 0


class RowFault(NamedTuple):
    """A row that cannot be read at all, and what would help."""

    number: int
    column: str
    code: str
    problem: str
    remedy: str
    cells: tuple[str, ...] = ()


class Source(Protocol):
    """A file that was opened. ``rows`` may be gone through again and again and is in flat memory."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def encoding(self) -> str | None: ...
    @property
    def delimiter(self) -> str | None: ...
    @property
    def sheet(self) -> str | None: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    def rows(self) -> Iterator[SourceRow | RowFault]: ...


def header_of(first: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """Names for the columns, and whether the first row was a header: a row with a phone in it is data."""
    phones = [looks_like_phone(cell) for cell in first]
    if any(phones):
        at = phones.index(True)
        return tuple("phone" if i == at else f"column {i + 1}" for i in range(len(first))), False
    seen: dict[str, int] = {}
    names = []
    for i, cell in enumerate(first):
        name = " ".join(cell.split())[:200] or f"column {i + 1}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names), True


def looks_like_phone(cell: str) -> bool:
    """Nine to fifteen digits and nothing but what people write between them."""
    text = cell.strip()
    digits = sum(c.isdigit() for c in text)
    return 9 <= digits <= 15 and all(c.isdigit() or c in "+-() .\u00a0" for c in text)


def fitted(number: int, cells: tuple[str, ...], columns: tuple[str, ...], position: int) -> SourceRow | RowFault:
    """As many cells as columns; too many that are not empty are a fault."""
    missing = len(columns) - len(cells)
    if missing > 0:
        cells += ("",) * missing
    elif missing < 0:
        if any(cell.strip() for cell in cells[len(columns) :]):
            problem = f"has {len(cells)} cells, and the header has {len(columns)}"
            remedy = "put quotes around cells that hold the separator"
            return RowFault(number, "", "too_many_cells", problem, remedy, cells[: len(columns)])
        cells = cells[: len(columns)]
    if any(len(cell) > MOST_CELL for cell in cells):
        at = next(i for i, cell in enumerate(cells) if len(cell) > MOST_CELL)
        short = tuple(cell[:200] for cell in cells)
        problem = f"a cell has {len(cells[at])} characters"
        return RowFault(number, columns[at], "cell_too_large", problem, f"cut it to {MOST_CELL}", short)
    return SourceRow(number, cells, position)
