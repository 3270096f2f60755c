"""Results as CSV and XLSX: the original columns, and beside them what became of each row. In flat memory."""

import csv
import io
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ...errors import AlodialError
from ..formula_guard import is_formula, safe_cell
from ..records import ResultRow
from ..row_codec import RowProblem

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

DUPLICATE: Final = "duplicate"
"""The code of a row whose number stood in an earlier one."""

REASONS: Final = ("alodial_row", "alodial_column", "alodial_reason", "alodial_remedy")

BLOCK: Final = 64 * 1024
SHEET_ROWS: Final = 1_048_575
"""Data rows of one sheet: what a spreadsheet program holds, without the header."""

SHEET_COLUMNS: Final = 16_384
CELL_UNITS: Final = 32_767
"""What a cell of a workbook holds, in UTF-16 units."""

_CUT: Final = " [cut; the CSV export has all of it]"
_BOM: Final = b"\xef\xbb\xbf"
_NUMBERS: Final = frozenset({"alodial_row", "alodial_attempts", "alodial_talk_seconds"})
_FOREIGN: Final = tuple(
    OURS.index(f"alodial_{name}") for name in ("phones", "disposition", "dialstatus", "reference", "record", "reason")
)
"""What others worded, and phones, which begin with a plus."""

_NOT_IN_XML: Final = dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")


class TooWide(AlodialError):
    """A workbook has no room for so many columns."""

    code = "export_too_wide"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def values_of(row: ResultRow) -> list[str]:
    """Our columns of one row, in the order of :data:`OURS`."""
    told = (
        row.number,
        " / ".join(row.phones),
        row.state,
        row.disposition,
        row.dialstatus,
        row.attempts,
        row.extid,
        row.id,
        row.reference,
        row.last_attempt_at,
        row.answered_at,
        row.talk_seconds,
        row.record,
        row.reason,
    )
    return [_text(value) for value in told]


def names_of(columns: Sequence[str], ours: Sequence[str] = OURS) -> list[str]:
    """The header: the original names, then ours. One of ours that the file has too, as an export that is submitted
    again does, gets a number behind it."""
    taken = {name.strip().casefold() for name in columns}
    names = list(columns)
    for name in ours:
        free, turn = name, 2
        while free in taken:
            free, turn = f"{name}_{turn}", turn + 1
        names.append(free)
    return names


def csv_blocks(rows: Iterable[ResultRow], columns: Sequence[str], *, delimiter: str = ",") -> Iterator[bytes]:
    """UTF-8 with a mark that Excel knows it by, CRLF, blocks of about 64 KiB.

    Cells are guarded (:mod:`.guard`), except those that we word ourselves: states, times and ids. An extid stays plain
    digits, because programs join tables by it.
    """
    width = len(columns)

    def lines() -> Iterator[list[str]]:
        for row in rows:
            ours = values_of(row)
            for at in _FOREIGN:
                if ours[at]:
                    ours[at] = safe_cell(ours[at])
            yield [safe_cell(cell) if cell else cell for cell in _fitted(row.cells, width)] + ours

    return _blocks(names_of(columns), lines(), delimiter)


def _fitted(cells: Sequence[str], width: int) -> Sequence[str]:
    """As many cells as the file has columns, so that ours stand below their names."""
    return cells if len(cells) == width else [*cells, *[""] * width][:width]


def problem_blocks(problems: Iterable[RowProblem], columns: Sequence[str], *, delimiter: str = ",") -> Iterator[bytes]:
    """The rows that were not taken, with their reasons. Mended, the file may be submitted: our columns are not looked at.

    Repeated rows are left out: their number was taken with its first row, and would be rung again.
    """

    def lines() -> Iterator[list[str]]:
        width = len(columns)
        for one in problems:
            if one.code == DUPLICATE:
                continue
            told = (str(one.number), one.column, one.problem, one.remedy)
            yield [safe_cell(cell) for cell in (*_fitted(one.cells, width), *told)]

    return _blocks(names_of(columns, REASONS), lines(), delimiter)


