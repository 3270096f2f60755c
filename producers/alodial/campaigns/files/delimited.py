"""CSV in its many forms. A record that is broken costs itself and nothing behind it."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import BadFile
from .sniff import encoding_of, fingerprint, separator_of
from .source import MOST_COLUMNS, RowFault, SourceRow, fitted, header_of

LONGEST_LINE = 256 * 1024
"""Characters of one line. A longer one is skipped to its end without being kept."""

LONGEST_RECORD = 100
"""Lines that quotes may hold together; a quote that is still open then was never meant as one."""

_TELL_EVERY = 500


class Delimited:
    """A file of separated values. Raises BadFile when it has no row at all."""

    kind = "csv"
    sheet = None

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.encoding: str | None = encoding_of(path)
        self.size: int | None = path.stat().st_size
        self.fingerprint = fingerprint(path)
        with self._open() as text:
            lines = [text.readline(LONGEST_LINE) for _ in range(20)]
        self._skipped = 0
        separator = lines[0].strip().lower() if lines else ""
        if separator.startswith("sep=") and len(separator) == len("sep=;"):
            self.delimiter: str | None = separator[-1]
            self._skipped = 1
        else:
            self.delimiter = separator_of(lines)
        first = next((row for row in self._records() if isinstance(row, SourceRow)), None)
        if first is None:
            raise BadFile("empty_file", "has no rows", "give a header and a row for each call")
        if len(first.cells) > MOST_COLUMNS:
            raise BadFile("too_many_columns", f"has more than {MOST_COLUMNS} columns", "take out what is not needed")
        self.columns, self._header = header_of(first.cells)
        self._first = first.number

    def _open(self) -> IO[str]:
        # CP1251 lacks one byte; what is not of the encoding becomes a mark and is judged where it stands.
        return io.TextIOWrapper(self.path.open("rb"), encoding=self.encoding, errors="replace", newline=None)

    def rows(self) -> Iterator[SourceRow | RowFault]:
        for row in self._records():
            if isinstance(row, RowFault):
                yield row
            elif row.number > self._first or not self._header:
                yield fitted(row.number, row.cells, self.columns, row.position)

    def _records(self) -> Iterator[SourceRow | RowFault]:
        """Every record with its number among the records; empty ones are counted and not given."""
        faults: deque[tuple[int, RowFault]] = deque()
        with self._open() as text:
            for _ in range(self._skipped):
                text.readline(LONGEST_LINE)
            records = _Splitter(text, faults, self._skipped)
            position = 0
            for count, cells in enumerate(csv.reader(records, delimiter=self.delimiter or ",", strict=False)):
                number = count + 1 + self._skipped
                if faults and faults[0][0] == number:
                    yield faults.popleft()[1]
                    continue
                if count % _TELL_EVERY == 0:
                    position = records.position
                if any(cell.strip() for cell in cells):
                    yield SourceRow(number, tuple(cells), position)


class _Splitter:
    """Gives csv one whole record at a time, so that its rows and ours are counted alike."""

    def __init__(self, text: IO[str], faults: deque[tuple[int, RowFault]], skipped: int) -> None:
        self._text = text
        self._faults = faults
        self._number = skipped
        self._ahead: deque[str] = deque()

    @property
    def position(self) -> int:
        buffer: IO[bytes] = self._text.buffer  # type: ignore[attr-defined]  # a TextIOWrapper
        return buffer.tell()

    def __iter__(self) -> Iterator[str]:
        while line := self._line():
            self._number += 1
            if len(line) >= LONGEST_LINE:
                self._fault("cell_too_large", f"is longer than {LONGEST_LINE} characters", "cut its long cells", line)
                yield "\n"
                continue
            if line.count('"') % 2:
                whole = self._closed(line)
                if whole is None:
                    problem = "has a quote that is never closed"
                    self._fault("quote_unclosed", problem, "close it, or write it twice inside of quotes", line)
                    yield "\n"
                    continue
                line = whole  # the record that begins with this line
            if "\0" in line:
                self._fault("nul", "holds a NUL character", "save the file as text once more", line)
                yield "\n"
                continue
            yield line

    def _line(self) -> str:
        if self._ahead:
            return self._ahead.popleft()
        line = self._text.readline(LONGEST_LINE)
        if len(line) >= LONGEST_LINE and not line.endswith("\n"):
            while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                pass
        return line

    def _closed(self, line: str) -> str | None:
        """The record whose first line leaves a quote open; None when it stays open, and nothing behind it is used up."""
        taken: list[str] = []
        size = len(line)
        while len(taken) < LONGEST_RECORD and size < LONGEST_LINE and (more := self._line()):
            taken.append(more)
            size += len(more)
            if more.count('"') % 2:
                return line + "".join(taken)
        self._ahead.extendleft(reversed(taken))
        return None

    def _fault(self, code: str, problem: str, remedy: str, line: str) -> None:
        cells = (line[:200].rstrip("\n").replace("\0", ""),)
        self._faults.append((self._number, RowFault(self._number, "", code, problem, remedy, cells)))
