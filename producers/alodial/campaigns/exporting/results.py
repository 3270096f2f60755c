"""Exports results as CSV and XLSX: the original columns, then the outcome of each row. Memory does not grow with the rows."""

import csv
import io
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from ...errors import AlodialError
from ...i18n import Translator
from ..formula_guard import is_formula, safe_cell
from ..records import ResultRow
from .cell_types import typed
from .texts import headings, local_moment

OURS: Final = (
    "alodial_row",
    "alodial_phones",
    "alodial_state",
    "alodial_disposition",
    "alodial_dialstatus",
    "alodial_attempts",
    "alodial_extid",
    "alodial_id",
    "alodial_reference",
    "alodial_last_attempt_at",
    "alodial_answered_at",
    "alodial_talk_seconds",
    "alodial_record",
    "alodial_reason",
)

BLOCK: Final = 64 * 1024
SHEET_ROWS: Final = 1_048_575
"""Data rows of one sheet: the most that a spreadsheet program opens, without the header."""

SHEET_COLUMNS: Final = 16_384
CELL_UNITS: Final = 32_767
"""UTF-16 units of a workbook's cell, at most."""

_CUT: Final = " [cut; the CSV export has all of it]"
BOM: Final = b"\xef\xbb\xbf"
_TIMES: Final = frozenset({"alodial_last_attempt_at", "alodial_answered_at"})
_PHONE: Final = re.compile(r"\+[0-9]{6,15}(?: / \+[0-9]{6,15})*")
"""A number, or several, in a cell that is text: nothing that could be evaluated, and no apostrophe is shown for it."""

_NUMBERS: Final = frozenset({"alodial_row", "alodial_attempts", "alodial_talk_seconds"})
_GUARDED: Final = tuple(
    OURS.index(f"alodial_{name}") for name in ("phones", "disposition", "dialstatus", "reference", "record", "reason")
)
"""Columns with texts from others, and phones, which start with a plus."""

_NOT_IN_XML: Final = dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")


class TooWide(AlodialError):
    """A workbook cannot hold this many columns."""

    code = "export_too_wide"


def values_of(row: ResultRow, texts: Translator | None = None) -> list[str]:
    """The outcome of one row, in the order of :data:`OURS`."""
    state, disposition, last, answered = row.state, row.disposition, row.last_attempt_at, row.answered_at
    if texts is not None:
        state = texts.known("call", state)
        disposition = disposition and texts.known("disposition", disposition)
        last, answered = last and local_moment(texts, last), answered and local_moment(texts, answered)
    values = (
        row.number,
        " / ".join(row.phones),
        state,
        disposition,
        row.dialstatus,
        row.attempts,
        row.extid,
        row.id,
        row.reference,
        last,
        answered,
        row.talk_seconds,
        row.record,
        row.reason,
    )
    return ["" if value is None else str(value) for value in values]


def header_names(columns: Sequence[str], ours: Sequence[str] = OURS) -> list[str]:
    """The original names, then ours. A name that the file has too, because it is an earlier export, gets a number."""
    taken = {name.strip().casefold() for name in columns}
    names = list(columns)
    for name in ours:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        names.append(free)
    return names


SEPARATORS: Final = {",": ",", ";": ";", "|": "|", "tab": "\t"}
"""The separators that a CSV may be exported with, by the name that a person types; all are read back."""


def csv_blocks(
    rows: Iterable[ResultRow], columns: Sequence[str], *, delimiter: str = ",", texts: Translator | None = None
) -> Iterator[bytes]:
    """CSV in blocks of about 64 KiB: UTF-8 with the mark that Excel expects, CRLF.

    Cells are guarded against formulas (:mod:`..formula_guard`), except states, times and ids. An extid stays plain digits,
    because programs join tables by it.
    """
    width = len(columns)

    def lines() -> Iterator[list[str]]:
        for row in rows:
            ours = values_of(row, texts)
            for at in _GUARDED:
                if ours[at]:
                    ours[at] = safe_cell(ours[at])
            yield [safe_cell(cell) if cell else cell for cell in fit_cells(row.cells, width)] + ours

    return csv_blocks_of(header_names(columns, _headings(texts)), lines(), delimiter)


def _headings(texts: Translator | None) -> Sequence[str]:
    return OURS if texts is None else headings(texts, OURS)


def fit_cells(cells: Sequence[str], width: int) -> Sequence[str]:
    """As many cells as the file has columns, so that ours stay below their names."""
    return cells if len(cells) == width else [*cells, *[""] * width][:width]


