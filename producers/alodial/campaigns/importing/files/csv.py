"""Reads CSV in any common form. A broken record is one bad row and spoils no other."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final, NamedTuple

from ...errors import BadFile
from ...row_codec import RowProblem
from ..interruption import go_on
from ..questions import Question
from .detect import ONE_COLUMN, SEPARATORS, encoding_of, fingerprint, separator_of
from .header_row import HEAD_ROWS, find_header
from .source import MAX_CELL, MAX_COLUMNS, Header, Hidden, SourceRow, fit_row, shortened

MAX_LINE_LENGTH: Final = 256 * 1024
"""Characters of one line. A longer one is skipped to its end without being kept."""

MAX_RECORD: Final = 1 << 20
MAX_LINES: Final = 10_000
"""Characters and lines of one quoted record; a quote that is still open there was never meant to open a cell."""

_POSITION_EVERY: Final = 500
_BLANKS: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_NAMED_SEPARATOR: Final = re.compile(rf'"?sep=([{SEPARATORS}])"?\s*[{SEPARATORS}]*', re.IGNORECASE)


class _CsvError(NamedTuple):
    code: str
    problem: str
    remedy: str


_TOO_LARGE: Final = _CsvError("cell_too_large", f"a cell has more than {MAX_CELL} characters", "shorten the cell")
_OPEN: Final = _CsvError(
    "quote_unclosed", "has a quote that is never closed", "close it, or write it twice inside of quotes"
)
_NUL: Final = _CsvError("nul", "holds a NUL character", "save the file as CSV again in a spreadsheet program")
_BYTES: Final = _CsvError(
    "encoding", "holds bytes that are invalid in the file's encoding", "save the file as CSV UTF-8"
)


class CsvFile:
    """A :class:`RowSource` of separated values. Raises BadFile without any row or with a broken first row."""

    kind = "csv"
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    hidden_rows = 0

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        encoding, self._may_hold_bad_bytes = encoding_of(path)
        self.encoding: str | None = encoding
        self.size = path.stat().st_size
        self.fingerprint = fingerprint(path)
        with self._open() as text:
            lines = [text.readline(MAX_LINE_LENGTH) for _ in range(HEAD_ROWS)]
        # "sep=;" in the first line tells Excel the separator; Excel does not show that line.
        named = _NAMED_SEPARATOR.fullmatch(lines[0].strip(" \n"))
        self._names_separator = named is not None
        self._separator = named[1] if named else separator_of(lines)
        self.delimiter: str | None = None if self._separator == ONE_COLUMN else self._separator
        padding = " " if self._separator == "\t" else " \t"
        self._padded = re.compile(rf'(^|{re.escape(self._separator)})[{padding}]+"(?=[^"])')
        self._head = list(islice(self._records(), HEAD_ROWS))
        self.choose()

    def choose(
        self, *, sheet: str | None = None, header_row: int | None = None, hidden: Hidden | None = None
    ) -> tuple[Question, ...]:
        """As :meth:`RowSource.choose`: a text file has no sheets and hides nothing."""
        del hidden
        if sheet is not None:
            raise BadFile("no_sheets", f"a {self.kind.upper()} file has no sheets", "leave the sheet out")
        self.header: Header = find_header(self._head, header_row)
        self.columns: tuple[str, ...] = self.header.names
        return ()

    def _open(self) -> IO[str]:
        # Invalid bytes become U+FFFD, which makes their row a bad one.
        return io.TextIOWrapper(self.path.open("rb"), encoding=self.encoding, errors="replace", newline=None)

    def rows(self) -> Iterator[SourceRow | RowProblem]:
        records = self._records()
        for _ in range(self.header.rows):
            next(records, None)
        columns, width = self.columns, len(self.columns)
        for row in records:
            if isinstance(row, RowProblem) or len(row.cells) == width:
                yield row
            else:
                yield fit_row(row.number, row.cells, columns, row.position)

    def _records(self) -> Iterator[SourceRow | RowProblem]:
        """Every record that is not blank, with its number; blank ones count too."""
        separator = self._separator
        blank = separator + _BLANKS
        may_hold_bad_bytes = self._may_hold_bad_bytes
        padded = self._padded
        with self._open() as text:
            if self._names_separator:
                text.readline(MAX_LINE_LENGTH)
            lines = _LineReader(text, separator)
            number = position = 0
            while line := lines.next():
                number += 1
                if number % _POSITION_EVERY == 1:
                    position = lines.position
                    go_on()
                if not line.strip(blank):
                    continue
                error = None
                quoted = '"' in line
                if quoted:
                    line = padded.sub(r'\1"', line)
                if len(line) >= MAX_LINE_LENGTH:
                    error = _TOO_LARGE
                elif quoted:
                    record = lines.record(line)
                    line, error = (record, None) if record is not None else (line, _OPEN)
                if error is None:
                    if "\0" in line:
                        error = _NUL
                    elif may_hold_bad_bytes and "\ufffd" in line:
                        error = _BYTES
                cells = None
                if error is None:
                    cells = _cells(line, separator) if quoted else tuple(line.removesuffix("\n").split(separator))
                    if cells is None or (len(line) > MAX_CELL and len(max(cells, key=len)) > MAX_CELL):
                        error = _TOO_LARGE
                if error is not None:
                    kept = cells or line[:4000].replace("\0", "").rstrip("\n").split(separator)
                    yield RowProblem(number, "", *error, "", shortened(tuple(kept[:MAX_COLUMNS])))
                elif cells is not None and (not quoted or any(cell.strip() for cell in cells)):
                    yield SourceRow(number, cells, position)


def _cells(record: str, separator: str) -> tuple[str, ...] | None:
    """The cells of a record with quotes; None when a cell exceeds the csv module's limit of 128 KiB."""
    try:
        return tuple(next(csv.reader((record,), delimiter=separator)))
    except csv.Error:
        return None


