"""Workbooks that openpyxl writes, and its reading of ours: a second opinion on every cell."""

import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from file_harness import as_text, read, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile

FIRST, LAST = datetime(1901, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001  # a spreadsheet's days are on no clock
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12)
CELLS = st.one_of(
    TEXTS,
    st.integers(-(10**11), 10**12),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3)),
    st.datetimes(FIRST, LAST).map(lambda moment: moment.replace(microsecond=0, second=0)),
    st.booleans(),
    st.none(),
)
TABLES = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6)
HEADER = ["Телефон", "Имя", "Сумма"]
LIGHT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def by_openpyxl(path: Path) -> list[list[str]]:
    """The rows below the header that are not blank."""
    sheet = openpyxl.load_workbook(path, data_only=True).active
    assert sheet is not None
    rows = [[as_text(value) for value in row] for row in sheet.iter_rows(min_row=2, max_col=3, values_only=True)]
    return [cells for cells in rows if any(cell.strip() for cell in cells)]


@LIGHT
@given(rows=TABLES)
def test_what_openpyxl_writes_is_read_as_openpyxl_reads_it(rows: list[list[object]], tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for at, cells in enumerate([HEADER, *rows], 1):
        for column, value in enumerate(cells, 1):
            cell = sheet.cell(at, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # openpyxl takes a text that begins with = for a formula
            if isinstance(value, datetime):
                cell.number_format = "dd.mm.yyyy hh:mm"
    path = tmp_path / "a.xlsx"
    book.save(path)
    assert [list(cells) for cells in read(path).cells] == by_openpyxl(path)


@LIGHT
@given(rows=TABLES, shared=st.booleans())
def test_what_xlsxwriter_writes_is_read_as_openpyxl_reads_it(
    rows: list[list[object]], shared: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(path, {"constant_memory": not shared})
    day = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
    sheet = book.add_worksheet()
    for at, cells in enumerate([HEADER, *rows]):
        for column, value in enumerate(cells):
            if isinstance(value, datetime):
                sheet.write_datetime(at, column, value, day)
            elif isinstance(value, str):
                sheet.write_string(at, column, value)
            elif value is not None:
                sheet.write(at, column, value)
    book.close()
    assert [list(cells) for cells in read(path).cells] == by_openpyxl(path)


def test_an_honest_workbook_of_too_many_parts_is_too_large_and_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2000):
            archive.writestr(f"xl/media/image{number}.png", b"x")
    with pytest.raises(BadFile, match="more than 2000 parts") as caught:
        read(path)
    assert caught.value.code == "workbook_too_large"
    assert written(tmp_path, path.read_bytes(), "b.xlsx").stat().st_size < 1_000_000