def csv_blocks_of(header: list[str], lines: Iterable[list[str]], delimiter: str) -> Iterator[bytes]:
    """A header and lines as blocks of CSV; only the header is guarded here."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in header])
    mark = BOM
    for line in lines:
        writer.writerow(line)
        if buffer.tell() >= BLOCK:
            yield mark + buffer.getvalue().encode("utf-8", "replace")
            mark = b""
            buffer.seek(0)
            buffer.truncate()
    yield mark + buffer.getvalue().encode("utf-8", "replace")


def write_csv(
    path: Path,
    rows: Iterable[ResultRow],
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    texts: Translator | None = None,
) -> None:
    """Writes :func:`csv_blocks` to a file, which appears under its name only when it is complete."""
    with _complete_file(path) as part, part.open("wb") as file:
        for block in csv_blocks(rows, columns, delimiter=delimiter, texts=texts):
            file.write(block)


@contextmanager
def _complete_file(path: Path) -> Iterator[Path]:
    """A temporary file that replaces ``path`` at the end, with the same permissions, and is deleted after an error."""
    if path.exists() and not path.is_file():
        yield path  # a pipe or a device cannot be replaced
        return
    part = path.with_name(f"{path.name}.part")
    try:
        part.touch()
        if path.exists():
            shutil.copymode(path, part)
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _cell_text(text: str) -> str:
    """The text as XML and a cell can hold it. xlsxwriter escapes control characters as ``_x0007_``; readers undo that."""
    if not text.isascii():
        text = text.translate(_NOT_IN_XML)
    if len(text) > CELL_UNITS // 2 and len(text.encode("utf-16-le")) // 2 > CELL_UNITS:
        kept = text.encode("utf-16-le")[: 2 * (CELL_UNITS - len(_CUT))].decode("utf-16-le", "ignore")
        text = kept + _CUT
    return text


def write_xlsx(
    path: Path,
    rows: Iterable[ResultRow],
    columns: Sequence[str],
    *,
    sheet_rows: int = SHEET_ROWS,
    texts: Translator | None = None,
    zone: tzinfo = UTC,
) -> None:
    """Writes a workbook, with a further sheet whenever one is full. Its times are dates, in ``zone``.

    Our counts, and the file's own numbers of up to eight digits, decimals and dates are what they are, shown as they were
    written; every other cell is text, so that nothing is evaluated and no digit of a phone is lost. A text that would become a
    formula when somebody edits the cell carries the workbook's own mark for text. Raises TooWide for too many columns.
    """
    width, header = len(columns), header_names(columns, _headings(texts))
    if len(header) > SHEET_COLUMNS:
        raise TooWide(f"a workbook has {SHEET_COLUMNS} columns and the export {len(header)}; export it as CSV")
    counts = frozenset(width + i for i, name in enumerate(OURS) if name in _NUMBERS)
    times = {width + i: name.removeprefix("alodial_") for i, name in enumerate(OURS) if name in _TIMES}
    title = "results" if texts is None else texts("export.sheet")

    def cells(row: ResultRow) -> Iterator[Cell]:
        for column, text in enumerate((*fit_cells(row.cells, width), *values_of(row, texts))):
            if text and column in counts:
                yield int(text)
            elif text and column < width:
                yield typed(text) or text
            elif text and column in times:
                yield datetime.fromisoformat(getattr(row, times[column])).astimezone(zone).replace(tzinfo=None)
            else:
                yield text

    write_table(path, header, map(cells, rows), title=title, sheet_rows=sheet_rows)


Cell = str | int | datetime | tuple[float | datetime, str]
"""A value of a workbook: a text that stays text, a count, a local time without its zone, or a value with its number format."""


def write_table(
    path: Path, header: list[str], rows: Iterable[Iterable[Cell]], *, title: str, sheet_rows: int = SHEET_ROWS
) -> None:
    """Writes a workbook of typed cells below a header; ``title`` names its sheet, an empty text is an empty cell."""
    import xlsxwriter  # noqa: PLC0415  # only an export needs it

    with _complete_file(path) as part:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            # A sheet of a million rows takes 1 GB meanwhile: not in a temporary folder that is in memory.
            "tmpdir": str(part.parent),
        }
        book = xlsxwriter.Workbook(str(part), options)
        book.use_zip64()
        try:
            write = _CellWriter(book)
            sheet, at, sheets = _sheet(book, title, 1, header, write), 1, 1
            for row in rows:
                if at > sheet_rows:
                    sheet.autofilter(0, 0, at - 1, len(header) - 1)
                    sheets += 1
                    sheet, at = _sheet(book, title, sheets, header, write), 1
                for column, value in enumerate(row):
                    if isinstance(value, int):
                        sheet.write_number(at, column, value)
                    elif isinstance(value, datetime):
                        sheet.write_datetime(at, column, value, write.moment)
                    elif isinstance(value, tuple):
                        write.typed(sheet, at, column, *value)
                    elif value:
                        write(sheet, at, column, value)
                at += 1
            sheet.autofilter(0, 0, at - 1, len(header) - 1)
        finally:
            book.close()  # after an error too: it deletes its temporary files


class _CellWriter:
    """Writes any text as text, and numbers and dates as what they are."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self.bold = book.add_format({"bold": True, "num_format": "@"})
        self.moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._plain = book.add_format({"num_format": "@"})
        self._marked = book.add_format({"num_format": "@", "quote_prefix": True})

        self._formats: dict[str, Any] = {}

    def typed(self, sheet: Any, row: int, column: int, value: float | datetime, number_format: str) -> None:
        """Writes a number or a date in a format of numbers."""
        style = self._formats.get(number_format)
        if style is None:
            style = self._formats[number_format] = self._book.add_format({"num_format": number_format})
        if isinstance(value, datetime):
            sheet.write_datetime(row, column, value, style)
        else:
            sheet.write_number(row, column, value, style)

    def __call__(self, sheet: Any, row: int, column: int, text: str, style: Any = None) -> None:
        text = _cell_text(text)
        style = style or (self._marked if is_formula(text) and not _PHONE.fullmatch(text) else self._plain)
        if text.startswith("<r>") and text.endswith("</r>"):
            # xlsxwriter treats such a text as markup and does not escape it; it escapes the pieces of a rich string.
            sheet.write_rich_string(row, column, text[0], style, text[1:], style)
        else:
            sheet.write_string(row, column, text, style)


def _sheet(book: Any, title: str, number: int, header: list[str], write: _CellWriter) -> Any:
    sheet = book.add_worksheet(title if number == 1 else f"{title} {number}")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(header):
        if name:
            write(sheet, 0, column, name, write.bold)
    return sheet
