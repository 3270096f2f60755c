"""What every kind of file is read as: a header and rows of cells."""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from ...errors import BadFile
from ...row_codec import RowProblem, excerpt

MAX_COLUMNS = 256
MAX_CELL = 32_767
"""Characters of a cell; no spreadsheet program holds more."""

MAX_HEADER = 200

_BETWEEN_PHONES = re.compile(r"[,;/|\n]")


class SourceRow(NamedTuple):
    """A row with as many cells as the source has columns.

    ``number`` is the row's number in the spreadsheet program, the line's in NDJSON; ``position`` is how much of the file
    has been read, in bytes.
    """

    number: int
    cells: tuple[str, ...]
    position: int = 0


class RowSource(Protocol):
    """An opened file, or rows from a program; ``rows`` may be read repeatedly and takes the same memory for any size.

    ``fingerprint`` is the SHA-256 of the file, ``size`` its bytes.
    """

    name: str
    kind: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    columns: tuple[str, ...]
    fingerprint: str
    size: int

    def rows(self) -> Iterator[SourceRow | RowProblem]: ...


def header_of(first: SourceRow | RowProblem | None) -> tuple[tuple[str, ...], bool]:
    """The names of the columns, and whether the first row is a header: a row with a phone in it is data.

    A column without a name gets its letter, and so does a repeated name: "Phone [C]". Raises BadFile without a first row,
    or when it cannot be read or has too many columns.
    """
    if first is None:
        raise BadFile("empty_file", "the file has no rows", "give a header and a row for each call")
    if isinstance(first, RowProblem):
        raise BadFile(first.code, f"row {first.number} {first.problem}", first.remedy)
    cells = first.cells
    if len(cells) > MAX_COLUMNS:
        problem = f"the file has more than {MAX_COLUMNS} columns"
        raise BadFile("too_many_columns", problem, "remove the columns that are not needed")
    phone_at = _phone_column(cells)
    if phone_at is not None:
        return tuple("phone" if at == phone_at else f"column {letters(at)}" for at in range(len(cells))), False
    names: dict[str, str] = {}
    for at, cell in enumerate(cells):
        name = " ".join(cell.split())[:MAX_HEADER] or f"column {letters(at)}"
        if name.casefold() in names:
            name = f"{name} [{letters(at)}]"
        names[name.casefold()] = name
    return tuple(names.values()), True


def letters(at: int) -> str:
    """A column's name in a spreadsheet program: 0 is A, 26 is AA."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


def _phone_column(cells: tuple[str, ...]) -> int | None:
    phones = [at for at, cell in enumerate(cells) if looks_like_phone(cell)]
    # A contract's number may have nine digits too, and come before the phone.
    international = [at for at in phones if _digits(cells[at]).startswith("998") or cells[at].lstrip().startswith("+")]
    return next(iter(international or phones), None)


def _digits(cell: str) -> str:
    return "".join(c for c in cell if c.isdecimal())


def looks_like_phone(cell: str) -> bool:
    """Whether a cell holds phones only: nine to fifteen digits each, with the usual punctuation."""
    text = cell.strip().removeprefix("tel:")
    if len(text) > 512:
        return False
    parts = [part for part in _BETWEEN_PHONES.split(text) if part.strip()]
    return bool(parts) and all(
        9 <= len(_digits(part)) <= 15 and all(c.isdecimal() or c in "+-() .\u00a0" for c in part) for part in parts
    )


def fit_row(number: int, cells: tuple[str, ...], columns: tuple[str, ...], position: int) -> SourceRow | RowProblem:
    """The row with as many cells as columns; a problem when further cells are not empty or a cell is too long."""
    missing = len(columns) - len(cells)
    if missing > 0:
        cells += ("",) * missing
    elif missing < 0:
        if any(cell.strip() for cell in cells[len(columns) :]):
            problem = f"has {len(cells)} cells, and the header has {len(columns)}"
            remedy = "put quotes around cells that hold the separator"
            return RowProblem(number, "", "too_many_cells", problem, remedy, "", shortened(cells[: len(columns)]))
        cells = cells[: len(columns)]
    if len(max(cells, key=len, default="")) > MAX_CELL:
        at = next(at for at, cell in enumerate(cells) if len(cell) > MAX_CELL)
        problem, remedy = f"a cell has more than {MAX_CELL} characters", "shorten the cell"
        return RowProblem(number, columns[at], "cell_too_large", problem, remedy, excerpt(cells[at]), shortened(cells))
    return SourceRow(number, cells, position)


def shortened(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells as a problem keeps them: 200 characters each."""
    return tuple(cell[:200] for cell in cells)
