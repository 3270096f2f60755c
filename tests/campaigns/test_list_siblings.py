"""Lists like those that people sent, of many makes: each is called rightly or asked about, and never a stranger."""

from pathlib import Path

import pytest
from file_harness import asked, row, workbook, written

from alodial.campaigns.errors import BadFile

PHONE = "+998901234567"


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234;Ali;901234567\n",
        "100200300\n100200301\n",
        "8600123412341234;5\n",
        "901234567\n301234567\n",
        "Телефон;901234567\nФИО;Иванов\n",
        "№;Контрагент;Вид контактной информации;Представление\n1;ООО А;Телефон;901234567\n2;ООО Б;Email;a@b\n",
    ],
    ids=["PINFL", "contracts", "cards", "mixed", "transposed", "1C kinds of contact"],
)
def test_rows_of_data_are_no_header_and_no_column_is_chosen(text: str, tmp_path: Path) -> None:
    report = asked(written(tmp_path, text))
    assert [question.code for question in report.questions] == ["no_phone_column"]
    assert report.header_row == (1 if text.startswith("№") else 0)
    assert report.good == 0


@pytest.mark.parametrize(
    "heading",
    ["Otasining telefoni", "Тел. отца;Тел. матери", "Менеджер;Тел. менеджера", "ФИО;WhatsApp", "Номер 1;Номер 2"],
)
def test_phones_of_others_alone_are_a_question(heading: str, tmp_path: Path) -> None:
    report = asked(written(tmp_path, f"{heading}\n901234567;911234567\n"))
    assert [question.code for question in report.questions] == ["weak_phone_column"]


def test_phones_in_one_cell_stay_together_below_a_heading_that_is_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path, "Телефон внука\n901234567, 911234567\n")
    assert [question.code for question in asked(path).questions] == ["weak_phone_column"]
    answered = asked(path, {"columns": {"phone": "Телефон внука"}})
    assert answered.first is not None, answered.problems
    assert answered.first.to == (PHONE, "+998911234567")


@pytest.mark.parametrize(
    "cell",
    [
        '"=""901234567"""',
        '="+998901234567"',
        "'901234567",
        "p:+998901234567",
        "tel:+998-90-123-45-67",
        "9.01234567E+08",
        "9,98901234567E+011",
        "998901234567,00",
        "8 (90) 123-45-67",
        "٩٠١٢٣٤٥٦٧",
    ],
)
def test_what_programs_put_around_a_phone_is_no_mistake(cell: str, tmp_path: Path) -> None:
    report = asked(written(tmp_path, f"Телефон;ФИО\n{cell};А\n"))
    assert report.first is not None, report.problems
    assert report.first.to == (PHONE,)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("9.0123457E+08", "phone_scientific"),
        ("9.9890123456E+11", "phone_scientific"),
        ('=HYPERLINK("x")', "formula"),
        ('="90"&"1234567"', "formula"),
        ("998-90-1234", "phone_short"),
        ("199999999", "phone_invalid"),
        ("9О1234567", "phone_letter"),
        ("901234567 доб. 12", "phone_comment"),
        ("901234567;", "phone_separator"),
    ],
)
def test_a_number_that_lost_something_is_refused_with_its_own_reason(cell: str, code: str, tmp_path: Path) -> None:
    quoted = cell.replace('"', '""')
    report = asked(written(tmp_path, f'Телефон;ФИО\n"{quoted}";А\n'))
    assert [problem.code for problem in report.problems] == [code]


def test_a_list_of_contacts_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="vCard"):
        asked(written(tmp_path, "BEGIN:VCARD\nFN:A\nTEL:+998901234567\nEND:VCARD\n", "a.vcf"))


def test_a_row_without_height_is_hidden(tmp_path: Path) -> None:
    hidden = row(2, "901234567").replace("<row", '<row ht="0" customHeight="1"')
    shown = row(3, "911234567").replace("<row", '<row ht="15.75"')
    report = asked(written(tmp_path, workbook(row(1, "Телефон"), hidden, shown), "a.xlsx"))
    assert [question.code for question in report.questions] == ["hidden_rows"]
    assert (report.good, report.hidden) == (1, 1)
