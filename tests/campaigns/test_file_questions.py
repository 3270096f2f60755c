"""Where a file leaves a doubt about whom to ring, it is asked about, and nothing is submitted before the answer."""

import io
from pathlib import Path

import pytest
import xlsxwriter
from campaign_harness import Harness, request
from file_harness import asked, checked, row, workbook, written

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.files import open_source
from alodial.campaigns.importing.questions import OpenQuestions
from alodial.campaigns.importing.row_check import CheckReport, RowChecker
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas.campaigns import parse_campaign

TWO_WAY = {"kind": "two-way", "callfrom": "712037006"}


def codes(report: CheckReport) -> list[str]:
    return [question.code for question in report.questions]


def options(report: CheckReport) -> list[str]:
    return [choice.option for question in report.questions for choice in question.choices]


def book(sheets: dict[str, list[list[object]]], *, active: str = "", hidden: tuple[int, ...] = ()) -> bytes:
    """A workbook of these sheets; ``hidden`` rows, from 0, of the first."""
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True})
    for name, rows in sheets.items():
        sheet = made.add_worksheet(name)
        for at, cells in enumerate(rows):
            sheet.write_row(at, 0, cells)
        if name == active:
            sheet.activate()
        if name == next(iter(sheets)):
            for at in hidden:
                sheet.set_row(at, None, None, {"hidden": True})
    made.close()
    return out.getvalue()


PEOPLE: list[list[object]] = [["Телефон", "ФИО"], [901234567, "А"], [911234567, "Б"], [931234567, "В"]]


@pytest.mark.parametrize(
    "text",
    [
        "301234567;ООО Ромашка;901234567\n302345678;ООО Лютик;911234568\n",
        "Иванов;150 000 000;901234567\n",
        "41.311081;69.240562;901234567\n",
        "901234567;911234567\n",
        "301234567\n302345678\n",
    ],
)
def test_a_file_without_headings_is_asked_about_with_the_cells_of_each_column(text: str, tmp_path: Path) -> None:
    report = asked(written(tmp_path, text))
    assert codes(report) == ["no_phone_column"]
    assert (report.rows, report.header_row) == (0, 0)
    last = text.splitlines()[0].split(";")[-1]
    assert any(last in choice.text() for choice in report.questions[0].choices)
    letter = "ABC"[text.splitlines()[0].count(";")]
    assert f"--map phone={letter}" in options(report)
    answered = checked(written(tmp_path, text), {"phone": letter})
    assert answered.good == len(text.splitlines())


def test_the_column_with_operators_codes_is_suggested_first(tmp_path: Path) -> None:
    report = asked(written(tmp_path, "301234567;ООО Ромашка;901234567\n302345678;ООО Лютик;911234568\n"))
    assert options(report)[0] == "--map phone=C"


def test_one_column_of_numbers_with_operators_codes_leaves_nothing_to_choose(tmp_path: Path) -> None:
    assert checked(written(tmp_path, "901234567\n+998 91 123-45-68\n")).good == 2


@pytest.mark.parametrize("extra", ["01.11.26-30.11.26", "150 000 000", "2026-11-01", "Долг на 01.11.2026"])
def test_a_date_or_a_sum_among_the_headings_makes_no_data_of_them(extra: str, tmp_path: Path) -> None:
    report = checked(written(tmp_path, f"Телефон;ФИО;{extra}\n901234567;А;150000000\n911234567;Б;250000000\n"))
    assert (report.header_row, report.good, report.understood) == (1, 2, {"phone": "Телефон", "name": "ФИО"})


def test_a_title_above_the_headings_is_skipped_and_said(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Список должников на 24.11.2026"],
        [],
        ["№", "ФИО", "Телефон", "Сумма"],
        [1, "Иванов", 901234560, 100],
        [2, "Петров", 901234561, 100],
    ]
    report = checked(written(tmp_path, book({"S": rows}), "a.xlsx"))
    assert (report.header_row, report.good) == (3, 2)
    assert report.skipped == ((1, "Список должников на 24.11.2026"),)
    assert report.ignored == ("№", "Сумма")


def test_a_title_that_speaks_of_phones_is_no_heading(tmp_path: Path) -> None:
    text = "Телефоны клиентов;;\nФИО;Телефон;Сумма\nИванов;901234567;5\n"
    assert checked(written(tmp_path, text)).header_row == 2


