"""XLSX, read as a stream: a million rows take no more memory than ten. Read first: archive.py."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...errors import BadFile
from .detect import fingerprint
from .source import MAX_COLUMNS, RowFault, SourceRow, fitted, header_of, letters, looks_like_phone
from .xlsx_archive import (
    BROKEN,
    MAX_DEPTH,
    ArchivePart,
    ElementReader,
    RelationReader,
    disk_full,
    open_archive,
    zip_bomb,
)
from .xlsx_strings import MAX_TEXT, SharedStrings
from .xlsx_styles import date_styles, date_text

_LAST_COLUMN: Final = 16_384
_DIGITS: Final = "0123456789"
_AGAIN: Final = "save it once more as .xlsx or as CSV"


class XlsxFile:
    """The first visible sheet with rows of an .xlsx. Raises BadFile for an archive that is broken, hostile or no workbook."""

    kind = "xlsx"
    encoding: str | None = None
    delimiter = None

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.size: int | None = path.stat().st_size
        self.fingerprint = fingerprint(path)
        try:
            with open_archive(path) as archive:
                first = self._find(archive)
        except BadFile:
            raise
        except BROKEN as exc:
            if disk_full(exc):
                raise
            raise BadFile("broken_xlsx", "the file is no whole XLSX file", _AGAIN) from exc
        if isinstance(first, RowFault):
            raise BadFile(first.code, f"row {first.number} {first.problem}", first.remedy)
        self.columns, self._header = header_of(first.cells)

    def _find(self, archive: zipfile.ZipFile) -> SourceRow | RowFault:
        workbook = RelationReader(archive, "").first("officeDocument", "xl/workbook.xml")
        if workbook not in archive.NameToInfo:
            raise BadFile("not_a_table", "the file is an archive, and no Excel workbook", "give CSV, XLSX or NDJSON")
        relations = RelationReader(archive, workbook)
        elements = ElementReader(archive, workbook, "sheet", "workbookPr")
        self._strings = SharedStrings(archive, relations.first("sharedStrings", "xl/sharedStrings.xml"))
        self._dates = date_styles(archive, relations.first("styles", "xl/styles.xml"))
        self._from_1904 = any(one.get("date1904") in ("1", "true") for one in elements.of("workbookPr"))
        for sheet in elements.of("sheet"):
            kind, self._part = relations.by_id.get(sheet.get("id", ""), ("", ""))
            if kind == "worksheet" and sheet.get("state", "visible") == "visible" and self._part in archive.NameToInfo:
                self.sheet: str | None = sheet.get("name", "")
                first = next(self._rows(archive), None)
                if first is not None:
                    return first
        raise BadFile("empty_file", "the file has no rows", "give a header and a row for each call")

    def rows(self) -> Iterator[SourceRow | RowFault]:
        size = self.size or 0
        try:
            with open_archive(self.path) as archive:
                rows = self._rows(archive)
                if self._header:
                    next(rows, None)
                for row in rows:
                    if isinstance(row, RowFault):
                        yield row
                    else:
                        yield fitted(row.number, row.cells, self.columns, row.position * size // 1_000_000)
        except BadFile:
            raise
        except BROKEN as exc:
            if disk_full(exc):
                raise
            raise BadFile("broken_xlsx", "the file breaks off in the middle", _AGAIN) from exc

    def _rows(self, archive: zipfile.ZipFile) -> Iterator[SourceRow | RowFault]:
        """Rows that are not empty; ``position`` in millionths of the sheet."""
        reader = _SheetReader(self._strings, self._dates, self._from_1904)
        stream = ArchivePart(archive, self._part, start=reader.start, end=reader.end, data=reader.data)
        more = True
        while more:
            more = stream.feed()
            position = int(stream.share * 1_000_000)
            for number, cells, too_wide in reader.take():
                if too_wide:
                    problem = f"has cells behind column {letters(MAX_COLUMNS - 1)}"
                    yield RowFault(
                        number, "", "too_many_cells", problem, f"leave {MAX_COLUMNS} columns", tuple(cells[:20])
                    )
                else:
                    yield SourceRow(number, tuple(cells), position)


class _SheetReader:
    """Makes rows of a sheet's tags."""

    def __init__(self, strings: SharedStrings, dates: frozenset[str], from_1904: bool) -> None:
        self._strings = strings
        self._dates = dates
        self._from_1904 = from_1904
        self._ready: list[tuple[int, list[str], bool]] = []
        self._places: dict[str, int] = {}
        self._cells: list[str] = []
        self._text: list[str] = []
        self._formula: str | None = None
        self._kind = "n"
        self._style: str | None = None
        self._row = self._at = self._length = self._depth = 0
        self._catching = ""
        self._prefix = self._c = self._v = self._r = ""
        self._too_wide = False

    def take(self) -> list[tuple[int, list[str], bool]]:
        ready, self._ready = self._ready, []
        return ready

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == self._c:
            reference = attributes.get("r")
            self._at = self._at + 1 if reference is None else self._place(reference)
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s")
            self._formula = None
            if self._text:
                self._text.clear()
            self._length = 0
        elif name == self._v:
            self._catching = "v"
        elif name == self._r:
            told = attributes.get("r", "")
            self._row = int(told) if told.isdecimal() and len(told) < 9 else self._row + 1
            self._cells = []
            self._at = -1
            self._too_wide = False
        elif self._depth == 1:
            prefix = name.rpartition(":")[0]
            self._prefix = f"{prefix}:" if prefix else ""
            self._c, self._v, self._r = (f"{self._prefix}{tag}" for tag in ("c", "v", "row"))
        elif name == f"{self._prefix}t":
            self._catching = "v"
        elif name == f"{self._prefix}f":
            self._catching = "f"
            self._formula = "="
        elif self._depth > MAX_DEPTH:
            raise zip_bomb(f"XML deeper than {MAX_DEPTH}")

    def end(self, name: str) -> None:
        self._depth -= 1
        self._catching = ""
        if name == self._c:
            if self._text or self._formula is not None:
                self._keep(self._value())
        elif name == self._r and (self._too_wide or any(cell and not cell.isspace() for cell in self._cells)):
            self._ready.append((self._row, self._cells, self._too_wide))
            self._cells = []

    def data(self, piece: str) -> None:
        if self._catching == "v":
            if self._length <= MAX_TEXT:
                self._length += len(piece)
                self._text.append(piece)
        elif self._catching == "f" and self._formula is not None and len(self._formula) < 200:
            self._formula += piece[:200]

    def _place(self, reference: str) -> int:
        """ "C7" is column 2."""
        word = reference.rstrip(_DIGITS)
        at = self._places.get(word)
        if at is None:
            at = 0
            for letter in word[:4]:
                at = at * 26 + ord(letter) - 64 if "A" <= letter <= "Z" else _LAST_COLUMN + 1
            at = min(at, _LAST_COLUMN + 1) - 1
            if len(self._places) < _LAST_COLUMN:
                self._places[word] = at
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
            # What a formula came to is taken as the cell's text, but nobody is rung by it: it may be old, or meant otherwise.
            return self._formula
        return value


def number_text(text: str) -> str:
    """A cell's number as it would be shown: 998901234567.0 and 9.98901234567E11 are 998901234567, with no digit made up.

    9.98901E11 stays as it is: six of a phone's digits were lost somewhere, and zeros stand for them.
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
