"""OpenDocument tables are read as LibreOffice shows them."""

import io
import zipfile
from pathlib import Path

import pytest
import python_calamine
from file_harness import asked, checked, read, written

from alodial.campaigns.errors import BadFile

NAMES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)
KIND = "application/vnd.oasis.opendocument.spreadsheet"
EMPTY_ROWS = (
    '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/>'
    "</table:table-row>"
)


def document(*tables: str, more: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", KIND)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{KIND}"/></manifest:manifest>',
        )
        content = "".join(
            f'<table:table table:name="T{at}">{rows}{EMPTY_ROWS}</table:table>' for at, rows in enumerate(tables, 1)
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {NAMES}>{more}<office:body><office:spreadsheet>{content}</office:spreadsheet>"
            "</office:body></office:document-content>",
            zipfile.ZIP_DEFLATED,
        )
    return out.getvalue()


def text(value: str, attributes: str = "") -> str:
    return f'<table:table-cell office:value-type="string"{attributes}><text:p>{value}</text:p></table:table-cell>'


def number(value: str, shown: str = "", attributes: str = "") -> str:
    return (
        f'<table:table-cell office:value-type="float" office:value="{value}"{attributes}>'
        f"<text:p>{shown or value}</text:p></table:table-cell>"
    )


def row(*cells: str, attributes: str = "") -> str:
    rest = '<table:table-cell table:number-columns-repeated="16380"/>'
    return f"<table:table-row{attributes}>{''.join(cells)}{rest}</table:table-row>"


HEAD = row(text("Телефон"), text("ФИО"))


def test_cells_are_read_with_their_own_digits(tmp_path: Path) -> None:
    rows = (
        HEAD,
        row(number("998901234567", "9.98901E+11"), text("А")),
        row(number("901234567", "90 123-45-67"), number("71", "0071")),
        row(text("+998 91 123<text:s/>45-68"), number("0.5")),
        row(
            text("901234569"),
            '<table:table-cell office:value-type="date" office:date-value="2026-11-23T18:00:00"><text:p>x</text:p>'
            "</table:table-cell>",
        ),
        row(
            '<table:table-cell office:value-type="string"><office:annotation><text:p>911111111</text:p></office:annotation>'
            "<text:p>90 123 45 60</text:p><text:p>90 123 45 61</text:p></table:table-cell>"
        ),
    )
    table = read(written(tmp_path, document("".join(rows)), "a.ods"))
    assert table.columns == ("Телефон", "ФИО")
    assert table.cells == [
        ("998901234567", "А"),
        ("90 123-45-67", "0071"),
        ("+998 91 123 45-68", "0.5"),
        ("901234569", "2026-11-23 18:00"),
        ("90 123 45 60\n90 123 45 61", ""),
    ]
    assert table.numbers == [2, 3, 4, 5, 6]


def test_repeated_rows_and_cells_are_all_there_and_empty_ones_keep_the_numbers(tmp_path: Path) -> None:
    rows = HEAD + '<table:table-row table:number-rows-repeated="5"><table:table-cell/></table:table-row>'
    rows += row(text("x", ' table:number-columns-repeated="2"'), attributes=' table:number-rows-repeated="2"')
    table = read(written(tmp_path, document(rows), "a.ods"))
    assert [(one.number, one.cells) for one in table.rows] == [(7, ("x", "x")), (8, ("x", "x"))]  # type: ignore[union-attr]


def test_hidden_and_filtered_rows_and_several_sheets_are_asked_about(tmp_path: Path) -> None:
    rows = HEAD + row(number("901234567")) + row(number("911234567"), attributes=' table:visibility="filter"')
    report = asked(written(tmp_path, document(rows), "a.ods"))
    assert ([question.code for question in report.questions], report.good) == (["hidden_rows"], 1)
    both = written(tmp_path, document(rows, HEAD + row(number("931234567"))), "b.ods")
    assert asked(both).questions[0].code == "sheet_unclear"
    answered = asked(both, {"sheet": "T2"})
    assert (answered.good, answered.sheet, answered.kind, answered.questions) == (1, "T2", "ods", [])


def test_the_country_that_a_format_shows_is_part_of_the_number(tmp_path: Path) -> None:
    rows = row(text("Phone")) + row(number("555123456", "+996 555-123-456")) + row(number("901234567", "901 234 567"))
    report = checked(written(tmp_path, document(rows), "a.ods"))
    assert [problem.code for problem in report.problems] == ["phone_not_allowed"]
    assert report.first is not None
    assert report.first.to == ("+998901234567",)


def test_a_formulas_result_is_never_a_phone(tmp_path: Path) -> None:
    formula = number("901234567", attributes=' table:formula="of:=[.Z1]"')
    assert [one.code for one in checked(written(tmp_path, document(HEAD + row(formula)), "a.ods")).problems] == [
        "formula"
    ]


def test_another_reader_sees_the_same(tmp_path: Path) -> None:
    rows = HEAD + "".join(row(number(str(901_234_000 + n)), text(f"А {n}")) for n in range(50))
    path = written(tmp_path, document(rows), "a.ods")
    theirs = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [
        tuple(str(int(cell)) if isinstance(cell, float) else cell for cell in cells) for cells in theirs[1:]
    ] == read(path).cells


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (document(HEAD, more="<a>" * 100 + "</a>" * 100), "broken_xlsx"),
        (document(HEAD)[:-60], "broken_xlsx"),
        (document(""), "empty_file"),
    ],
)
def test_a_hostile_or_broken_document_is_refused(content: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        checked(written(tmp_path, content, "a.ods"))
    assert caught.value.code == code
