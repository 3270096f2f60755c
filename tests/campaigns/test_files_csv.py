"""CSV in every form in which people save it: the same rows come out of all of them, each once, with its own number."""

import csv
import io
import time
from pathlib import Path

import pytest
from file_harness import read, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files import SourceRow, open_source
from alodial.campaigns.row_codec import RowProblem

PHONE = "+998405550001"

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=12)
LETTERS = st.text("abcАБВгдёқғ 019'\"", max_size=8)
KEPT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


def _blank(cells: tuple[str, ...]) -> bool:
    return not any(cell.strip() for cell in cells)


def _saved(rows: list[tuple[str, ...]], separator: str, newline: str, *, quote_all: bool = False) -> str:
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=separator, lineterminator=newline, quoting=quoting).writerows(rows)
    return out.getvalue()


@KEPT
@given(
    rows=st.lists(st.tuples(LETTERS, LETTERS, LETTERS), min_size=1, max_size=12),
    separator=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1251", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    ended=st.booleans(),
)
def test_any_line_end_encoding_and_separator_gives_the_same_rows(
    rows: list[tuple[str, ...]], separator: str, newline: str, encoding: str, ended: bool, tmp_path: Path
) -> None:
    if encoding == "cp1251":
        rows = [tuple(cell.replace("қ", "к").replace("ғ", "г") for cell in row) for row in rows]
    text = _saved([("Телефон", "Имя", "Город"), *rows], separator, newline)
    if not ended:
        text = text.removesuffix(newline)
    table = read(written(tmp_path, text.encode(encoding)))
    expected = [(number, row) for number, row in enumerate(rows, 2) if not _blank(row)]
    assert table.columns == ("Телефон", "Имя", "Город")
    assert [(row.number, row.cells) for row in table.rows] == expected


@KEPT
@given(rows=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=12), quote_all=st.booleans())
def test_quoted_cells_hold_anything_and_the_numbers_are_those_of_the_records(
    rows: list[tuple[str, ...]], quote_all: bool, tmp_path: Path
) -> None:
    text = _saved([("Phone", "Name"), *rows], ",", "\r\n", quote_all=quote_all)
    table = read(written(tmp_path, text))
    assert [(row.number, row.cells) for row in table.rows] == [
        (number, row) for number, row in enumerate(rows, 2) if not _blank(row)
    ]


@KEPT
@given(lines=st.lists(st.text(',;"ab1\n\0\ufeff ', max_size=20), max_size=20))
def test_no_file_is_too_broken_to_be_read_and_no_number_comes_twice(lines: list[str], tmp_path: Path) -> None:
    table = read(written(tmp_path, "Phone,Name\n" + "\n".join(lines)))
    assert table.numbers == sorted(set(table.numbers))
    assert all(len(row.cells) == 2 for row in table.rows if isinstance(row, SourceRow))
    # Whatever quotes do, they never swallow more than they enclose: a last line without any is always a row.
    again = read(written(tmp_path, "Phone,Name\n" + "\n".join(lines).replace('"', "") + "\n405550001,last\n"))
    assert again.cells[-1] == ("405550001", "last")


@settings(KEPT, max_examples=60)
@given(content=st.binary(max_size=400))
def test_bytes_of_any_kind_behind_a_header_are_read_or_reported(content: bytes, tmp_path: Path) -> None:
    source = open_source(written(tmp_path, b"Phone,Name\n405550001,x\n" + content))
    assert all(isinstance(row, SourceRow | RowProblem) for row in source.rows())


def test_rows_may_be_read_again(tmp_path: Path) -> None:
    source = open_source(written(tmp_path, f"Phone\n{PHONE}\n{PHONE}\n"))
    assert list(source.rows()) == list(source.rows())
    assert len(list(source.rows())) == 2


def test_a_record_over_several_lines_is_one_row_of_the_spreadsheet(tmp_path: Path) -> None:
    table = read(written(tmp_path, f'Phone,Name\n1,"a\nb\n\nc"\n\n{PHONE},d\n'))
    assert [(row.number, row.cells[0]) for row in table.rows] == [(2, "1"), (4, PHONE)]


def test_an_unclosed_quote_does_not_take_the_rows_behind_it(tmp_path: Path) -> None:
    rows = "".join(f"40555{i:04d},n{i}\n" for i in range(12_000))
    table = read(written(tmp_path, f'Phone,Name\n"405550000,x\n{rows}'))
    assert table.faults == [(2, "quote_unclosed")]
    assert len(table.cells) == 12_000
    assert table.numbers[-1] == 12_002


def test_a_quote_inside_of_a_word_is_a_letter(tmp_path: Path) -> None:
    table = read(written(tmp_path, f'Phone,Size\n{PHONE},5" pipe\n{PHONE},6" pipe\n'))
    assert [cells[1] for cells in table.cells] == ['5" pipe', '6" pipe']