def _blocks(header: list[str], lines: Iterable[list[str]], delimiter: str) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in header])
    first = _BOM
    for line in lines:
        writer.writerow(line)
        if buffer.tell() >= BLOCK:
            yield first + buffer.getvalue().encode("utf-8", "replace")
            first = b""
            buffer.seek(0)
            buffer.truncate()
    yield first + buffer.getvalue().encode("utf-8", "replace")


def write_csv(path: Path, rows: Iterable[ResultRow], columns: Sequence[str], *, delimiter: str = ",") -> None:
    """Writes :func:`csv_blocks` to a file, which has its name only when it is whole."""
    with _whole(path) as part, part.open("wb") as file:
        for block in csv_blocks(rows, columns, delimiter=delimiter):
            file.write(block)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside it that takes its place at the end, with its permissions; nothing is left of one that broke off."""
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


def _legal(text: str) -> str:
    """As XML and a cell can hold it. xlsxwriter writes control characters as ``_x0007_``, which is read back as them."""
    if not text.isascii():
        text = text.translate(_NOT_IN_XML)
    if len(text) > CELL_UNITS // 2 and len(text.encode("utf-16-le")) // 2 > CELL_UNITS:
        kept = text.encode("utf-16-le")[: 2 * (CELL_UNITS - len(_CUT))].decode("utf-16-le", "ignore")
        text = kept + _CUT
    return text


def write_xlsx(path: Path, rows: Iterable[ResultRow], columns: Sequence[str], *, sheet_rows: int = SHEET_ROWS) -> None:
    """A workbook, with further sheets where one is full. Every cell but our counts is text: nothing is evaluated, no digit
    of a phone is lost. What would be calculated when somebody edits the cell carries the workbook's own mark for text.

    Raises TooWide for more columns than a sheet has.
    """
    import xlsxwriter  # noqa: PLC0415  # only an export needs it

    width, header = len(columns), names_of(columns)
    if len(header) > SHEET_COLUMNS:
        raise TooWide(f"a workbook has {SHEET_COLUMNS} columns and the export {len(header)}; export it as CSV")
    counts = frozenset(width + i for i, name in enumerate(OURS) if name in _NUMBERS)
    with _whole(path) as part:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": str(
                part.parent
            ),  # a sheet of a million rows takes 1 GB meanwhile: not where memory poses as a disk
        }
        book = xlsxwriter.Workbook(str(part), options)
        book.use_zip64()
        try:
            write = _Cells(book)
            sheet, at, sheets = _sheet(book, 1, header, write), 1, 1
            for row in rows:
                if at > sheet_rows:
                    sheet.autofilter(0, 0, at - 1, len(header) - 1)
                    sheets += 1
                    sheet, at = _sheet(book, sheets, header, write), 1
                for column, text in enumerate((*_fitted(row.cells, width), *values_of(row))):
                    if not text:
                        continue
                    if column in counts:
                        sheet.write_number(at, column, int(text))
                    else:
                        write(sheet, at, column, text)
                at += 1
            sheet.autofilter(0, 0, at - 1, len(header) - 1)
        finally:
            book.close()  # also when it broke off: its temporary files go


class _Cells:
    """Writes a text as text, whatever it holds."""

    def __init__(self, book: Any) -> None:
        self.bold = book.add_format({"bold": True, "num_format": "@"})
        self._plain = book.add_format({"num_format": "@"})
        self._marked = book.add_format({"num_format": "@", "quote_prefix": True})

    def __call__(self, sheet: Any, row: int, column: int, text: str, look: Any = None) -> None:
        text = _legal(text)
        look = look or (self._marked if is_formula(text) else self._plain)
        if text.startswith("<r>") and text.endswith("</r>"):
            # xlsxwriter takes such a text for markup of its own and writes it unescaped; in pieces it is escaped.
            sheet.write_rich_string(row, column, text[0], look, text[1:], look)
        else:
            sheet.write_string(row, column, text, look)


def _sheet(book: Any, number: int, header: list[str], write: _Cells) -> Any:
    sheet = book.add_worksheet("results" if number == 1 else f"results {number}")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(header):
        if name:
            write(sheet, 0, column, name, write.bold)
    return sheet
