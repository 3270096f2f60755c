"""A workbook as a source of rows: chooses the sheet, the header and the visible rows. Read first: xlsx_sheet.py."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from ....i18n import Message
from ...errors import BadFile
from ...row_codec import RowProblem
from ..cell_shapes import is_plausible, letters
from ..header_words import CERTAIN, meaning
from ..interruption import go_on
from ..questions import Choice, Question
from .detect import fingerprint
from .header_row import HEAD_ROWS, HeadRow, find_header
from .ods_sheet import CONTENT, OdsReader
from .source import MAX_COLUMNS, UNNAMED_REMEDY, Header, Hidden, SourceRow, fit_row
from .xlsx_archive import ArchivePart, ElementReader, RelationReader, broken_xlsx, open_archive, part_key
from .xlsx_sheet import ReadRow, SheetReader
from .xlsx_strings import SharedStrings
from .xlsx_styles import shown_styles

MAX_SHEETS: Final = 200
"""Sheets whose first rows are read to find the phones."""


_WORKBOOK: Final = {
    "sheet": ("name", "id", "state"),
    "workbookPr": ("date1904",),
    "workbookView": ("activeTab",),
}
"""What is read of the workbook's own part."""


class _Sheet(NamedTuple):
    """A sheet with its first rows, read only where they are needed."""

    name: str
    part: str
    visible: bool
    active: bool
    head: tuple[HeadRow, ...] = ()

    @property
    def phones(self) -> bool:
        """Whether a heading or a cell with an operator's code shows that the sheet has phones."""
        if not self.head or isinstance(self.head[0], RowProblem):
            return False
        header = find_header(self.head, counted=True)
        found = map(meaning, header.names)
        named = any(one.field == "phone" and one.certainty == CERTAIN for one in found)
        return bool(header.samples) and (named or any(is_plausible(cell) for row in header.samples for cell in row))