def test_a_file_without_a_header_loses_no_row_and_its_columns_go_by_their_letters(tmp_path: Path) -> None:
    table = read(written(tmp_path, f"INV-1;{PHONE};Anna\nINV-2;405550002;Boris\n"))
    assert table.columns == ("column A", "column B", "column C")
    assert table.numbers == [1, 2]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;;", "\ufeffsep=;"])
def test_the_separator_line_has_several_forms(first: str, tmp_path: Path) -> None:
    table = read(written(tmp_path, f"{first}\nТелефон;Имя, фамилия\n{PHONE};Анна, младшая\n"))
    assert table.columns == ("Телефон", "Имя, фамилия")
    assert table.cells == [(PHONE, "Анна, младшая")]


def test_padding_before_a_quote_is_no_part_of_the_cell(tmp_path: Path) -> None:
    table = read(written(tmp_path, f'Телефон; "Имя"\n{PHONE}; "Анна; младшая"\n "{PHONE}";Борис\n'))
    assert table.columns == ("Телефон", "Имя")
    assert table.cells == [(PHONE, "Анна; младшая"), (PHONE, "Борис")]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("Телефон;Сумма, сум\n901234567;150,50\n", ";"),
        ("Список должников на ноябрь, 2026\n\nФИО;Телефон;Сумма\nА;901234567;1,5\nБ;911234567;2,5\n", ";"),
        ("Телефон\tСумма, сум\n901234567\t150,50\n", "\t"),
        ("A;B, c, d\n901234567;2,3,4\n", ","),
        ("Phone,Name\n901234567,a;b\n", ","),
    ],
)
def test_two_separators_that_fit_are_told_apart_by_all_rows_and_the_heading(
    text: str, separator: str, tmp_path: Path
) -> None:
    assert open_source(written(tmp_path, text)).delimiter == separator


def test_a_list_of_plain_numbers_is_a_file(tmp_path: Path) -> None:
    assert read(written(tmp_path, "405550001\r405550002\r")).cells == [("405550001",), ("405550002",)]


def test_the_separator_line_for_excel_is_obeyed_and_is_no_row(tmp_path: Path) -> None:
    table = read(written(tmp_path, f"sep=|\nPhone|Name, first\n{PHONE}|a\n"))
    assert table.columns == ("Phone", "Name, first")
    assert table.numbers == [2]


def test_the_separator_is_the_character_that_the_rows_share(tmp_path: Path) -> None:
    text = f"Телефон;Имя, фамилия\n{PHONE};Анна\n405550002;Борис, младший\n"
    assert open_source(written(tmp_path, text)).delimiter == ";"


def test_columns_without_a_name_go_by_their_letter(tmp_path: Path) -> None:
    assert read(written(tmp_path, "Phone,,Name,name\n1,2,3,4\n")).columns == ("Phone", "column B", "Name", "name [D]")


def test_missing_cells_are_empty_and_empty_ones_too_many_are_left_out(tmp_path: Path) -> None:
    assert read(written(tmp_path, "Phone,Name\n1\n2,b,,\n")).cells == [("1", ""), ("2", "b")]


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    first = open_source(written(tmp_path, f"Phone\n{PHONE}\n", "a.csv"))
    two = open_source(written(tmp_path, f"Phone\n{PHONE}\n", "b.csv"))
    three = open_source(written(tmp_path, f"Phone\r\n{PHONE}\n", "c.csv"))
    assert first.fingerprint == two.fingerprint != three.fingerprint


def test_the_name_and_kind_of_an_upload_may_be_said(tmp_path: Path) -> None:
    source = open_source(written(tmp_path, f"Phone\n{PHONE}\n", "8f3a"), name="clients.csv", kind="csv")
    assert (source.name, source.kind) == ("clients.csv", "csv")


def test_progress_goes_from_nothing_to_the_files_size(tmp_path: Path) -> None:
    source = open_source(written(tmp_path, "Phone\n" + f"{PHONE}\n" * 20_000))
    positions = [row.position for row in source.rows() if isinstance(row, SourceRow)]
    assert positions == sorted(positions)
    assert source.size is not None
    assert source.size // 2 < positions[-1] <= source.size


@pytest.mark.parametrize(
    "line", ['"' * 262_000, '"a' * 130_000, ',"' * 130_000, '"",' * 80_000 + '"', "=" * 262_000, " " * 262_000]
)
def test_hostile_lines_take_linear_time(line: str, tmp_path: Path) -> None:
    def taken(times: int) -> float:
        path = written(tmp_path, "Phone,Name\n" + f"{line}\n" * times)
        began = time.process_time()
        read(path)
        return time.process_time() - began

    # Eight times as much may take some eight times as long, and were it quadratic 64 times.
    assert taken(8) < 24 * max(taken(1), 0.02)


@pytest.mark.parametrize("path", ["nowhere.csv", "a" * 5000, "a\0b.csv", "/dev/null", "."])
def test_a_path_that_is_no_file_is_said_to_be_none(path: str) -> None:
    with pytest.raises(BadFile) as caught:
        open_source(path)
    assert caught.value.code == "no_file"
