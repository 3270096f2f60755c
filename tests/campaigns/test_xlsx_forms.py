"""Workbooks that programs write in uncommon ways are read as Excel and LibreOffice read them, or refused: never with a loss."""

import io
import struct
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
import python_calamine
import xlsxwriter
from file_harness import MAIN, as_text, checked, read, row, workbook, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files.xlsx_archive import part_key
from alodial.campaigns.importing.files.xlsx_styles import date_text, elapsed_text, masked

TEXTS = ("Телефон", "ФИО", "Анна")


def cell(at: str, value: str, kind: str = "", style: str = "") -> str:
    return f'<c r="{at}"{f" t={chr(34)}{kind}{chr(34)}" if kind else ""}{style}><v>{value}</v></c>'


LIST = (
    row(1, cell("A1", "0", "s"), cell("B1", "1", "s")),
    row(2, cell("A2", "901234567"), cell("B2", "2", "s")),
)


def renamed(content: bytes, names: dict[str, str]) -> bytes:
    """The archive with other names for its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if names.get(name, name):
                new.writestr(names.get(name, name), old.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    "names",
    [
        {"xl/worksheets/sheet1.xml": "xl/Worksheets/Sheet1.xml"},
        {"xl/sharedStrings.xml": "xl/SharedStrings.xml"},
        {
            "_rels/.rels": "_rels\\.rels",
            "xl/workbook.xml": "xl\\workbook.xml",
            "xl/_rels/workbook.xml.rels": "xl\\_rels\\workbook.xml.rels",
            "xl/worksheets/sheet1.xml": "xl\\worksheets\\sheet1.xml",
            "xl/sharedStrings.xml": "xl\\sharedStrings.xml",
        },
    ],
    ids=["a sheet in other case", "texts in other case", "backslashes"],
)
def test_parts_are_found_without_case_and_with_backslashes(names: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, renamed(workbook(*LIST, strings=TEXTS), names), "a.xlsx")
    assert read(path).columns == ("Телефон", "ФИО")
    assert read(path).cells == [("901234567", "Анна")]


def test_a_part_is_found_by_a_path_with_dots() -> None:
    assert (
        part_key("xl/worksheets/../SharedStrings.xml") == part_key("/XL\\sharedstrings.xml") == "xl/sharedstrings.xml"
    )


@pytest.mark.parametrize("names", [{"xl/sharedStrings.xml": ""}, {"xl/worksheets/sheet1.xml": ""}])
def test_a_part_that_is_missing_makes_the_workbook_a_broken_one(names: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        checked(written(tmp_path, renamed(workbook(*LIST, strings=TEXTS), names), "a.xlsx"))
    assert caught.value.code == "broken_xlsx"


@pytest.mark.parametrize("index", ["3", "99", "-1", "x", ""])
def test_a_text_that_the_workbook_does_not_have_is_never_an_empty_cell(index: str, tmp_path: Path) -> None:
    content = workbook(*LIST, row(3, cell("A3", index or " ", "s")), strings=TEXTS)
    with pytest.raises(BadFile) as caught:
        checked(written(tmp_path, content, "a.xlsx"))
    assert caught.value.code == "broken_xlsx"


def with_zip64_end(content: bytes) -> bytes:
    """The archive with the end records of ZIP64, as some programs write them for every file."""
    at = content.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack_from("<HII", content, at + 10)
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content[:at] + record + locator + end


def test_an_archive_with_the_end_record_of_zip64_is_a_plain_workbook(tmp_path: Path) -> None:
    content = with_zip64_end(workbook(*LIST, strings=TEXTS))
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("901234567", "Анна")]
    with pytest.raises(BadFile) as caught:
        checked(written(tmp_path, content.replace(b"PK\x06\x06", b"PK\x06\x08"), "b.xlsx"))
    assert caught.value.code == "broken_xlsx"


def test_escaped_characters_are_those_that_excel_means(tmp_path: Path) -> None:
    texts = ("Телефон", "90 123 45 67_x000D_\n91 123 45 68", "_x005F_x000D_", "a_x0009_b")
    content = workbook(
        row(1, cell("A1", "0", "s"), "Имя"),
        row(2, cell("A2", "1", "s"), cell("B2", "2", "s")),
        row(3, "901234569", '<c r="B3" t="inlineStr"><is><t>c_x0041_</t></is></c>'),
        strings=texts,
    )
    path = written(tmp_path, content, "a.xlsx")
    assert read(path).cells == [("90 123 45 67\r\n91 123 45 68", "_x000D_"), ("901234569", "cA")]
    first = checked(path).first
    assert first is not None
    assert first.to == ("+998901234567", "+998911234568")


def test_an_inline_text_is_its_text_without_value_and_phonetic_guide(tmp_path: Path) -> None:
    both = '<c r="A2" t="inlineStr"><v>911111111</v><is><t>901234567</t><rPh sb="0" eb="1"><t>99</t></rPh></is></c>'
    assert read(written(tmp_path, workbook(row(1, "Phone"), row(2, both)), "a.xlsx")).cells == [("901234567",)]


def test_spaces_lower_case_and_missing_references_change_no_cell(tmp_path: Path) -> None:
    rows = (
        f'<row r="1">{cell("a1", " 0 ", "s")}{cell("b1", "1", "s")}</row>'
        f'<row>{cell("A2", " 901234567 ")}<c t="s"><v>\n2 </v></c></row>'
        '<row><c><v>911234567</v></c><c t="b"><v> 1 </v></c></row>'
    )
    table = read(written(tmp_path, workbook(rows, strings=TEXTS), "a.xlsx"))
    assert table.columns == ("Телефон", "ФИО")
    assert [(one.number, one.cells) for one in table.rows] == [  # type: ignore[union-attr]  # no row of it is a fault
        (2, ("901234567", "Анна")),
        (3, ("911234567", "true")),
    ]


def test_rows_out_of_order_keep_their_numbers_and_the_header_is_the_first_by_number(tmp_path: Path) -> None:
    content = workbook(row(3, "911234567"), row(1, "Телефон"), row(2, "901234567"))
    table = read(written(tmp_path, content, "a.xlsx"))
    assert table.columns == ("Телефон",)
    assert table.numbers == [3, 2]


def test_namespaces_may_be_mixed_within_a_sheet(tmp_path: Path) -> None:
    xml = (
        f'<x:worksheet xmlns:x="{MAIN}" xmlns="{MAIN}"><sheetData><x:row r="1"><c r="A1" t="inlineStr"><x:is><t>Phone</t>'
        '</x:is></c></x:row><row r="2"><x:c r="A2"><x:v>901234567</x:v></x:c></row></sheetData></x:worksheet>'
    )
    content = workbook(more={"xl/worksheets/sheet1.xml": xml})
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("901234567",)]


def test_cells_of_an_extension_behind_the_rows_are_no_cells(tmp_path: Path) -> None:
    xml = (
        f'<worksheet xmlns="{MAIN}"><sheetData>{row(1, "Phone")}{row(2, "901234567")}</sheetData><extLst><ext>'
        '<row r="3"><c r="A3"><v>911234567</v></c></row></ext></extLst></worksheet>'
    )
    content = workbook(more={"xl/worksheets/sheet1.xml": xml})
    assert read(written(tmp_path, content, "a.xlsx")).cells == [("901234567",)]


@pytest.mark.parametrize(
    ("code", "value", "displayed"),
    [
        ("000000", "123", "000123"),
        ("[h]:mm", "1.5", "36:00"),
        ("[hh]:mm:ss", "0.5", "12:00"),
        ('"+998" 00 000-00-00', "901234567", "+998 90 123-45-67"),
        ("+0", "998901234567", "+998901234567"),
        (r"\+996\ 000\ 000\ 000", "555123456", "+996 555 123 456"),
        (r"\+7\ \(000\)\ 000\-00\-00;@", "9012345678", "+7 (901) 234-56-78"),
        ("+996 000-000-000", "555123456", "+996 555-123-456"),
        ('"996"0', "555123456", "996555123456"),
        ("[$+996]0", "555123456", "+996555123456"),
        ('"+"General', "998901234567", "+998901234567"),
        ("General", "901234567", "901234567"),
        ('0" сум"', "901234567", "901234567"),
        ("0", "901234567", "901234567"),
        ("#,##0", "901234567", "901234567"),
        ("0.00", "12.5", "12.5"),
        ("dd.mm.yyyy", "46349", "2026-11-23"),
        ("dd.mm.yyyy", "1", "1900-01-01"),
        ("dd.mm.yyyy", "59", "1900-02-28"),
        ("dd.mm.yyyy", "61", "1900-03-01"),
    ],
)
def test_a_number_is_read_as_its_format_shows_it(code: str, value: str, displayed: str, tmp_path: Path) -> None:
    quoted = code.replace('"', "&quot;")
    styles = (
        f'<numFmts><numFmt numFmtId="170" formatCode="{quoted}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs>'
    )
    content = workbook(row(1, "Phone", "X"), row(2, "901234567", cell("B2", value, style=' s="1"')), styles=styles)
    assert read(written(tmp_path, content, "a.xlsx")).cells[0][1] == displayed


def test_formats_are_exact_at_their_edges() -> None:
    assert masked("12345", "000") == "12345"
    assert masked("", "00") == "00"
    assert elapsed_text("x") == "x"
    assert elapsed_text("1E999") == "1E999"
    assert elapsed_text("0.000011574") == "0:00:01"
    assert date_text("60", from_1904=False) == "1900-02-28"


@pytest.mark.parametrize("text", ["90‑123‑45‑67", "901 234 567", "90–123–45–67", "+998 (90) 123 45 67"])
def test_a_formulas_result_is_never_a_phone_whatever_separates_its_digits(text: str, tmp_path: Path) -> None:
    formula = f'<c r="A2" t="str"><f>Z1</f><v>{text}</v></c>'
    report = checked(written(tmp_path, workbook(row(1, "Phone"), row(2, formula)), "a.xlsx"))
    assert [problem.code for problem in report.problems] == ["formula"]


FIRST, LAST = datetime(1901, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001  # a spreadsheet's days are on no clock
CELL = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12),
    st.integers(-(10**11), 10**12),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3)),
    st.datetimes(FIRST, LAST).map(lambda moment: moment.replace(microsecond=0, second=0)),
    st.booleans(),
)


def by_calamine(path: Path) -> list[list[str]]:
    """The cells by another reader, written as ours are."""
    rows = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    return [[as_text(one) for one in cells] for cells in rows]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), shared=st.booleans())
def test_every_cell_is_what_another_reader_sees(rows: list[list[object]], shared: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(path, {"constant_memory": not shared})
    day = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
    sheet = book.add_worksheet()
    for at, cells in enumerate([["Телефон", "Имя", "Сумма"], *rows]):
        for column, value in enumerate(cells):
            if isinstance(value, datetime):
                sheet.write_datetime(at, column, value, day)
            elif isinstance(value, str):
                sheet.write_string(at, column, value)
            else:
                sheet.write(at, column, value)
    book.close()
    theirs = [cells for cells in by_calamine(path)[1:] if any(text.strip() for text in cells)]
    assert [list(cells) for cells in read(path).cells] == theirs