class XlsxFile:
    """A :class:`RowSource` of one sheet: the one that has phones, or the one that the caller names.

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
        self.hidden_rows = 0
        self._hidden: Hidden | None = None
        with self._archive() as archive:
            self._open(archive)
            self._sheets = [
                sheet._replace(head=tuple(islice(self._head(archive, sheet.part), HEAD_ROWS)))
                if sheet.visible
                else sheet
                for sheet in self._listed(archive)
            ]
        self.sheets = tuple(sheet.name for sheet in self._sheets if sheet.visible and sheet.head)
        self.choose()

    def _archive(self, **options: str) -> AbstractContextManager[zipfile.ZipFile]:
        return open_archive(self.path, **options)

    def _open(self, archive: zipfile.ZipFile) -> None:
        """Reads the texts and styles that cells refer to."""
        workbook = RelationReader(archive, "").first("officeDocument", "xl/workbook.xml")
        if part_key(workbook) not in archive.NameToInfo:
            raise BadFile(
                "not_a_table", "the file is an archive, but not an Excel workbook", "give CSV, XLSX, ODS or NDJSON"
            )
        self._relations = RelationReader(archive, workbook)
        self._workbook = ElementReader(archive, workbook, _WORKBOOK)
        self._strings = SharedStrings(archive, self._relations.first("sharedStrings", "xl/sharedStrings.xml"))
        self._styles = shown_styles(archive, self._relations.first("styles", "xl/styles.xml"))
        self._from_1904 = any(options.get("date1904") in ("1", "true") for options in self._workbook.of("workbookPr"))

    def _listed(self, archive: zipfile.ZipFile) -> list[_Sheet]:
        views = self._workbook.of("workbookView")
        active = views[0].get("activeTab", "0") if views else "0"
        sheets = []
        for at, sheet in enumerate(self._workbook.of("sheet")[:MAX_SHEETS]):
            kind, part = self._relations.by_id.get(sheet.get("id", ""), ("", ""))
            name = sheet.get("name", "")
            if kind not in ("worksheet", ""):
                continue
            if part_key(part) not in archive.NameToInfo:
                raise broken_xlsx(f"the sheet {name[:40]!r} is not in the file")
            sheets.append(_Sheet(name, part, sheet.get("state", "visible") == "visible", active == str(at)))
        return sheets

    def choose(
        self, *, sheet: str | None = None, header_row: int | None = None, hidden: Hidden | None = None
    ) -> tuple[Question, ...]:
        """As :meth:`RowSource.choose`."""
        self._hidden = hidden
        questions: tuple[Question, ...] = ()
        if sheet is None:
            chosen, questions = self._choose()
        else:
            chosen = self._named(sheet)
        self.sheet: str | None = chosen.name if chosen.head else None
        self._part = chosen.part
        self.header: Header = find_header(sorted(chosen.head, key=lambda row: row.number), header_row, counted=True)
        self.columns: tuple[str, ...] = self.header.names
        return questions

    def _choose(self) -> tuple[_Sheet, tuple[Question, ...]]:
        filled = [sheet for sheet in self._sheets if sheet.visible and sheet.head]
        if not filled:
            raise BadFile("empty_file", "the file has no rows", "give a header and a row for each call")
        with_phones = [sheet for sheet in filled if sheet.phones]
        candidates = with_phones or filled
        chosen = next((sheet for sheet in candidates if sheet.active), candidates[0])
        if len(with_phones) < 2:
            return chosen, ()
        return chosen, (_which_sheet(with_phones),)

    def _named(self, name: str) -> _Sheet:
        plain = name.strip().casefold()
        found = [sheet for sheet in self._sheets if sheet.name == name or sheet.name.strip().casefold() == plain]
        for sheet in found[:1]:
            with self._archive() as archive:
                return sheet._replace(head=tuple(islice(self._head(archive, sheet.part), HEAD_ROWS)))
        listed = ", ".join(repr(sheet.name) for sheet in self._sheets[:20])
        raise BadFile("no_sheet", f"there is no sheet {name[:60]!r}", f"the file has {listed}")

    def rows(self) -> Iterator[SourceRow | RowProblem]:
        header, columns, keeps = self.header.number, self.columns, self._hidden == "keep"
        self.hidden_rows = 0
        with self._archive(broken="the file ends in the middle") as archive:
            for row, position in self._rows(archive, self._part):
                if row.number <= header:
                    continue
                if row.hidden:
                    self.hidden_rows += 1
                    if not keeps:
                        continue
                record = _record(row, position * self.size // 1_000_000)
                if isinstance(record, SourceRow):
                    record = fit_row(record.number, record.cells, columns, record.position, UNNAMED_REMEDY)
                yield record

    def _head(self, archive: zipfile.ZipFile, part: str) -> Iterator[HeadRow]:
        return (_record(row, 0) for row, _ in self._rows(archive, part))

    def _rows(self, archive: zipfile.ZipFile, part: str) -> Iterator[tuple[ReadRow, int]]:
        """The rows that are not empty, with the position in millionths of the sheet."""
        reader = SheetReader(self._strings, self._styles, self._from_1904)
        stream = ArchivePart(archive, part, start=reader.start, end=reader.end, data=reader.data)
        more = True
        while more:
            go_on()
            more = stream.feed()
            position = int(stream.share * 1_000_000)
            for row in reader.take():
                yield row, position


class OdsFile(XlsxFile):
    """A :class:`RowSource` of one table of an OpenDocument file, chosen as a workbook's sheet is."""

    kind = "ods"

    def _archive(self, **options: str) -> AbstractContextManager[zipfile.ZipFile]:
        return open_archive(self.path, known=CONTENT, **options)

    def _open(self, archive: zipfile.ZipFile) -> None:
        """Nothing is shared between the cells of this format."""

    def _listed(self, archive: zipfile.ZipFile) -> list[_Sheet]:
        reader = OdsReader(-1)
        stream = ArchivePart(archive, CONTENT, start=reader.start, end=reader.end, data=reader.data)
        while stream.feed():
            go_on()
        return [_Sheet(name, str(at), True, False) for at, name in enumerate(reader.tables)]

    def _rows(self, archive: zipfile.ZipFile, part: str) -> Iterator[tuple[ReadRow, int]]:
        reader = OdsReader(int(part))
        stream = ArchivePart(archive, CONTENT, start=reader.start, end=reader.end, data=reader.data)
        more = True
        while more and not reader.finished:
            go_on()
            more = stream.feed()
            position = int(stream.share * 1_000_000)
            for row in reader.take():
                yield row, position


def _record(row: ReadRow, position: int) -> HeadRow:
    if row.too_wide:
        problem = f"has cells behind column {letters(MAX_COLUMNS - 1)}"
        remedy = f"leave {MAX_COLUMNS} columns"
        return RowProblem(row.number, "", "too_many_cells", problem, remedy, "", tuple(row.cells[:20]))
    return SourceRow(row.number, tuple(row.cells), position)


def _which_sheet(sheets: Sequence[_Sheet]) -> Question:
    named = ", ".join(f"“{sheet.name}”" for sheet in sheets)
    choices = tuple(Choice("sheet", sheet.name, _first_rows(sheet)) for sheet in sheets)
    return Question("sheet_unclear", Message("question.sheets", {"sheets": named}), choices)


def _first_rows(sheet: _Sheet) -> str:
    rows = [row.cells for row in sheet.head[:3] if isinstance(row, SourceRow)]
    return " / ".join(", ".join(cell for cell in cells if cell)[:60] for cells in rows)
