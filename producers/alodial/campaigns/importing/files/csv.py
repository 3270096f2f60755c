"""CSV in its many forms. A record that is broken costs itself and nothing behind it."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from ...errors import BadFile
from .detect import SEPARATORS, encoding_of, fingerprint, separator_of
from .source import MAX_CELL, MAX_COLUMNS, RowFault, SourceRow, fitted, header_of, shortened

MAX_LINE_LENGTH: Final = 256 * 1024
"""Characters of one line. A longer one is skipped to its end without being kept."""

MAX_RECORD: Final = 1 << 20
MAX_LINES: Final = 10_000
"""Characters and lines that quotes may hold together; a quote that is still open then was never meant as one."""

_TELL_EVERY: Final = 500


class _CsvError(NamedTuple):
    code: str
    problem: str
    remedy: str


_TOO_LARGE: Final = _CsvError("cell_too_large", f"a cell has more than {MAX_CELL} characters", "cut the cell")
_OPEN: Final = _CsvError(
    "quote_unclosed", "has a quote that is never closed", "close it, or write it twice inside of quotes"
)
_NUL: Final = _CsvError(
    "nul", "holds a NUL character", "open the file in a spreadsheet program and save it as CSV once more"
)
_BYTES: Final = _CsvError(
    "encoding", "holds bytes that are no letters in the file's encoding", "save the file as CSV UTF-8"
)


class CsvFile:
    """A file of separated values. Raises BadFile when it has no row at all, or its first one is broken."""

    kind = "csv"
    sheet = None

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        encoding, self._damaged = encoding_of(path)
        self.encoding: str | None = encoding
        self.size: int | None = path.stat().st_size
        self.fingerprint = fingerprint(path)
        with self._open() as text:
            lines = [text.readline(MAX_LINE_LENGTH) for _ in range(20)]
        told = lines[0].strip().lower()
        # A line for Excel, which reads it and does not show it: "sep=;".
        self._told = len(told) == 5 and told.startswith("sep=") and told[-1] in SEPARATORS
        self.delimiter: str | None = told[-1] if self._told else separator_of(lines)
        first = next(self._records(), None)
        if first is None:
            raise BadFile("empty_file", "the file has no rows", "give a header and a row for each call")
        if isinstance(first, RowFault):
            raise BadFile(first.code, f"row {first.number} {first.problem}", first.remedy)
        if len(first.cells) > MAX_COLUMNS:
            problem = f"the file has more than {MAX_COLUMNS} columns"
            raise BadFile("too_many_columns", problem, "take out what is not needed")
        self.columns, self._header = header_of(first.cells)

    def _open(self) -> IO[str]:
        # What is not of the encoding becomes a mark, and costs the row in which it stands.
        return io.TextIOWrapper(self.path.open("rb"), encoding=self.encoding, errors="replace", newline=None)

    def rows(self) -> Iterator[SourceRow | RowFault]:
        records = self._records()
        if self._header:
            next(records, None)
        columns, width = self.columns, len(self.columns)
        for row in records:
            if isinstance(row, RowFault) or len(row.cells) == width:
                yield row
            else:
                yield fitted(row.number, row.cells, columns, row.position)

    def _records(self) -> Iterator[SourceRow | RowFault]:
        """Every record with its number among the records; empty ones are counted and not given."""
        separator = self.delimiter or ","
        blank = f"{separator} \t\n"
        damaged = self._damaged
        with self._open() as text:
            if self._told:
                text.readline(MAX_LINE_LENGTH)
            lines = _LineReader(text, separator)
            number = position = 0
            while line := lines.next():
                number += 1
                if number % _TELL_EVERY == 1:
                    position = lines.position
                if not line.strip(blank):
                    continue
                trouble = None
                quoted = '"' in line
                if len(line) >= MAX_LINE_LENGTH:
                    trouble = _TOO_LARGE
                elif quoted:
                    whole = lines.whole(line)
                    line, trouble = (whole, None) if whole is not None else (line, _OPEN)
                if trouble is None:
                    if "\0" in line:
                        trouble = _NUL
                    elif damaged and "\ufffd" in line:
                        trouble = _BYTES
                cells = None
                if trouble is None:
                    cells = _cells(line, separator) if quoted else tuple(line.removesuffix("\n").split(separator))
                    if cells is None or (len(line) > MAX_CELL and len(max(cells, key=len)) > MAX_CELL):
                        trouble = _TOO_LARGE
                if trouble is not None:
                    seen = cells or line[:4000].replace("\0", "").rstrip("\n").split(separator)
                    yield RowFault(number, "", *trouble, shortened(tuple(seen[:MAX_COLUMNS])))
                elif cells is not None and (not quoted or any(cell.strip() for cell in cells)):
                    yield SourceRow(number, cells, position)


def _cells(record: str, separator: str) -> tuple[str, ...] | None:
    """A record with quotes; None when a cell is larger than csv takes, 128 KiB."""
    try:
        return tuple(next(csv.reader((record,), delimiter=separator)))
    except csv.Error:
        return None


class _LineReader:
    """Lines, and what quotes hold together of them."""

    def __init__(self, text: IO[str], separator: str) -> None:
        self._text = text
        self._opens = separator + '"'
        self._ends = (separator, "\n", "")
        self._ahead: deque[str] = deque()

    @property
    def position(self) -> int:
        buffer: IO[bytes] = self._text.buffer  # type: ignore[attr-defined]  # a TextIOWrapper
        return buffer.tell()

    def next(self) -> str:
        if self._ahead:
            return self._ahead.popleft()
        line = self._text.readline(MAX_LINE_LENGTH)
        if len(line) >= MAX_LINE_LENGTH and not line.endswith("\n"):
            while (rest := self._text.readline(MAX_LINE_LENGTH)) and not rest.endswith("\n"):
                pass
        return line

    def whole(self, line: str) -> str | None:
        """The record that begins with this line; None when its quote stays open, and then nothing behind it is used up."""
        if not self._open_at_end(line, line.startswith('"')):
            return line
        taken: list[str] = []
        size = len(line)
        while size < MAX_RECORD and len(taken) < MAX_LINES and (more := self.next()):
            taken.append(more)
            size += len(more)
            if '"' not in more:
                continue
            closed = self._closed_within(more)
            if closed is False:
                break
            if closed and not self._open_at_end(more, True, at=0):
                return line + "".join(taken)
        self._ahead.extendleft(reversed(taken))
        return None

    def _open_at_end(self, line: str, inside: bool, at: int = 1) -> bool:
        """Whether a quote is open behind the line, which begins inside of one or not. Quotes open where a cell begins."""
        if not inside:
            at = 0
        while True:
            if inside:
                at = line.find('"', at) + 1
                if not at:
                    return True
                if line[at : at + 1] == '"':
                    at += 1
                    continue
                inside = False
            at = line.find(self._opens, at) + 2
            if at < 2:
                return False
            inside = True

    def _closed_within(self, line: str) -> bool | None:
        """For a line that begins inside of a quote: whether it ends it. False where it does so in the middle of a word.

        A quote that was never meant as one runs on until the next cell that begins with one, and there it shows.
        """
        at = 0
        while at := line.find('"', at) + 1:
            if line[at : at + 1] != '"':
                return line[at : at + 1] in self._ends
            at += 1
        return None
