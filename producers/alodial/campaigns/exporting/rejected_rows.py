"""Writes the rows that were not taken back, each with its reason: mend them and submit that file."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import IO

from ..formula_guard import safe_cell, unsafe_cell
from ..row_codec import RowProblem
from .results import DUPLICATE, REASONS


class RejectedRowsWriter:
    """A CSV in UTF-8 with a mark for Excel. ``add`` is what is given to ``on_problem=``.

    A file that comes back mended and is still not right gets the same columns again: old reasons are left out, and no
    apostrophe is put before another.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=False)
        self._text.write("\ufeff")
        self._out = csv.writer(self._text, lineterminator="\r\n")
        self._kept = [at for at, name in enumerate(columns) if name.strip().casefold() not in REASONS]
        self._write([*(columns[at] for at in self._kept), *REASONS])

    def add(self, one: RowProblem) -> None:
        if one.code == DUPLICATE:  # its number was taken, and would be rung again when the mended file comes
            return
        cells = one.cells
        kept = [cells[at] if at < len(cells) else "" for at in self._kept]
        self._write([*kept, str(one.number), one.column, one.problem, one.remedy])

    def _write(self, cells: Iterable[str]) -> None:
        self._out.writerow([safe_cell(unsafe_cell(cell)) for cell in cells])

    def close(self) -> None:
        """Writes what is buffered; the file itself stays open."""
        self._text.flush()
        self._text.detach()
