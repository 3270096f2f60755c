"""A file is checked in one pass, and every row is good, bad, a duplicate or suppressed."""

import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from campaign_harness import Harness, phone
from file_harness import written
from hypothesis import given, settings
from hypothesis import strategies as st

from alodial.campaigns.exporting.rejected_rows import RejectedRowsWriter
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.row_check import MAX_BUFFERED, MAX_LISTED, CheckReport, GoodRow, Progress, RowChecker
from alodial.campaigns.row_codec import RowProblem
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.campaigns import parse_campaign

Suppressed = Callable[[list[str]], list[bool]]


def nobody(numbers: list[str]) -> list[bool]:
    return [False] * len(numbers)


def listing(*listed: str) -> Suppressed:
    return lambda numbers: [number in listed for number in numbers]


def checker_of(
    source: Any, *, suppressed: Suppressed = nobody, call: dict[str, Any] | None = None, **more: Any
) -> RowChecker:
    request = parse_campaign({"name": "t", "call": call or {"callfrom": "712037006"}})
    return RowChecker(open_source(source), request, Settings(_env_file=None), suppressed=suppressed, **more)


def check_all(checker: RowChecker, size: int = 500) -> tuple[list[GoodRow], list[RowProblem]]:
    good: list[GoodRow] = []
    rejected: list[RowProblem] = []
    for rows, refused in checker.chunks(size):
        assert len(rows) <= size
        good += rows
        rejected += refused
    return good, rejected


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "list.csv"
    path.write_bytes("\r\n".join(lines).encode())
    return path


def test_each_row_has_one_of_four_outcomes_and_its_number_in_the_spreadsheet(tmp_path: Path) -> None:
    path = csv(tmp_path, "Имя,Телефон", "a,901234567", "b,12", "c,+998901234567", "d,901234568", "e,901234569")
    checker = checker_of(path, suppressed=listing("+998901234568"))
    good, rejected = check_all(checker)
    assert [(number, spec.to[0], cells) for number, spec, cells in good] == [
        (2, "+998901234567", ("a", "901234567")),
        (6, "+998901234569", ("e", "901234569")),
    ]
    assert [(one.number, one.column, one.code) for one in rejected] == [
        (3, "Телефон", "phone_short"),
        (4, "Телефон", "duplicate"),
        (5, "Телефон", "do_not_call"),
    ]
    assert checker.report.totals() == {"file": 5, "good": 2, "bad": 1, "duplicate": 1, "suppressed": 1}
    assert checker.report.first == good[0][1]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["901234567", "+998901234568", "90 123 45 69", "12", "", "=A1", '"', "9.9E+11", "901234567;x"])
        | st.text(max_size=12),
        max_size=40,
    ),
    st.sets(st.sampled_from(["+998901234567", "+998901234568"])),
    st.integers(1, 7),
)
def test_the_four_outcomes_always_add_up_to_the_file(phones: list[str], listed: set[str], size: int) -> None:
    problems: list[RowProblem] = []
    rows = [{"phone": text} for text in ["901111111", *phones]]
    checker = checker_of(rows, suppressed=listing(*listed), on_problem=problems.append)
    good, rejected = check_all(checker, size)
    report = checker.report
    assert report.rows == len(phones) + 1 == len(good) + len(rejected)
    assert report.good == len(good)
    assert report.bad + report.duplicate + report.suppressed == len(rejected) == sum(report.by_code.values())
    assert problems == rejected
    rung = [spec.to[0] for _, spec, _ in good]
    assert len(set(rung)) == len(rung)
    assert not listed.intersection(rung)


def test_a_row_is_suppressed_by_any_number_that_it_would_ring() -> None:
    rows = [
        {"phone": "901234561", "phone2": "901234569", "initiator": ""},
        {"phone": "901234562", "phone2": "", "initiator": "901234569"},
        {"phone": "901234563", "phone2": "", "initiator": ""},
    ]
    checker = checker_of(rows, suppressed=listing("+998901234569"))
    good, _ = check_all(checker)
    assert [spec.to[0] for _, spec, _ in good] == ["+998901234563"]
    assert checker.report.suppressed == 2