class _LineReader:
    """Reads lines, and joins those that quotes hold together."""

    def __init__(self, text: IO[str], separator: str) -> None:
        self._text = text
        self._opening = separator + '"'
        self._endings = (separator, "\n", "")
        self._put_back: deque[str] = deque()

    @property
    def position(self) -> int:
        buffer: IO[bytes] = self._text.buffer  # type: ignore[attr-defined]  # a TextIOWrapper
        return buffer.tell()

    def next(self) -> str:
        if self._put_back:
            return self._put_back.popleft()
        line = self._text.readline(MAX_LINE_LENGTH)
        if len(line) >= MAX_LINE_LENGTH and not line.endswith("\n"):
            while (rest := self._text.readline(MAX_LINE_LENGTH)) and not rest.endswith("\n"):
                pass
        return line

    def record(self, line: str) -> str | None:
        """The record that starts with this line; None when its quote is never closed, and then no further line is used."""
        if not self._open_at_end(line, line.startswith('"')):
            return line
        taken: list[str] = []
        size = len(line)
        while size < MAX_RECORD and len(taken) < MAX_LINES and (more := self.next()):
            taken.append(more)
            size += len(more)
            if '"' not in more:
                continue
            closed = self._closes_quote(more)
            if closed is False:
                break
            if closed and not self._open_at_end(more, True, at=0):
                return line + "".join(taken)
        self._put_back.extendleft(reversed(taken))
        return None

    def _open_at_end(self, line: str, inside: bool, at: int = 1) -> bool:
        """Whether a quote is open at the line's end; ``inside`` says whether one is open at ``at``. Cells open quotes."""
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
            at = line.find(self._opening, at) + 2
            if at < 2:
                return False
            inside = True

    def _closes_quote(self, line: str) -> bool | None:
        """Whether a line that starts inside of a quote closes it; None without a closing quote, False in mid-word.

        A stray quote swallows lines until the next cell that starts with a quote, and there it is closed in mid-word.
        """
        at = 0
        while at := line.find('"', at) + 1:
            if line[at : at + 1] != '"':
                return line[at : at + 1] in self._endings
            at += 1
        return None
