"""A do-not-call list is read from files as a campaign is: by its phone column, with several numbers in a cell."""

import io
from pathlib import Path

import pytest
import xlsxwriter
from campaign_harness import Harness
from file_harness import written

from alodial.campaigns.importing.questions import OpenQuestions
from alodial.do_not_call import DoNotCall
from alodial.testing.redis_server import EmbeddedRedis


@pytest.fixture
def lists(redis_server: EmbeddedRedis) -> DoNotCall:
    return DoNotCall(Harness(redis_server).store)


def numbers(lists: DoNotCall) -> set[str]:
    return {entry.number for entry in lists.every()}


def test_every_number_of_a_line_is_added(lists: DoNotCall, tmp_path: Path) -> None:
    result = lists.add_file(written(tmp_path, "907770001, 907770002\n907770003,\n"))
    assert (result.added, result.bad) == (3, 0)
    assert numbers(lists) == {"+998907770001", "+998907770002", "+998907770003"}
    typed = lists.add_lines(["907770004, 907770005", "907770006; asked on the phone", "907770007 / 907770008"])
    assert (typed.lines, typed.added, typed.bad) == (3, 5, 0)


def test_whatever_a_call_understands_is_listed_in_the_same_spelling(lists: DoNotCall, tmp_path: Path) -> None:
    """A list of calls and a list of people who do not want them often come from one program."""
    result = lists.add_file(written(tmp_path, "Телефон\n8 90 777-00-01\n8(90)7770002, 0907770003\n+7 916 123-45-67\n"))
    assert (result.added, result.bad) == (4, 0)
    assert lists.add_lines(["8-90-7770004, asked"]).added == 1
    assert lists.add("8 90 777 00 05") == 1
    assert numbers(lists) == {f"+99890777000{n}" for n in range(1, 6)} | {"+79161234567"}
    assert lists.find("8-90-777-00-01")
    assert lists.remove("8-90-777-00-01") == 1


def test_the_phone_column_is_read_and_no_tax_number(lists: DoNotCall, tmp_path: Path) -> None:
    text = "ИНН;Контрагент;Телефон;Телефон 2\n301234567;А;90 123 45 67, 91 123 45 68;\n302345678;Б;;931234569\n"
    result = lists.add_file(written(tmp_path, text))
    assert result.columns == ("Телефон", "Телефон 2")
    assert numbers(lists) == {"+998901234567", "+998911234568", "+998931234569"}


@pytest.mark.parametrize(
    "heading", ["Телефон (не звонить)", "Телефон — стоп-лист", "Blacklist phone", "Старый телефон"]
)
def test_a_heading_that_says_why_the_phones_are_listed_is_that_of_phones(
    heading: str, lists: DoNotCall, tmp_path: Path
) -> None:
    result = lists.add_file(written(tmp_path, f"{heading}\n907770001, 907770002\n"))
    assert (result.columns, result.added, result.bad) == ((heading,), 2, 0)


def test_a_list_without_headings_that_holds_tax_numbers_is_asked_about(lists: DoNotCall, tmp_path: Path) -> None:
    path = written(tmp_path, "301234567;А;901234567\n302345678;Б;911234567\n")
    with pytest.raises(OpenQuestions) as caught:
        lists.add_file(path)
    assert caught.value.code == "no_phone_column"
    assert lists.count() == 0
    assert lists.add_file(path, columns={"phone": "C"}).added == 2


def test_a_workbook_is_read_with_its_hidden_rows(lists: DoNotCall, tmp_path: Path) -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for at, cells in enumerate((["Не звонить"], ["ФИО", "Телефон"], ["А", 901234567], ["Б", 911234567])):
        sheet.write_row(at, 0, cells)
    sheet.set_row(3, None, None, {"hidden": True})
    book.close()
    assert lists.add_file(written(tmp_path, out.getvalue(), "a.xlsx")).added == 2


def test_nothing_that_looks_like_a_phone_is_dropped_unsaid(lists: DoNotCall, tmp_path: Path) -> None:
    result = lists.add_file(written(tmp_path, "Телефон\n901234567; 9012345\n8 (90) 123\n911234567 (мама)\n"))
    assert (result.lines, result.added, result.bad) == (3, 1, 3)
    assert [problem.number for problem in result.problems] == [2, 3, 4]


def test_an_exported_list_is_imported_without_a_question(lists: DoNotCall, tmp_path: Path) -> None:
    text = "number,since,by,reason\n'+998901234567,2026-11-24T09:00:00.000Z,cli:a,asked\n"
    assert lists.add_file(written(tmp_path, text)).added == 1
