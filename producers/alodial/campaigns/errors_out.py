"""Writes the rows that were not taken back, each with its reason: mend them and submit that file."""

import csv
import io
from collections.abc import Sequence
from typing import IO

from .export import REASONS, names_of
from .guard import safe_cell
from .pack import RowProblem


class ErrorsOut:
    """A CSV in UTF-8 with a mark for Excel. ``add`` is what is given to ``on_problem=``."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=False)
        self._text.write("\ufeff")
        self._out = csv.writer(self._text, lineterminator="\r\n")
        self._width = len(columns)
        self._out.writerow([safe_cell(name) for name in names_of(columns, REASONS)])

    def add(self, one: RowProblem) -> None:
        cells = [*one.cells, *[""] * self._width][: self._width]
        told = (str(one.number), one.column, one.problem, one.remedy)
        self._out.writerow([safe_cell(cell) for cell in (*cells, *told)])

    def close(self) -> None:
        """Writes what is buffered; the file itself stays open."""
        self._text.flush()
        self._text.detach()
