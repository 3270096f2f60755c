"""Writes the rejected rows as CSV, each with its reason, so that they can be corrected and submitted again.

Duplicates are left out: their number was accepted with its first row, and would ring again with the corrected file.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Final

from ...i18n import Translator
from ..formula_guard import safe_cell, unsafe_cell
from ..row_codec import DUPLICATE, RowProblem
from .results import BOM, csv_blocks_of, fit_cells, header_names
from .texts import headings

REASONS: Final = ("alodial_row", "alodial_column", "alodial_reason", "alodial_remedy")


def problem_blocks(
    problems: Iterable[RowProblem], columns: Sequence[str], *, delimiter: str = ",", texts: Translator | None = None
) -> Iterator[bytes]:
    """The rejected rows with all their original columns, as blocks of CSV."""
    lines = (
        [safe_cell(cell) for cell in (*fit_cells(problem.cells, len(columns)), *_reasons(problem, texts))]
        for problem in problems
        if problem.code != DUPLICATE
    )
    ours = headings(texts, REASONS) if texts else REASONS
    return csv_blocks_of(header_names(columns, ours), lines, delimiter)


class RejectedRowsWriter:
    """Writes rejected rows to ``file`` while they are found: pass :meth:`add` as ``on_problem=``.

    A corrected file that still has bad rows gets the same columns again: its old reasons are left out, and its guarded
    cells are not guarded twice.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        file.write(BOM)
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._kept = [at for at, name in enumerate(columns) if name.strip().casefold() not in REASONS]
        self._write([*(columns[at] for at in self._kept), *REASONS])

    def add(self, problem: RowProblem) -> None:
        if problem.code != DUPLICATE:
            cells = problem.cells
            self._write([*(cells[at] if at < len(cells) else "" for at in self._kept), *_reasons(problem)])

    def _write(self, cells: Iterable[str]) -> None:
        self._csv.writerow([safe_cell(unsafe_cell(cell)) for cell in cells])

    def close(self) -> None:
        """Writes the buffer; the file stays open."""
        self._text.flush()
        self._text.detach()


def _reasons(problem: RowProblem, texts: Translator | None = None) -> tuple[str, ...]:
    words = (problem.problem, problem.remedy)
    if texts is not None:
        words = texts.problem(problem.code, *words)[:2]
    return str(problem.number), problem.column, *words
