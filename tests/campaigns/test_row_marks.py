"""A row's own words keep it from being called: it is a total, is marked, or names another country."""

from pathlib import Path

import pytest
from file_harness import asked, checked, written


@pytest.mark.parametrize(
    ("heading", "cell", "code"),
    [
        ("Не звонить", "да", "marked_do_not_call"),
        ("Не звонить", "+", "marked_do_not_call"),
        ("Do not call", "TRUE", "marked_do_not_call"),
        ("DNC", "01.11.2026", "marked_do_not_call"),
        ("is_dnc", "1", "marked_do_not_call"),
        ("Не звонить (да/нет)", "да", "marked_do_not_call"),
        ("Умер", "да", "marked_do_not_call"),
        ("Qo‘ng‘iroq qilinmasin", "ha", "marked_do_not_call"),
        ("Согласие на звонок", "нет", "marked_do_not_call"),
        ("Consent", "-", "marked_do_not_call"),
        ("Примечание", "!!! НЕ ЗВОНИТЬ !!!", "marked_do_not_call"),
        ("Статус клиента", "умер(ла)", "marked_do_not_call"),
        ("Не звонить", "нет", ""),
        ("Не звонить", "-", ""),
        ("DNC", "0", ""),
        ("Не звонить (да/нет)", "нет", ""),
        ("Согласие на звонок", "да", ""),
        ("Согласие на звонок", "", ""),
        ("Примечание", "Оплачено", ""),
    ],
)
def test_who_is_marked_as_not_to_be_called_is_not_called(heading: str, cell: str, code: str, tmp_path: Path) -> None:
    report = checked(written(tmp_path, f"ФИО;Телефон;{heading}\nА;901234567;{cell}\n"))
    assert [(problem.code, problem.column) for problem in report.problems] == ([(code, heading)] if code else [])


def test_a_column_that_is_used_for_a_field_marks_nobody(tmp_path: Path) -> None:
    path = written(tmp_path, "ФИО;Телефон;DNC\nА;901234567;7\n")
    assert checked(path, {"reference": "DNC"}).good == 1


@pytest.mark.parametrize(
    "row", ["Итого:;301234567", "Итого по филиалу;301234567", "ВСЕГО;301234567", "Jami;301234567", "Total:;301234567"]
)
def test_a_total_below_the_list_is_no_phone(row: str, tmp_path: Path) -> None:
    report = checked(written(tmp_path, f"ФИО;Телефон\nА;901234567\n{row}\nИсполнитель: Б;712037006\n"))
    assert [(problem.number, problem.code) for problem in report.problems] == [(3, "total_row"), (4, "total_row")]
    assert report.good == 1


def test_a_total_behind_the_phone_is_found_by_the_name(tmp_path: Path) -> None:
    path = written(tmp_path, "Телефон;Сумма;ФИО\n901234567;5;А\n301234567;5;Итого\n")
    assert [problem.code for problem in checked(path).problems] == ["total_row"]


@pytest.mark.parametrize("name", ["Итогов Али", "Всеволод", "Total Oil", "Исполнитель", "Jamila", "Субботин"])
def test_a_name_that_begins_like_a_total_is_called(name: str, tmp_path: Path) -> None:
    assert checked(written(tmp_path, f"ФИО;Телефон\n{name};901234567\n")).good == 1


@pytest.mark.parametrize("country", ["Кыргызстан", "KG", "+996", "Қирғизистон"])
def test_a_row_of_another_country_is_asked_about(country: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"ФИО;Телефон;Страна\nА;555123456;{country}\nБ;+998901234567;{country}\nВ;911234567;\n")
    report = asked(path)
    assert [question.code for question in report.questions] == ["country_unclear"]
    assert "1 number has no country code" in report.questions[0].text()
    answered = asked(path, {"policy": {"allowed_prefixes": ["+998"]}})
    assert (answered.questions, answered.good) == ([], 3)


@pytest.mark.parametrize("country", ["Узбекистан", "UZ", "998", "+998", "O‘zbekiston", "Респ. Узбекистан, г. Ташкент"])
def test_a_row_of_this_country_is_no_question(country: str, tmp_path: Path) -> None:
    assert checked(written(tmp_path, f"ФИО;Телефон;Код страны\nА;901234567;{country}\n")).good == 1
