"""Results as CSV and XLSX: the original columns, and beside them what became of each row. In flat memory."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from .guard import safe_cell
from .pack import RowProblem
from .records import ResultRow

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

REASONS: Final = ("alodial_row", "alodial_column", "alodial_reason", "alodial_remedy")

BLOCK: Final = 64 * 1024
SHEET_ROWS: Final = 1_048_575
"""Data rows of one sheet: what a spreadsheet program holds, without the header."""

_BOM: Final = b"\xef\xbb\xbf"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def values_of(row: ResultRow) -> list[str]:
    """Our columns of one row, in the order of :data:`OURS`."""
    told = (
        row.number,
        ", ".join(row.phones),
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


def csv_blocks(rows: Iterable[ResultRow], columns: Sequence[str], *, delimiter: str = ",") -> Iterator[bytes]:
    """UTF-8 with a mark that Excel knows it by, CRLF, blocks of about 64 KiB."""
    return _blocks([*columns, *OURS], ([*row.cells, *values_of(row)] for row in rows), delimiter)


def problem_blocks(problems: Iterable[RowProblem], columns: Sequence[str], *, delimiter: str = ",") -> Iterator[bytes]:
    """The rows that were not taken, with their reasons. Mended, the file may be submitted: our columns are not looked at."""

    def lines() -> Iterator[list[str]]:
        width = len(columns)
        for one in problems:
            cells = [*one.cells, *[""] * width][:width]
            yield [*cells, str(one.number), one.column, one.problem, one.remedy]

    return _blocks([*columns, *REASONS], lines(), delimiter)


def _blocks(header: list[str], lines: Iterable[list[str]], delimiter: str) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in header])
    first = _BOM
    for line in lines:
        writer.writerow([safe_cell(cell) for cell in line])
        if buffer.tell() >= BLOCK:
            yield first + buffer.getvalue().encode("utf-8", "replace")
            first = b""
            buffer.seek(0)
            buffer.truncate()
    yield first + buffer.getvalue().encode("utf-8", "replace")


def write_csv(path: Path, rows: Iterable[ResultRow], columns: Sequence[str], *, delimiter: str = ",") -> None:
    with path.open("wb") as file:
        for block in csv_blocks(rows, columns, delimiter=delimiter):
            file.write(block)


def _legal(text: str) -> str:
    """Without what XML cannot hold; at most what a cell can."""
    if text.isprintable():
        return text[:32_767]
    kept = (
        c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
    )
    return "".join(kept)[:32_767]


def write_xlsx(path: Path, rows: Iterable[ResultRow], columns: Sequence[str], *, sheet_rows: int = SHEET_ROWS) -> None:
    """Every cell is text, so that nothing is evaluated and no digit of a phone is lost. Further sheets where one is full."""
    import xlsxwriter  # noqa: PLC0415  # only an export needs it

    header = [*columns, *OURS]
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True})
        source = iter(rows)
        sheet, at, number = None, 0, 0
        for row in source:
            if sheet is None or at > sheet_rows:
                number += 1
                sheet, at = _sheet(book, number, header, bold), 1
            for column, text in enumerate([*row.cells, *values_of(row)]):
                if text:
                    sheet.write_string(at, column, _legal(text))
            at += 1
        if sheet is None:
            _sheet(book, 1, header, bold)


def _sheet(book: Any, number: int, header: list[str], bold: Any) -> Any:
    sheet = book.add_worksheet("results" if number == 1 else f"results {number}")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(header):
        sheet.write_string(0, column, _legal(name), bold)
    return sheet
