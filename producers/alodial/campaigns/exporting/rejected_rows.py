"""Writes the rejected rows as CSV, each with its reason, so that they can be corrected and submitted again.

Duplicates are left out: their number was accepted with its first row, and would ring again with the corrected file.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import IO, Final

from ...i18n import LANGUAGES, Translator
from ..formula_guard import safe_cell, unsafe_cell
from ..row_codec import DUPLICATE, RowProblem
from .results import BOM, csv_blocks_of, header_names
from .texts import delimiter_of, headings

REASONS: Final = ("alodial_row", "alodial_column", "alodial_reason", "alodial_remedy")


def problem_blocks(
    problems: Iterable[RowProblem], columns: Sequence[str], *, delimiter: str = ",", texts: Translator | None = None
) -> Iterator[bytes]:
    """The rejected rows with all their original columns, as blocks of CSV."""
    kept = _kept(columns)
    lines = (
        [safe_cell(cell) for cell in (*_cells(problem, kept), *_reasons(problem, texts))]
        for problem in problems
        if problem.code != DUPLICATE
    )
    ours = headings(texts, REASONS) if texts else REASONS
    return csv_blocks_of(header_names([columns[at] for at in kept], ours), lines, delimiter)


class RejectedRowsWriter:
    """Writes rejected rows to ``file`` while they are found: pass :meth:`add` as ``on_problem=``.

    A corrected file that still has bad rows gets the same columns again: its old reasons are left out, and its guarded
    cells are not guarded twice.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[str], texts: Translator | None = None) -> None:
        file.write(BOM)
        self._texts = texts
        delimiter = "," if texts is None else delimiter_of(texts)
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        self._csv = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")
        ours = REASONS if texts is None else headings(texts, REASONS)
        self._kept = _kept(columns)
        self._write([*(columns[at] for at in self._kept), *ours])

    def add(self, problem: RowProblem) -> None:
        if problem.code != DUPLICATE:
            self._write([*_cells(problem, self._kept), *_reasons(problem, self._texts)])

    def _write(self, cells: Iterable[str]) -> None:
        self._csv.writerow([safe_cell(unsafe_cell(cell)) for cell in cells])

    def close(self) -> None:
        """Writes the buffer; the file stays open."""
        self._text.flush()
        self._text.detach()


def _kept(columns: Sequence[str]) -> list[int]:
    """The columns without those of an earlier export of rejected rows, which are the last ones in a reader's language."""
    names = [name.strip().casefold() for name in columns]
    translated = any(_is_end(names, headings(Translator(language, UTC), REASONS)) for language in LANGUAGES)
    end = len(names) - len(REASONS) if translated else len(names)
    return [at for at in range(end) if names[at] not in REASONS]


def _is_end(names: Sequence[str], words: Sequence[str]) -> bool:
    return list(names[-len(words) :]) == [word.casefold() for word in words]


def _cells(problem: RowProblem, kept: Iterable[int]) -> list[str]:
    cells = problem.cells
    return [cells[at] if at < len(cells) else "" for at in kept]


def _reasons(problem: RowProblem, texts: Translator | None = None) -> tuple[str, ...]:
    words = (problem.problem, problem.remedy)
    if texts is not None:
        words = texts.problem(problem.code, *words)[:2]
    return str(problem.number), problem.column, *words
