"""What every kind of file is read as."""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

MAX_COLUMNS = 256
MAX_CELL = 32_767
"""Characters in a cell: what a spreadsheet's own cell can hold."""

_BETWEEN_PHONES = re.compile(r"[,;/|\n]")


class SourceRow(NamedTuple):
    """``number`` is the row's number in the spreadsheet program (a line's in NDJSON); ``cells`` as many as columns.

    ``position`` is how far the reading has come, in bytes of the file, for a progress bar.
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
    """Names for the columns, and whether the first row was a header: a row with a phone in it is data.

    A column without a name is called by its letter, and so is one whose name stood before: "Phone [C]".
    """
    at = _phone_among(first)
    if at is not None:
        return tuple("phone" if i == at else f"column {letters(i)}" for i in range(len(first))), False
    seen: set[str] = set()
    names = []
    for i, cell in enumerate(first):
        name = " ".join(cell.split())[:200] or f"column {letters(i)}"
        if name.casefold() in seen:
            name = f"{name} [{letters(i)}]"
        seen.add(name.casefold())
        names.append(name)
    return tuple(names), True


def letters(at: int) -> str:
    """The name that a spreadsheet gives a column, counted from 0: 0 is A, 26 is AA."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


def _phone_among(cells: tuple[str, ...]) -> int | None:
    phones = [i for i, cell in enumerate(cells) if looks_like_phone(cell)]
    # A contract's number may have nine digits too, and stand before the phone.
    whole = [i for i in phones if _digits(cells[i]).startswith("998") or cells[i].lstrip().startswith("+")]
    return next(iter(whole or phones), None)


def _digits(cell: str) -> str:
    return "".join(c for c in cell if c.isdecimal())


def looks_like_phone(cell: str) -> bool:
    """One or several phones: nine to fifteen digits each and nothing but what people write between them."""
    text = cell.strip().removeprefix("tel:")
    if len(text) > 512:
        return False
    parts = [part for part in _BETWEEN_PHONES.split(text) if part.strip()]
    return bool(parts) and all(
        9 <= len(_digits(part)) <= 15 and all(c.isdecimal() or c in "+-() .\u00a0" for c in part) for part in parts
    )


def fitted(
    number: int, cells: tuple[str, ...], columns: tuple[str, ...], position: int, *, limit: int | None = None
) -> SourceRow | RowFault:
    """As many cells as columns; too many that are not empty are a fault. ``most`` is a bound of a cell's length, if known."""
    missing = len(columns) - len(cells)
    if missing > 0:
        cells += ("",) * missing
    elif missing < 0:
        if any(cell.strip() for cell in cells[len(columns) :]):
            problem = f"has {len(cells)} cells, and the header has {len(columns)}"
            remedy = "put quotes around cells that hold the separator"
            return RowFault(number, "", "too_many_cells", problem, remedy, shortened(cells[: len(columns)]))
        cells = cells[: len(columns)]
    if (limit is None or limit > MAX_CELL) and len(max(cells, key=len, default="")) > MAX_CELL:
        at = next(i for i, cell in enumerate(cells) if len(cell) > MAX_CELL)
        problem = f"a cell has more than {MAX_CELL} characters"
        return RowFault(number, columns[at], "cell_too_large", problem, "cut the cell", shortened(cells))
    return SourceRow(number, cells, position)


def shortened(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Cells as a fault carries them."""
    return tuple(cell[:200] for cell in cells)
