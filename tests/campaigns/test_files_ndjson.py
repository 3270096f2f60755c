"""NDJSON, and rows from a program."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_harness import checked, read, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files import SourceRow, open_source
from alodial.campaigns.row_codec import RowProblem

PHONE = "+998405550001"


def _rows(given: Any) -> list[tuple[str, ...]]:
    return [row.cells for row in open_source(given).rows() if isinstance(row, SourceRow)]


def test_the_columns_are_all_the_names_in_the_order_in_which_they_are_met(tmp_path: Path) -> None:
    path = written(tmp_path, f'{{"phone": "{PHONE}"}}\n\n{{"name": "A", "phone": 405550002}}\n', "a.ndjson")
    table = read(path)
    assert table.columns == ("phone", "name")
    assert [(row.number, row.cells) for row in table.rows] == [(1, (PHONE, "")), (3, ("405550002", "A"))]


def test_several_phones_and_metadata_may_stand_in_a_line(tmp_path: Path) -> None:
    line = (
        f'{{"phone": ["{PHONE}", "405550002"], "metadata": {{"city": "Tashkent", "age": 30}}, "ok": true, "x": null}}\n'
    )
    path = written(tmp_path, line, "a.ndjson")
    assert read(path).columns == ("phone", "metadata:city", "metadata:age", "ok", "x")
    assert read(path).cells == [(f"{PHONE}, 405550002", "Tashkent", "30", "true", "")]
    assert checked(path).first.to == (PHONE, "+998405550002")  # type: ignore[union-attr]  # the row is good


def test_a_number_keeps_its_own_digits(tmp_path: Path) -> None:
    path = written(tmp_path, '{"phone": 998405550001.0}\n{"phone": 9.98405550001E+11}\n', "a.ndjson")
    assert read(path).cells == [("998405550001",), ("9.98405550001E+11",)]


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    path = written(tmp_path, b'\xef\xbb\xbf{"phone": "1"}\r\n"405550001"\r\n', "a.txt")
    assert open_source(path).kind == "ndjson"
    assert read(path).cells == [("1",), ("405550001",)]


def test_rows_of_a_program_are_mappings_or_numbers() -> None:
    given = [{"phone": PHONE, "name": "Anna"}, "405550002", 405550003, {"phone": 998405550004.0, "name": float("nan")}]
    assert _rows(given) == [(PHONE, "Anna"), ("405550002", ""), ("405550003", ""), ("998405550004", "")]


def test_a_generator_is_consumed_once_and_its_rows_may_be_read_again() -> None:
    def numbers() -> Iterator[str]:
        yield from ("405550001", "405550002")

    source = open_source(numbers())
    assert source.kind == "rows"
    assert list(source.rows()) == list(source.rows())
    assert [row.number for row in source.rows()] == [1, 2]


def test_rows_from_a_program_are_kept_in_a_file_that_is_deleted_with_the_source() -> None:
    source: Any = open_source(["405550001"])
    path = source.path
    assert path.exists()
    assert path.stat().st_mode & 0o077 == 0
    del source
    assert not path.exists()


def test_a_generator_that_breaks_off_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[str]:
        yield "405550001"
        raise LookupError("the database went away")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LookupError):
        open_source(rows())
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_cannot_be_written_down_is_a_bad_row() -> None:
    circle: list[Any] = []
    circle.append(circle)
    given: list[Any] = [
        {"phone": PHONE},
        {"phone": circle},
        {("a", 1): 2},
        None,
        {"phone": 10**5000},
        {"phone": "\ud800"},
    ]
    table = list(open_source(given).rows())
    assert [row.number for row in table] == [1, 2, 3, 4, 5, 6]
    assert [isinstance(row, RowProblem) for row in table] == [False, True, True, True, True, True]


@pytest.mark.parametrize("given", [b"405550001", {"phone": PHONE}, 405550001, None])
def test_an_argument_that_is_neither_a_path_nor_rows_is_refused(given: Any) -> None:
    with pytest.raises(BadFile) as caught:
        open_source(given)
    assert caught.value.code == "not_rows"


def test_an_open_file_is_refused_as_its_lines_are_no_rows(tmp_path: Path) -> None:
    path = written(tmp_path, f"Phone\n{PHONE}\n")
    with path.open() as file, pytest.raises(BadFile) as caught:
        open_source(file)
    assert caught.value.code == "not_rows"


@pytest.mark.parametrize("given", ["nowhere.csv", Path("/"), "a\0b"])
def test_a_path_that_is_no_file_is_refused(given: Any) -> None:
    with pytest.raises(BadFile) as caught:
        open_source(given)
    assert caught.value.code == "no_file"


def test_an_empty_iterable_is_refused() -> None:
    with pytest.raises(BadFile) as caught:
        open_source([])
    assert caught.value.code == "empty_file"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(JSON, max_size=8))
def test_every_row_of_a_program_comes_back_once_or_is_a_fault(rows: list[Any]) -> None:
    try:
        source = open_source([{"phone": PHONE}, *rows])
    except BadFile as refused:
        pytest.fail(str(refused))
    assert [row.number for row in source.rows()] == list(range(1, len(rows) + 2))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_reported_line_by_line(content: bytes, tmp_path: Path) -> None:
    table = read(written(tmp_path, b'{"phone": "1"}\n' + content, "a.ndjson"))
    expected = [
        number for number, line in enumerate(content.split(b"\n"), 2) if line.removeprefix(b"\xef\xbb\xbf").strip()
    ]
    assert table.numbers == [1, *expected]