def test_the_do_not_call_list_is_read_for_many_numbers_at_once() -> None:
    lookups: list[int] = []

    def suppressed(numbers: list[str]) -> list[bool]:
        lookups.append(len(numbers))
        return nobody(numbers)

    check_all(checker_of([{"phone": str(900_000_000 + n)} for n in range(5_000)], suppressed=suppressed))
    assert sum(lookups) == 5_000
    assert len(lookups) <= 10


def test_a_bad_row_makes_no_later_one_a_duplicate(tmp_path: Path) -> None:
    checker = checker_of(csv(tmp_path, "phone,lang", "901234567,???", "901234567,ru"))
    check_all(checker)
    assert (checker.report.bad, checker.report.good, checker.report.duplicate) == (1, 1, 0)


def test_chunks_are_full_but_for_the_last() -> None:
    checker = checker_of([{"phone": str(900_000_000 + n)} for n in range(2_345)])
    assert [len(rows) for rows, _ in checker.chunks(500)] == [500, 500, 500, 500, 345]


def test_chunks_are_the_same_whenever_a_file_is_checked(tmp_path: Path) -> None:
    lines = [f"90{n:07d}" if n % 5 == 0 else "x" for n in range(9_000)]
    path = csv(tmp_path, "phone", *lines)
    first, second = (list(checker_of(path).chunks(500)) for _ in range(2))
    assert first == second


def test_rejected_rows_are_not_buffered_without_a_limit() -> None:
    checker = checker_of({"phone": "x"} for _ in range(3 * MAX_BUFFERED))
    assert max(len(refused) for _, refused in checker.chunks(500)) < 2 * MAX_BUFFERED
    assert checker.report.bad == 3 * MAX_BUFFERED


