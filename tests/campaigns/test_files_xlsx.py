"""XLSX as Excel, LibreOffice and libraries write it, read as what the spreadsheet program shows."""

import contextlib
import errno
import io
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
import xlsxwriter
from file_harness import MAIN, checked, read, row, workbook, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.files.xlsx_sheet import number_text
from alodial.campaigns.importing.files.xlsx_styles import date_text

PHONE = "+998405550001"
DAY = datetime(2026, 11, 23)  # noqa: DTZ001  # a spreadsheet's days are on no clock
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=10)


def _by_library(rows: list[list[object]], **options: object) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    day = book.add_format({"num_format": "dd.mm.yyyy"})
    sheet = book.add_worksheet("Список")
    for at, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if isinstance(cell, datetime):
                sheet.write_datetime(at, column, cell, day)
            elif isinstance(cell, str):
                sheet.write_string(at, column, cell)
            else:
                sheet.write(at, column, cell)
    book.close()
    return out.getvalue()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8), shared=st.booleans())
def test_every_row_comes_once_with_its_own_number(rows: list[tuple[str, ...]], shared: bool, tmp_path: Path) -> None:
    table: list[list[object]] = [["Phone", "Name", "City"], *map(list, rows)]
    table = read(written(tmp_path, _by_library(table, constant_memory=not shared), "a.xlsx"))
    assert [(record.number, record.cells) for record in table.rows] == [
        (number, cells) for number, cells in enumerate(rows, 2) if any(cell.strip() for cell in cells)
    ]


def test_a_workbook_of_a_library_is_read_as_it_is_shown(tmp_path: Path) -> None:
    content = _by_library(
        [
            ["Телефон", "Имя", "Сумма", "Действует до", "Да"],
            [998405550001, "Анна", 1200.5, DAY, True],
            [PHONE, "Борис", 0.1 + 0.2, DAY.replace(hour=18, minute=30), False],
        ]
    )
    source = open_source(written(tmp_path, content, "a.xlsx"))
    assert (source.kind, source.sheet, source.columns[0]) == ("xlsx", "Список", "Телефон")
    assert [record.cells for record in source.rows()] == [
        ("998405550001", "Анна", "1200.5", "2026-11-23", "true"),
        (PHONE, "Борис", "0.3", "2026-11-23 18:30", "false"),
    ]


@pytest.mark.parametrize(
    ("written_as", "shown"),
    [
        ("998405550001", "998405550001"),
        ("998405550001.0", "998405550001"),
        ("9.98405550001E11", "998405550001"),
        ("9.98405550001E+11", "998405550001"),
        ("9.98405E11", "9.98405E11"),
        ("9.98405E+11", "9.98405E+11"),
        ("4.0555E8", "4.0555E8"),
        ("1.2E3", "1200"),
        ("-5.50", "-5.50"),
        ("0.30000000000000004", "0.3"),
        ("9.5E-7", "9.5E-7"),
        ("nonsense", "nonsense"),
        ("", ""),
        ("1E999999999", "1E999999999"),
        ("٣", "٣"),
    ],
)
def test_a_number_keeps_its_own_digits_and_gets_no_others(written_as: str, shown: str) -> None:
    assert number_text(written_as) == shown


@given(st.integers(10**8, 10**15 - 1))
def test_a_phone_kept_as_a_number_is_never_changed(number: int) -> None:
    for text in (str(number), repr(float(number)), f"{float(number):.17E}"):
        assert number_text(text) in (str(number), text)
    assert number_text(repr(float(number))) == str(number)


@pytest.mark.parametrize(
    ("days", "from_1904", "shown"),
    [
        ("46349", False, "2026-11-23"),
        ("46349.75", False, "2026-11-23 18:00"),
        ("44887", True, "2026-11-23"),
        ("0.5", False, "12:00"),
        ("998405550001", False, "998405550001"),
        ("-1", False, "-1"),
        ("x", False, "x"),
        ("nan", False, "nan"),
    ],
)
def test_a_date_is_written_as_one(days: str, from_1904: bool, shown: str) -> None:
    assert date_text(days, from_1904=from_1904) == shown


def test_a_format_is_a_date_by_its_letters_and_not_by_its_words(tmp_path: Path) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy"/>'
        '<numFmt numFmtId="165" formatCode="#,##0 &quot;days&quot;"/><numFmt numFmtId="166" formatCode="[Red]0.00"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="14"/></cellXfs>'
    )
    cells = "".join(f'<c r="{chr(66 + s)}2" s="{s}"><v>46349</v></c>' for s in range(5))
    content = workbook(row(1, "Phone", *"abcde"), row(2, f'<c r="A2"><v>1</v></c>{cells}'), styles=styles)
    day = "2026-11-23"
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("1", "46349", day, "46349", "46349", day)]