def test_of_two_rows_of_headings_the_one_that_names_the_phone_counts(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Клиент", "", "Контакты", ""],
        ["Фамилия", "Имя", "Телефон", "Email"],
        ["Иванов", "Иван", 901234567, "a@b"],
    ]
    report = checked(written(tmp_path, book({"S": rows}), "a.xlsx"))
    assert (report.header_row, report.understood, report.good) == (2, {"phone": "Телефон", "name": "Имя"}, 1)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("ФИО;Телефон;\n;Личный;Менеджера\nА;901234567;301234567\n", "Телефон Личный"),
        ("ФИО;Телефон;\n;Менеджера;Личный\nА;301234567;901234567\n", "Телефон Личный"),
        ("ФИО;Телефон;\n;Менеджера;Клиента\nА;301234567;901234567\n", "Телефон Клиента"),
        ("Клиент;;Поручитель;\nФИО;Телефон;ФИО;Телефон\nА;901234567;Б;301234567\n", "Телефон"),
        ("Менеджер;;Клиент;\nИмя;Телефон;Имя;Тел.\nБ;301234567;А;901234567\n", "Тел."),
        ("Менеджер Иванов;;Ноябрь\nФИО;Телефон;Сумма\nА;901234567;5\n", "Телефон"),
        ("Компания;ООО Б;\nТелефон;712037006;\n\n№;ФИО;Телефон\n1;А;901234567\n", "Телефон"),
    ],
)
def test_headings_in_two_rows_say_whose_phone_it_is(text: str, column: str, tmp_path: Path) -> None:
    report = checked(written(tmp_path, text))
    assert report.understood["phone"] == column
    assert report.first is not None
    assert report.first.to == ("+998901234567",)
    assert report.bad == 0
    again = asked(written(tmp_path, text), {"header_row": report.header_row})
    assert (again.first, again.understood) == (report.first, report.understood)


@pytest.mark.parametrize(
    "text",
    [
        "ФИО;Телефон;;Сумма\n;Мужа;Жены;\nА;301234567;901234567;5\n",
        "Менеджер;;Клиент;\nИмя;Телефон;Имя;Сумма\nБ;301234567;А;500\n",
    ],
)
def test_a_phone_below_the_heading_of_others_is_a_question(text: str, tmp_path: Path) -> None:
    assert [question.code for question in asked(written(tmp_path, text)).questions] == ["weak_phone_column"]


def test_the_header_row_can_be_corrected(tmp_path: Path) -> None:
    path = written(tmp_path, "Телефон;ФИО\nСотовый;Имя\n901234567;А\n")
    assert asked(path, {"header_row": 2}).understood == {"phone": "Сотовый", "name": "Имя"}
    assert asked(path, {"header_row": 0}).header_row == 0
    with pytest.raises(BadFile, match="too far down") as caught:
        asked(path, {"header_row": 500})
    assert caught.value.code == "no_header_row"


def test_several_sheets_with_phones_are_a_question_whichever_is_active(tmp_path: Path) -> None:
    october: list[list[object]] = [["Телефон"], [901111111]]
    november: list[list[object]] = [["Телефон"], [902222222]]
    path = written(tmp_path, book({"Октябрь": october, "Ноябрь": november}, active="Ноябрь"), "a.xlsx")
    report = asked(path)
    assert codes(report) == ["sheet_unclear"]
    assert options(report) == ["--sheet Октябрь", "--sheet Ноябрь"]
    answered = asked(path, {"sheet": "октябрь"})
    assert not answered.questions
    assert answered.first is not None
    assert (answered.sheet, answered.first.to) == ("Октябрь", ("+998901111111",))
    with pytest.raises(BadFile, match="'Декабрь'") as caught:
        asked(path, {"sheet": "Декабрь"})
    assert "'Октябрь', 'Ноябрь'" in caught.value.remedy


def test_a_sheet_of_instructions_before_the_list_is_passed_over(tmp_path: Path) -> None:
    guide: list[list[object]] = [["Как заполнять"], ["Впишите телефоны во второй лист"], ["Один номер в ячейке"]]
    report = checked(written(tmp_path, book({"Инструкция": guide, "Список": PEOPLE}), "a.xlsx"))
    assert (report.sheet, report.good, report.sheets) == ("Список", 3, ("Инструкция", "Список"))


def test_a_text_file_has_no_sheets(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="has no sheets"):
        asked(written(tmp_path, "Телефон\n901234567\n"), {"sheet": "S"})


def test_hidden_rows_are_left_out_and_asked_about_with_their_number(tmp_path: Path) -> None:
    path = written(tmp_path, book({"S": PEOPLE}, hidden=(1, 3)), "a.xlsx")
    report = asked(path)
    assert codes(report) == ["hidden_rows"]
    assert "2 rows" in report.questions[0].text()
    assert (report.good, report.hidden, options(report)) == (1, 2, ["--hidden skip", "--hidden keep"])
    assert [asked(path, {"hidden": answer}).good for answer in ("skip", "keep")] == [1, 3]
    assert not asked(path, {"hidden": "keep"}).questions