@pytest.mark.slow
@pytest.mark.parametrize("form", ["x{:08d}", "90{:07d}"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    def peak(rows: int) -> int:
        # Long rows, so that the smaller file, too, is longer than what a reader takes at once.
        path = csv(tmp_path, "phone,note", *(f"{form.format(n)},{n:0300d}" for n in range(rows)))
        tracemalloc.start()
        for _ in checker_of(path).chunks(500):
            pass
        limit = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return limit

    peak(100)
    assert peak(40_000) < 1.5 * peak(10_000)


def fingerprint(rows: list[dict[str, str]]) -> str:
    checker = checker_of(rows)
    check_all(checker)
    return checker.report.content


def test_the_same_rows_in_another_order_have_the_same_fingerprint() -> None:
    rows = [{"phone": str(901_234_500 + n), "reference": f"INV-{n}"} for n in range(50)]
    assert fingerprint(rows) == fingerprint(rows[::-1])
    assert fingerprint(rows) != fingerprint(rows[1:])
    assert fingerprint(rows) != fingerprint([{**rows[0], "reference": "other"}, *rows[1:]])


def test_progress_counts_up_to_the_end_of_the_file(tmp_path: Path) -> None:
    steps: list[Progress] = []
    path = csv(tmp_path, "phone", *(str(900_000_000 + n) for n in range(3_500)))
    check_all(checker_of(path, progress=steps.append))
    assert [one.rows for one in steps] == sorted({one.rows for one in steps})
    assert [one.position for one in steps] == sorted(one.position for one in steps)
    assert (steps[-1].rows, steps[-1].good, steps[-1].position) == (3_500, 3_500, path.stat().st_size)
    assert {one.size for one in steps} == {path.stat().st_size}


def test_a_report_shows_the_first_hundred_problems_and_counts_all() -> None:
    checker = checker_of([{"phone": "12"}] * 250)
    check_all(checker)
    report = checker.report.to_dict()
    assert len(report["problems"]) == MAX_LISTED
    assert report["by_code"] == {"phone_short": 250}
    assert (report["rows"], report["good"], report["bad"]) == (250, 0, 250)
    assert report["columns"] == {"phone": "phone"}
    last = ["columns", "ignored", "questions", "rows", "good", "bad", "duplicate", "suppressed"]
    assert list(report)[-len(last) :] == last


def test_a_file_without_a_phone_column_is_asked_about_before_its_rows(tmp_path: Path) -> None:
    checker = checker_of(csv(tmp_path, "Имя,Город", "Али,Ташкент"))
    assert [question.code for question in checker.report.questions] == ["no_phone_column"]
    assert check_all(checker) == ([], [])


# Rejected rows as a file


def rejected_file(path: Path, **more: Any) -> tuple[bytes, CheckReport]:
    out = io.BytesIO()
    errors = RejectedRowsWriter(out, open_source(path).columns)
    checker = checker_of(path, on_problem=errors.add, **more)
    check_all(checker)
    errors.close()
    return out.getvalue(), checker.report


def test_bad_rows_are_written_with_their_reasons(tmp_path: Path) -> None:
    content, _ = rejected_file(csv(tmp_path, "Имя,Телефон", "Али,12", "Вали,901234567"))
    assert content.startswith(b"\xef\xbb\xbf")
    header, row, end = content.decode("utf-8-sig").split("\r\n")
    assert header == "Имя,Телефон,alodial_row,alodial_column,alodial_reason,alodial_remedy"
    assert row.startswith("Али,12,2,Телефон,")
    assert end == ""


def test_nothing_in_the_file_of_rejected_rows_is_calculated(tmp_path: Path) -> None:
    content, _ = rejected_file(csv(tmp_path, "phone,=cmd", '12,"=HYPERLINK(""http://x"")"', "13,@SUM(A1)", "14,+1+1"))
    text = content.decode("utf-8-sig")
    for cell in ("=cmd", '"=HYPERLINK', ",@SUM", ",+1+1"):
        assert f",{cell.lstrip(',')}" not in text
    assert "'=HYPERLINK" in text


def test_a_corrected_file_is_understood_again_and_again(tmp_path: Path) -> None:
    path = csv(tmp_path, "Имя,Телефон,metadata:note", "Али,12,=1", "Вали,13,-")
    for _ in range(3):
        content, report = rejected_file(path)
        assert (report.good, report.bad) == (0, 2)
        path.write_bytes(content)
    assert content.decode("utf-8-sig").split("\r\n")[0].count("alodial_row") == 1
    path.write_bytes(content.replace(b",12,", b",901234567,").replace(b",13,", b",901234568,"))
    checker = checker_of(path)
    good, _ = check_all(checker)
    assert [(spec.to[0], spec.metadata) for _, spec, _ in good] == [
        ("+998901234567", {"note": "=1"}),
        ("+998901234568", {"note": "-"}),
    ]


# In the store


def test_thousands_of_bad_rows_between_good_ones_stop_no_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    wrong = ["x"] * (2 * MAX_BUFFERED + 500)
    id = harness.submit([phone(0), *wrong, phone(1), *wrong, phone(2)])
    harness.ring_all()
    assert [row.numbers[0] for row in harness.rung] == [phone(0), phone(1), phone(2)]
    assert harness.front.get(id).rows["bad"] == 2 * len(wrong)
    assert sum(1 for _ in harness.front.problems(id)) == 2 * len(wrong)
    assert [row.phones[0] for row in harness.front.rows(id)] == [phone(0), phone(1), phone(2)]


def test_rows_whose_time_has_passed_are_counted_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, "Телефон;Позвонить до\n901234567;01.01.2026\n901234568;01.01.2090\n")
    body = {"name": "t", "call": {"callfrom": "712037006"}}
    now = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)
    checker = RowChecker(
        open_source(path),
        parse_campaign(body),
        Settings(_env_file=None),
        suppressed=lambda numbers: [False] * len(numbers),
        now_ms=now,
    )
    for _ in checker.chunks(500):
        pass
    assert [(warning.code, warning.rows) for warning in checker.report.warnings] == [("rows_expired", 1)]