def test_a_workbook_of_1904_counts_its_days_from_there(tmp_path: Path) -> None:
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    content = workbook(
        row(1, "Phone"), row(2, '<c r="A2" s="0"><v>44887</v></c>'), styles=styles, head='<workbookPr date1904="1"/>'
    )
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("2026-11-23",)]


def test_texts_are_shared_rich_inline_or_beside_the_cell(tmp_path: Path) -> None:
    strings = (
        f'<sst xmlns="{MAIN}"><si><t>Phone</t></si><si><r><t>An</t></r><r><t xml:space="preserve">na </t></r>'
        "<rPh><t>phonetic</t></rPh></si><si><t/></si></sst>"
    )
    content = workbook(
        row(1, '<c r="A1" t="s"><v>0</v></c>', '<c r="B1" t="str"><v>Name</v></c>'),
        row(
            2,
            '<c r="A2" t="inlineStr"><is><r><t>40555</t></r><r><t>0001</t></r></is></c>',
            '<c r="B2" t="s"><v>1</v></c>',
        ),
        more={"xl/sharedStrings.xml": strings},
    )
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("405550001", "Anna ")]


def test_cells_and_rows_may_lack_their_place_and_gaps_are_empty_cells(tmp_path: Path) -> None:
    content = workbook(
        "<row><c t='str'><v>Phone</v></c><c t='str'><v>Name</v></c><c t='str'><v>City</v></c></row>",
        '<row r="7"><c r="C7" t="str"><v>Tashkent</v></c></row>',
        "<row><c><v>405550001</v></c></row>",
    )
    table = read(written(tmp_path, content, "a.xlsx"))
    assert [(record.number, record.cells) for record in table.rows] == [
        (7, ("", "", "Tashkent")),
        (8, ("405550001", "", "")),
    ]


def test_a_prefix_before_every_tag_changes_nothing(tmp_path: Path) -> None:
    sheet = (
        f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>Phone</x:t></x:is></x:c>'
        '</x:row><x:row r="2"><x:c r="A2"><x:v>405550001</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    )
    content = workbook(more={"xl/worksheets/sheet1.xml": sheet})
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("405550001",)]


def test_the_first_visible_sheet_with_rows_is_read(tmp_path: Path) -> None:
    content = workbook(
        sheets={
            'name="Hidden" state="hidden"': row(1, "Phone") + row(2, "1"),
            'name="Empty"': "",
            'name="Clients"': row(1, "Phone") + row(2, "2"),
            'name="More"': row(1, "Phone") + row(2, "3"),
        }
    )
    source = open_source(written(tmp_path, content, "a.xlsx"))
    assert source.sheet == "Clients"
    assert [record.cells for record in source.rows()] == [("2",)]


def test_the_result_of_a_formula_is_a_cells_text_but_never_a_phone(tmp_path: Path) -> None:
    name = '<c r="B2" t="str"><f>C2&amp;D2</f><v>Anna</v></c>'
    shared = '<c r="A3" t="str"><f t="shared" si="0"/><v>+998405550002</v></c>'
    content = workbook(row(1, "Phone", "Name"), row(2, f'<c r="A2"><v>405550001</v></c>{name}'), row(3, shared))
    path = written(tmp_path, content, "a.xlsx")
    assert read(path).cells == [("405550001", "Anna"), ("=", "")]
    assert [(problem.number, problem.code) for problem in checked(path).problems] == [(3, "formula")]


def test_a_damaged_workbook_is_reported_as_such_and_not_as_an_error_of_zlib(tmp_path: Path) -> None:
    content = bytearray(workbook(row(1, "Phone"), *(row(i, f"40{i:07d}") for i in range(2, 20_000))))
    content[len(content) // 2] ^= 0xFF
    path = written(tmp_path, bytes(content), "a.xlsx")
    with pytest.raises(BadFile) as caught:
        list(open_source(path).rows())
    assert caught.value.code == "broken_xlsx"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_a_workbook_with_wrong_bytes_is_read_or_refused_and_nothing_else(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(workbook(row(1, "Phone", "Name"), row(2, PHONE, "Anna"), strings=["a", "b"]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path, bytes(content), "a.xlsx")
    # Any other exception fails the test.
    with contextlib.suppress(BadFile):
        list(open_source(path, kind="xlsx").rows())


def test_progress_is_reported_in_bytes_of_the_file(tmp_path: Path) -> None:
    content = workbook(row(1, "Phone"), *(row(i, f"40{i:07d}") for i in range(2, 20_000)))
    source = open_source(written(tmp_path, content, "a.xlsx"))
    positions = [record.position for record in source.rows()]  # type: ignore[union-attr]  # no row of it is a fault
    assert positions == sorted(positions)
    assert source.size is not None
    assert source.size // 2 < positions[-1] <= source.size


def test_a_full_disk_is_not_the_workbooks_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = written(tmp_path, workbook(row(1, "Phone"), row(2, PHONE)), "a.xlsx")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left") as caught:
        open_source(path)
    assert caught.value.errno == errno.ENOSPC
