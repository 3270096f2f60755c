"""Rejected rows are reported with the right number and cell, and do not include a number that was accepted."""

import io
from datetime import UTC
from pathlib import Path

import pytest

from alodial.campaigns.exporting.rejected_rows import REASONS, RejectedRowsWriter, problem_blocks
from alodial.campaigns.exporting.texts import headings
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.row_check import CheckReport, RowChecker
from alodial.campaigns.row_codec import RowProblem
from alodial.i18n import Translator
from alodial.settings import Settings
from alodial_schemas.campaigns import parse_campaign

TWO_WAY = parse_campaign({"name": "n", "call": {"callfrom": "712037006"}})
PLAIN = Settings(_env_file=None)
LISTED = "+998977076909"


def check(folder: Path, text: str) -> CheckReport:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    checker = RowChecker(open_source(path), TWO_WAY, PLAIN, suppressed=lambda numbers: [n == LISTED for n in numbers])
    for _ in checker.chunks(500):
        pass
    return checker.report


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Phone,Phone 2\n994412860,97 707-69-09\n", "Phone 2"),
        ("Phone,Initiator\n994412860,977076909\n", "Initiator"),
        ('Phone,Name\n"994412860; +998 97 707 69 09",Ann\n', "Phone"),
        ("Phone,Name\n977076909,Ann\n", "Phone"),
    ],
)
def test_a_suppressed_row_names_the_number_that_is_on_the_list(tmp_path: Path, text: str, column: str) -> None:
    report = check(tmp_path, text)
    assert report.suppressed == 1
    assert [(p.column, p.code, p.value) for p in report.problems] == [(column, "do_not_call", LISTED)]


def test_an_unreadable_row_shows_the_cell_that_is_wrong_and_no_other(tmp_path: Path) -> None:
    report = check(tmp_path, 'Name,Phone\nAnn,"994412860",more,and more\nAnn,' + "9" * 70_000 + "\n")
    assert [p.code for p in report.problems] == ["too_many_cells", "cell_too_large"]
    assert all(p.value == "" if not p.column else p.value.startswith("999") for p in report.problems)
    assert report.rows == 2


def test_a_corrected_errors_file_does_not_ring_a_number_that_was_accepted_before(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Phone\n994412860\n994412860\n12\n", encoding="utf-8")
    out = io.BytesIO()
    errors = RejectedRowsWriter(out, ("Phone",))
    checker = RowChecker(
        open_source(path), TWO_WAY, PLAIN, suppressed=lambda n: [False] * len(n), on_problem=errors.add
    )
    for _ in checker.chunks(500):
        pass
    errors.close()
    assert checker.report.duplicate == 1
    assert out.getvalue().count(b"994412860") == 0
    assert out.getvalue().count(b"\r\n") == 2


@pytest.mark.parametrize("language", ["en", "ru", "uz"])
def test_reasons_of_an_earlier_file_are_replaced_whatever_their_language(language: str) -> None:
    texts = Translator(language, UTC)
    ours = headings(texts, REASONS)
    problem = RowProblem(
        2, "Phone", "phone_missing", "is empty", "give it", "", ("", "why", "2", "Phone", "old", "old")
    )
    columns = ("Phone", "Причина", *ours)
    out = io.BytesIO()
    writer = RejectedRowsWriter(out, columns, texts)
    writer.add(problem)
    writer.close()
    (head, row) = out.getvalue().decode("utf-8-sig").splitlines()
    separator = "," if language == "en" else ";"
    assert head == separator.join(["Phone", "Причина", *ours])
    assert row.startswith(separator.join(["", "why", "2", "Phone"]))
    assert "old" not in row
    streamed = b"".join(problem_blocks([problem], columns, delimiter=separator, texts=texts))
    assert streamed == out.getvalue()