def test_columns_behind_the_last_heading_of_a_sheet_cost_no_row(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Телефон", "ФИО"], [901234567, "А"], [911234567, "Б", "перезвонить", "в мае"]]
    report = checked(written(tmp_path, book({"S": rows}), "a.xlsx"))
    assert (report.good, report.columns) == (2, ("Телефон", "ФИО", "column C", "column D"))


def test_nine_digits_are_asked_about_where_a_neighbour_may_be_called(tmp_path: Path) -> None:
    path = written(tmp_path, "Телефон\n555123456\n+996555123456\n")

    def report(prefixes: str, **policy: object) -> CheckReport:
        body = {"name": "t", "call": TWO_WAY, "policy": policy}
        settings = Settings(_env_file=None, allowed_prefixes=prefixes)
        checker = RowChecker(
            open_source(path),
            parse_campaign(body, allowed=()),
            settings,
            suppressed=lambda numbers: [False] * len(numbers),
        )
        list(checker.chunks(500))
        return checker.report

    both = report("+998,+996")
    assert codes(both) == ["country_unclear"]
    assert options(both) == ["--prefix +998"]
    assert not report("+998,+996", allowed_prefixes=["+998"]).questions
    assert not report("+998,+7").questions


def test_a_code_that_no_operator_has_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    report = checked(written(tmp_path, "Телефон\n301234567\n901234567\n"))
    assert report.good == 2
    (warning,) = report.warnings
    assert (warning.code, warning.rows) == ("operator_unknown", 1)
    assert ": 30" in warning.text()


def test_a_row_repeats_another_by_any_number_that_it_may_ring(tmp_path: Path) -> None:
    text = (
        "Телефон;Телефон 2\n901234561;901234562\n901234563;901234562\n901234563;\n"
        "901234562;901234564\n901234565;901234565\n"
    )
    report = checked(written(tmp_path, text))
    assert [(problem.number, problem.code, problem.column, problem.value) for problem in report.problems] == [
        (3, "duplicate", "Телефон 2", "+998901234562"),
        (5, "duplicate", "Телефон", "+998901234562"),
    ]
    assert report.good == 3


def test_a_row_that_may_not_be_called_keeps_no_later_row_from_being_called() -> None:
    rows = [{"phone": "901234561", "phone2": "901234562"}, {"phone": "901234562", "phone2": ""}]
    checker = RowChecker(
        open_source(rows),
        parse_campaign({"name": "t", "call": TWO_WAY}),
        Settings(_env_file=None),
        suppressed=lambda numbers: [number == "+998901234561" for number in numbers],
    )
    ((good, _),) = checker.chunks(500)
    assert [spec.to for _, spec, _ in good] == [("+998901234562",)]
    assert checker.report.suppressed == 1


GOOGLE = (
    "First Name,Last Name,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value\n"
    "A,B,Mobile,+998 90 123-45-67 ::: +998911234568,Work,+998 71 203-70-06\n"
)
OUTLOOK = (
    'First Name,Last Name,Business Fax,Business Phone,Home Phone,Mobile Phone\n"A","B","","","","+998 90 123-45-67"\n'
)
BITRIX24 = "ID;Имя;Фамилия;Рабочий телефон;Мобильный телефон;Факс;Другой телефон\n1;А;Б;;+998901234567;;\n"
AMOCRM = (
    '"ID","Тип","Полное имя","Рабочий телефон","Рабочий прямой телефон","Мобильный телефон","Факс"\n'
    '"1","контакт","А Б","\'+998712037006","","",""\n'
)
ONE_C = "Контрагенты;;;\n;;;\nКонтрагент;ИНН;Договор;Телефон\nООО Ромашка;301234567;5;8 90 123-45-67, 71 203 70 06\n"


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        (GOOGLE, ("+998901234567", "+998911234568", "+998712037006")),
        (OUTLOOK, ("+998901234567",)),
        (BITRIX24, ("+998901234567",)),
        (AMOCRM, ("+998712037006",)),
        (ONE_C, ("+998901234567", "+998712037006")),
    ],
    ids=["Google", "Outlook", "Bitrix24", "amoCRM", "1C"],
)
def test_the_exports_of_other_programs_are_read(text: str, phones: tuple[str, ...], tmp_path: Path) -> None:
    report = checked(written(tmp_path, text))
    assert report.first is not None
    assert report.first.to == phones


def test_nothing_is_stored_while_a_question_is_open(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    harness = Harness(redis_server)
    hidden = written(tmp_path, book({"S": PEOPLE}, hidden=(2,)), "a.xlsx")
    columns = written(tmp_path, "Номер;Сотовый\n301234567;901234567\n", "b.csv")
    for path, code in ((hidden, "hidden_rows"), (columns, "weak_phone_column")):
        with pytest.raises(OpenQuestions) as caught:
            harness.front.submit(path, request(call=TWO_WAY), actor="test")
        assert caught.value.code == code
        assert caught.value.questions[0].choices
    assert harness.front.list().campaigns == []
    record = harness.front.submit(hidden, request(call=TWO_WAY).model_copy(update={"hidden": "skip"}), actor="test")
    assert record.rows["good"] == 2
    more = written(tmp_path, book({"S": [*PEOPLE, [941234567, "Г"]]}, hidden=(1,)), "c.xlsx")
    assert harness.front.add(record.id, more, actor="test").rows["file"] == 5


def test_a_sheet_and_a_file_of_inline_texts_agree(tmp_path: Path) -> None:
    content = workbook(sheets={'name="Main"': row(1, "Телефон", "ФИО") + row(2, "901234567", "А")})
    assert checked(written(tmp_path, content, "a.xlsx")).sheet == "Main"
