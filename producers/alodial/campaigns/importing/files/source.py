"""What every kind of file is read as: a header and rows of cells."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ...row_codec import RowProblem, excerpt

MAX_COLUMNS = 256
MAX_CELL = 32_767
"""Characters of a cell; no spreadsheet program holds more."""

Hidden = Literal["keep", "skip"]


if TYPE_CHECKING:
    from ..questions import Question


class SourceRow(NamedTuple):
    """A row with as many cells as the source has columns.

    ``number`` is the row's number in the spreadsheet program, the line's in NDJSON; ``position`` is how much of the file
    has been read, in bytes.
    """

    number: int
    cells: tuple[str, ...]
    position: int = 0


class Header(NamedTuple):
    """The names of the columns. ``number`` is the header's row number, 0 for a file without one; ``rows`` how many rows that
    are not empty end with it, ``skipped`` the texts of those above it, ``samples`` some rows below it, and ``head`` the first
    rows of the file with their numbers, down to some below the header."""

    names: tuple[str, ...]
    number: int
    rows: int
    skipped: tuple[tuple[int, str], ...]
    samples: tuple[tuple[str, ...], ...]
    head: tuple[tuple[int, tuple[str, ...]], ...] = ()


class RowSource(Protocol):
    """An opened file, or rows from a program; ``rows`` may be read repeatedly and takes the same memory for any size.

    ``fingerprint`` is the SHA-256 of the file, ``size`` its bytes, ``columns`` the names of ``header``, ``sheets`` the
    workbook's visible sheets, and ``hidden_rows`` the hidden ones that the last reading left out or kept.
    """

    name: str
    kind: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    columns: tuple[str, ...]
    fingerprint: str
    size: int
    header: Header
    sheets: tuple[str, ...]
    hidden_rows: int

    def choose(
        self, *, sheet: str | None = None, header_row: int | None = None, hidden: Hidden | None = None
    ) -> "tuple[Question, ...]":
        """Sets the sheet, the header's row number (0 for none) and what to do with hidden rows, None for what the file shows.

        Returns the questions that are open. Raises BadFile for a sheet or row that is not there.
        """
        ...

    def rows(self) -> Iterator[SourceRow | RowProblem]: ...


_QUOTE_REMEDY = "put quotes around cells that hold the separator"
UNNAMED_REMEDY = "give these columns a heading, or empty the cells behind the last heading"


def fit_row(
    number: int, cells: tuple[str, ...], columns: tuple[str, ...], position: int, remedy: str = _QUOTE_REMEDY
) -> SourceRow | RowProblem:
    """The row with as many cells as columns; a problem when further cells are not empty or a cell is too long."""
    missing = len(columns) - len(cells)
    if missing > 0:
        cells += ("",) * missing
    elif missing < 0:
        if any(cell.strip() for cell in cells[len(columns) :]):
            problem = f"has {len(cells)} cells, and the header has {len(columns)}"
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
