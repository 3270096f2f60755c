"""The templates and samples that ship are what the reader of files understands."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from file_harness import checked, map_columns, read, written

from alodial.campaigns.importing.files import open_source
from alodial.campaigns.samples import LANGUAGES, MISTAKES, SAMPLE, make_template, sample_path, write_template
from alodial.campaigns.samples.sample_rows import as_csv, rows_with_mistakes, sample_rows


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_template_is_understood_and_its_examples_are_good(language: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{kind}"
    write_template(path, language)
    report = checked(path)
    assert (report.good, report.bad) == (2, 0)
    assert set(map_columns(open_source(path).columns).by_field()) == {
        "phone",
        "name",
        "lang",
        "reference",
        "expires_at",
    }


def test_a_template_is_the_same_each_time() -> None:
    assert make_template("ru", "xlsx") == make_template("ru", "xlsx")


@pytest.mark.parametrize(("language", "kind"), [("fr", "csv"), ("en", "ods"), ("", "")])
def test_a_template_of_another_language_or_kind_is_refused(language: str, kind: str) -> None:
    with pytest.raises(ValueError, match="is not known; use"):
        make_template(language, kind)


def test_the_sample_has_300_good_rows_and_the_outcomes_that_it_promises() -> None:
    report = checked(sample_path())
    assert report.totals() == {"file": 300, "good": 300, "bad": 0, "duplicate": 0, "suppressed": 0}
    assert report.understood == {"phone": "Phone", "name": "Name", "lang": "Language", "reference": "Invoice number"}
    digits = ["".join(c for c in row.cells[0] if c.isdigit()) for row in open_source(sample_path()).rows()]
    endings = Counter(number[-2:] for number in digits)
    assert {ending: endings[ending] for ending in ("90", "91", "92", "93")} == {"90": 25, "91": 25, "92": 5, "93": 5}
    # 70 to 74 and 80 to 89 bring trouble other than a busy phone; 401 among it would stop the whole account.
    assert not [number for number in endings if number[0] == "8" or number in ("70", "71", "72", "73", "74")]
    assert {number[-9:-7] for number in digits} == {"40"}


def test_the_sample_with_mistakes_has_each_of_them_where_it_should_be() -> None:
    report = checked(sample_path(MISTAKES))
    assert (report.good, report.bad, report.duplicate) == (5, 13, 2)
    assert set(report.by_code) == {
        "phone_scientific", "formula", "phone_short", "phone_missing", "duplicate", "phone_emergency", "phone_not_allowed",
        "bad_lang", "too_many_cells", "phone_invalid", "phone_comment", "bad_reference",
    }  # fmt: skip
    assert [problem.number for problem in report.problems][:3] == [3, 4, 5]


def test_the_sample_files_are_those_that_their_program_writes() -> None:
    assert sample_path(SAMPLE).read_bytes() == as_csv(sample_rows())
    assert sample_path(MISTAKES).read_bytes() == as_csv(rows_with_mistakes())


def test_a_sample_that_is_none_is_not_found() -> None:
    for name in ("other.csv", "people.py", "../words.py"):
        with pytest.raises(FileNotFoundError, match="there is no sample"):
            sample_path(name)


def test_the_sample_is_the_same_in_whatever_form_it_is_saved(tmp_path: Path) -> None:
    table = list(csv.reader(io.StringIO(sample_path().read_text(encoding="utf-8-sig"))))
    semicolons = io.StringIO()
    csv.writer(semicolons, delimiter=";").writerows(table)
    forms = [semicolons.getvalue().encode(encoding) for encoding in ("utf-8", "utf-16", "cp1251")]
    assert all(read(written(tmp_path, form)).cells == read(sample_path()).cells for form in forms)
