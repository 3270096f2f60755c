"""Reads XLSX as a stream: a million rows take no more memory than ten. Read first: xlsx_archive.py."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...errors import BadFile
from ...row_codec import RowProblem
from .detect import fingerprint
from .source import MAX_COLUMNS, SourceRow, fit_row, header_of, letters, looks_like_phone
from .xlsx_archive import MAX_DEPTH, ArchivePart, ElementReader, RelationReader, open_archive, zip_bomb
from .xlsx_strings import MAX_TEXT, SharedStrings
from .xlsx_styles import date_styles, date_text

_LAST_COLUMN: Final = 16_384
_DIGITS: Final = "0123456789"


class XlsxFile:
    """A :class:`RowSource` of the first visible sheet with rows.

    Raises BadFile for an archive that is broken, hostile or not a workbook, also while the rows are read.
    """

    kind = "xlsx"
    encoding: str | None = None
    delimiter: str | None = None

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.size = path.stat().st_size
        self.fingerprint = fingerprint(path)
        with open_archive(path) as archive:
            self.columns, self._header = header_of(self._first_row(archive))

    def _first_row(self, archive: zipfile.ZipFile) -> SourceRow | RowProblem | None:
        """Chooses the sheet, and reads the texts and date styles that its cells refer to."""
        workbook = RelationReader(archive, "").first("officeDocument", "xl/workbook.xml")
        if workbook not in archive.NameToInfo:
            raise BadFile(
                "not_a_table", "the file is an archive, but not an Excel workbook", "give CSV, XLSX or NDJSON"
            )
        relations = RelationReader(archive, workbook)
        elements = ElementReader(archive, workbook, "sheet", "workbookPr")
        self._strings = SharedStrings(archive, relations.first("sharedStrings", "xl/sharedStrings.xml"))
        self._dates = date_styles(archive, relations.first("styles", "xl/styles.xml"))
        self._from_1904 = any(options.get("date1904") in ("1", "true") for options in elements.of("workbookPr"))
        for sheet in elements.of("sheet"):
            kind, self._part = relations.by_id.get(sheet.get("id", ""), ("", ""))
            if kind == "worksheet" and sheet.get("state", "visible") == "visible" and self._part in archive.NameToInfo:
                self.sheet: str | None = sheet.get("name", "")
                first = next(self._rows(archive), None)
                if first is not None:
                    return first
        return None

    def rows(self) -> Iterator[SourceRow | RowProblem]:
        with open_archive(self.path, broken="the file ends in the middle") as archive:
            rows = self._rows(archive)
            if self._header:
                next(rows, None)
            for row in rows:
                if isinstance(row, RowProblem):
                    yield row
                else:
                    yield fit_row(row.number, row.cells, self.columns, row.position * self.size // 1_000_000)

    def _rows(self, archive: zipfile.ZipFile) -> Iterator[SourceRow | RowProblem]:
        """The rows that are not empty; ``position`` in millionths of the sheet."""
        reader = _SheetReader(self._strings, self._dates, self._from_1904)
        stream = ArchivePart(archive, self._part, start=reader.start, end=reader.end, data=reader.data)
        more = True
        while more:
            more = stream.feed()
            position = int(stream.share * 1_000_000)
            for number, cells, too_wide in reader.take():
                if too_wide:
                    problem = f"has cells behind column {letters(MAX_COLUMNS - 1)}"
                    remedy = f"leave {MAX_COLUMNS} columns"
                    yield RowProblem(number, "", "too_many_cells", problem, remedy, "", tuple(cells[:20]))
                else:
                    yield SourceRow(number, tuple(cells), position)


class _SheetReader:
    """Builds rows from a sheet's tags; ``start``, ``end`` and ``data`` are expat's handlers."""

    def __init__(self, strings: SharedStrings, dates: frozenset[str], from_1904: bool) -> None:
        self._strings = strings
        self._dates = dates
        self._from_1904 = from_1904
        self._ready: list[tuple[int, list[str], bool]] = []
        self._column_of: dict[str, int] = {}
        self._cells: list[str] = []
        self._text: list[str] = []
        self._formula: str | None = None
        self._kind = "n"
        self._style: str | None = None
        self._row = self._at = self._length = self._depth = 0
        self._collects = ""
        self._prefix = self._c = self._v = self._r = ""
        self._too_wide = False

    def take(self) -> list[tuple[int, list[str], bool]]:
        """The rows that were completed since the last call: number, cells, whether there were too many."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == self._c:
            reference = attributes.get("r")
            self._at = self._at + 1 if reference is None else self._column(reference)
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s")
            self._formula = None
            if self._text:
                self._text.clear()
            self._length = 0
        elif name == self._v:
            self._collects = "v"
        elif name == self._r:
            row = attributes.get("r", "")
            self._row = int(row) if row.isdecimal() and len(row) < 9 else self._row + 1
            self._cells = []
            self._at = -1
            self._too_wide = False
        elif self._depth == 1:
            prefix = name.rpartition(":")[0]
            self._prefix = f"{prefix}:" if prefix else ""
            self._c, self._v, self._r = (f"{self._prefix}{tag}" for tag in ("c", "v", "row"))
        elif name == f"{self._prefix}t":
            self._collects = "v"
        elif name == f"{self._prefix}f":
            self._collects = "f"
            self._formula = "="
        elif self._depth > MAX_DEPTH:
            raise zip_bomb(f"XML deeper than {MAX_DEPTH}")

    def end(self, name: str) -> None:
        self._depth -= 1
        self._collects = ""
        if name == self._c:
            if self._text or self._formula is not None:
                self._keep(self._value())
        elif name == self._r and (self._too_wide or any(cell and not cell.isspace() for cell in self._cells)):
            self._ready.append((self._row, self._cells, self._too_wide))
            self._cells = []

    def data(self, piece: str) -> None:
        if self._collects == "v":
            if self._length <= MAX_TEXT:
                self._length += len(piece)
                self._text.append(piece)
        elif self._collects == "f" and self._formula is not None and len(self._formula) < 200:
            self._formula += piece[:200]

    def _column(self, reference: str) -> int:
        """ "C7" is column 2."""
        name = reference.rstrip(_DIGITS)
        at = self._column_of.get(name)
        if at is None:
            at = 0
            for letter in name[:4]:
                at = at * 26 + ord(letter) - 64 if "A" <= letter <= "Z" else _LAST_COLUMN + 1
            at = min(at, _LAST_COLUMN + 1) - 1
            if len(self._column_of) < _LAST_COLUMN:
                self._column_of[name] = at
        return at

    def _keep(self, value: str) -> None:
        cells = self._cells
        missing = self._at - len(cells)
        if not value or self._at < 0:
            return
        if self._at >= MAX_COLUMNS:
            self._too_wide = True
        elif missing >= 0:
            if missing:
                cells.extend([""] * missing)
            cells.append(value)
        else:
            cells[self._at] = value

    def _value(self) -> str:
        text = self._text[0] if len(self._text) == 1 else "".join(self._text)
        kind = self._kind
        if kind == "s":
            value = self._strings[int(text)] if text.isdecimal() and len(text) < 10 else ""
        elif kind == "n":
            if self._style in self._dates:
                value = date_text(text, from_1904=self._from_1904)
            else:
                value = text if text.isdecimal() and text.isascii() else number_text(text)
        elif kind == "b":
            value = "true" if text == "1" else "false"
        else:
            value = text
        if self._formula is not None and (not value or looks_like_phone(value)):
            # A formula's cached result is the cell's text, but never a phone to ring: it may be outdated.
            return self._formula
        return value


def number_text(text: str) -> str:
    """A cell's number as a spreadsheet program shows it: 998901234567.0 and 9.98901234567E11 are 998901234567.

    9.98901E11 stays unchanged: six of a phone's digits were lost, and zeros would hide that.
    """
    text = text.strip()
    mantissa, exponential, exponent = text.upper().partition("E")
    whole, _, fraction = mantissa.partition(".")
    digits = whole.removeprefix("-")
    if not (digits + fraction).isdecimal() or not text.isascii() or len(text) > 40:
        return text
    fraction = fraction.rstrip("0")
    if not exponential:
        if not fraction:
            return whole
        return f"{float(text):.15g}" if len(digits) + len(fraction) > 15 and len(digits) < 15 else text
    places = exponent.removeprefix("+")
    if not places.isdecimal() or len(places) > 2:
        return text
    zeros = int(places) - len(fraction)
    if zeros > 0 and int(places) >= 8:
        return text
    if zeros >= 0:
        return f"{whole}{fraction}{'0' * zeros}"
    return f"{whole}{fraction[: int(places)]}.{fraction[int(places) :]}"
