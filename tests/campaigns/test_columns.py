"""Each column is used for what its name says for certain; whatever would be a guess is a question."""

import time

import pytest
from file_harness import map_columns
from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.columns import ColumnReading, Columns, name_place, read_columns
from alodial.campaigns.importing.header_words import normalise_name
from alodial.campaigns.importing.questions import CODES, OpenQuestions
from alodial_schemas.campaigns import CampaignCall

NO_INITIATOR = CampaignCall()


def refused(names: list[str], mapping: dict[str, str] | None = None) -> BadFile:
    with pytest.raises(BadFile) as caught:
        map_columns(names, mapping)
    return caught.value


def reading(table: str, mapping: dict[str, str] | None = None, call: CampaignCall | None = None) -> ColumnReading:
    """The columns of a table with cells between bars, the first row of which is its heading."""
    names, *rows = [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]
    return read_columns(names, rows, mapping, call)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Язык", "lang"), ("til", "lang"), ("Тил", "lang"), ("Language", "lang"), ("Инициатор", "initiator"),
        ("callfrom", "initiator"), ("queue", "queue"), ("Очередь АТС", "queue"),
        ("Invoice number", "reference"), ("Номер счёта", "reference"), ("Shartnoma raqami", "reference"), ("ID", "reference"),
        ("expires_at", "expires_at"), ("Позвонить до", "expires_at"), ("Qo‘ng‘iroq muddati", "expires_at"),
        ("Шартнома рақами", "reference"),
    ],
)  # fmt: skip
def test_the_other_columns_are_known_too(name: str, field: str) -> None:
    assert map_columns(["Телефон", name]).by_field() == {"phone": "Телефон", field: name}


def test_further_phones_are_rung_in_the_order_of_their_numbers() -> None:
    names = ["phone 10", "Телефон 3", "phone", "telefon2", "Имя", "4-й телефон"]
    assert map_columns(names).phones == (2, 3, 1, 5, 0)
    assert map_columns(["Телефон №1", "Телефон №2"]).phones == (0, 1)


def test_columns_that_mean_nothing_to_us_are_plain_data() -> None:
    assert map_columns(["Phone", "Тариф", "Оператор", "Город", "", "№"]).by_field() == {"phone": "Phone"}


@pytest.mark.parametrize(
    "name",
    [
        *("ФИО", "Ф.И.О.", "Имя", "Имя клиента", "Name", "Full name", "customer name", "F.I.Sh.", "Ism", "Mijoz ismi"),
        *("ФИШ", "Клиент", "Mijoz", "Фамилия Имя Отчество"),
    ],
)
def test_a_heading_of_peoples_names_is_the_name(name: str) -> None:
    assert map_columns(["Телефон", name]).by_field() == {"phone": "Телефон", "name": name}
    assert name_place(["Телефон", name], {"phone": "Телефон"}) == 1
    assert name_place(["Телефон", name], {"name": "-"}) is None


@pytest.mark.parametrize(
    "name", ["File name", "Название", "Имя файла", "Город", "Тип клиента", "Product name", "ID клиента"]
)
def test_a_heading_of_other_names_is_not(name: str) -> None:
    assert "name" not in map_columns(["Телефон", name]).by_field()


def test_the_fullest_of_several_names_is_taken() -> None:
    assert map_columns(["Клиент", "Имя", "Телефон", "ФИО"]).name == 3
    assert map_columns(["Клиент", "Фамилия", "Имя", "Телефон"]).name == 2


def test_a_phone_that_is_refused_is_asked_about_and_not_taken_by_its_name() -> None:
    found = read_columns(("Телефон", "Сумма"), (("901234567", "5"),), {"phone": "-"})
    assert [question.code for question in found.questions] == ["no_phone_column"]
    assert found.columns.phones == ()


def test_a_column_of_metadata_can_be_refused() -> None:
    columns = ("Телефон", "meta:city")
    assert read_columns(columns, mapping={"metadata:city": "-"}).columns.metadata == {}


def test_a_weak_word_beside_a_phone_is_a_question_where_its_cells_look_like_phones() -> None:
    for weak in ("Номер", "Контакт", "Raqam", "Number", "Mijoz raqami", "Получатель"):
        found = reading(f"{weak} | ФИО | Сотовый тел.\n301234567 | Иванов | 901234567")
        (question,) = found.questions
        assert question.code == "weak_phone_column"
        assert weak in question.text()
        assert "Сотовый тел." in question.text()
        assert {choice.option for choice in question.choices} >= {'--map "phone=Сотовый тел."'}
        assert found.columns.phones == ()
        assert reading(f"{weak} | ФИО | Сотовый тел.\n17 | Иванов | 901234567").columns.phones == (2,)


def test_a_weak_word_alone_is_a_phone_only_where_every_cell_has_an_operators_code() -> None:
    assert reading("Номер | ФИО\n901234567 | Иванов\n+998 71 203-70-06 | Петров").columns.phones == (0,)
    assert reading("Номер | ФИО\n301234567 | Иванов").questions[0].code == "weak_phone_column"
    assert map_columns(["Номер", "Имя"]).phones == (0,)


@pytest.mark.parametrize("name", ["Номер 2", "Контакт 2", "Number 2", "raqam 2"])
def test_a_weak_name_with_a_number_is_never_a_second_phone(name: str) -> None:
    found = reading(f"Телефон | ФИО | {name}\n901234567 | А | 301234567")
    assert found.columns.phones == (0,)
    assert found.ignored == (name,)
    assert not found.questions


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("Телефон менеджера", "--map initiator=B"),
        ("Operator telefoni", "--map initiator=B"),
        ("Номер очереди", "--map queue=B"),
        ("Navbat raqami", "--map queue=B"),
        ("Срок действия", "--map expires_at=B"),
        ("Доп. телефон", "--map phone2=B"),
        ("Телефон супруги", "--map phone2=B"),
    ],
)
def test_a_second_column_that_nobody_confirmed_is_not_used_and_the_check_says_how_it_would_be(
    name: str, option: str
) -> None:
    found = reading(f"Телефон | {name}\n901234567 | 911234567", call=CampaignCall(callfrom="+998712037006"))
    assert found.columns.by_field() == {"phone": "Телефон"}
    assert found.ignored == (name,)
    assert option in found.table[1].hint_text()
    assert not found.questions


def test_who_is_not_to_be_called_is_not_called_on_a_further_phone_either() -> None:
    names = ("ФИО", "Телефон", "Доп. телефон", "Телефон менеджера", "Второй телефон менеджера", "ИНН")
    row = ("А", "901234567", "911234567", "931234567", "941234567", "301234567")
    found = read_columns(names, (row,), purpose="do_not_call")
    assert (found.columns.phones, found.questions) == ((1, 2), ())


def test_a_campaign_without_an_initiator_asks_whether_the_managers_phone_is_it() -> None:
    found = reading("Телефон | Телефон менеджера\n901234567 | 911234567", call=NO_INITIATOR)
    assert [question.code for question in found.questions] == ["initiator_column"]
    answered = reading("Телефон | Телефон менеджера\n901234567 | 911234567", {"initiator": "B"}, NO_INITIATOR)
    assert answered.columns.initiator == 1
    assert not reading("Телефон | Телефон менеджера\n9 | 9", {"initiator": "-"}, NO_INITIATOR).questions


def test_a_heading_of_our_older_templates_is_confirmed_before_it_ends_a_row() -> None:
    table = "Телефон | Действует до\n901234567 | 31.12.2026"
    assert [question.code for question in reading(table).questions] == ["expires_column"]
    assert reading(table, {"expires_at": "Действует до"}).columns.expires_at == 1
    assert reading(table, {"expires_at": "-"}).columns.expires_at is None


def test_two_columns_for_one_field_are_a_question_to_the_caller() -> None:
    error = refused(["Телефон", "Мобильный"])
    assert error.code == "columns_ambiguous"
    assert "Телефон" in error.problem
    assert "Мобильный" in error.problem
    assert "--map phone=" in error.remedy
    assert refused(["Phone", "Phone [B]"]).code == "columns_ambiguous"
    assert refused(["Phone", "til", "язык"]).code == "columns_ambiguous"


def test_of_several_phones_those_without_any_cell_do_not_count() -> None:
    outlook = "First Name | Home Phone | Mobile Phone | Business Fax\nA | | +998901234567 | \nB | | 911234567 | "
    assert reading(outlook).columns.phones == (2,)


def test_a_phone_column_without_phones_beside_one_that_has_them_is_a_question() -> None:
    found = reading("Телефон | Заметка\nИванов | 901234567\nПетров | 911234567")
    assert found.questions[0].code == "weak_phone_column"


def test_a_column_without_any_name_for_it_is_never_chosen_by_its_shape() -> None:
    found = reading("Клиент | Код | Ключ\nА | 301234567 | 901234567")
    (question,) = found.questions
    assert question.code == "no_phone_column"
    assert question.choices[0].option == "--map phone=Ключ"
    assert "901234567" in question.choices[0].text()
    assert question.choices[0].answer == {"columns": {"phone": "Ключ"}}


def test_the_answer_to_it_is_a_mapping() -> None:
    names = ["Телефон", "Мобильный", "Имя"]
    assert map_columns(names, {"phone": "Мобильный"}).phones == (1,)
    assert map_columns(names, {"phone": "b"}).phones == (1,)
    assert map_columns(names, {"phone": "мобильный", "phone2": "ТЕЛЕФОН"}).phones == (1, 0)
    assert map_columns(["Phone", "Phone [B]"], {"phone": "Phone [B]"}).phones == (1,)
    assert map_columns(["B", "Phone"], {"phone": "B"}).phones == (0,)


def test_who_maps_a_phone_says_with_it_that_no_other_is_rung() -> None:
    assert map_columns(["Телефон", "Телефон 2", "Моб."], {"phone": "Моб."}).phones == (2,)


def test_of_several_references_the_best_is_taken() -> None:
    assert map_columns(["id", "phone", "Invoice number"]).reference == 2
    assert map_columns(["Договор", "phone", "reference"]).reference == 2


def test_a_column_of_other_words_than_languages_is_not_the_language() -> None:
    assert reading("Телефон | Язык\n901234567 | Python программист").columns.lang is None
    assert reading("Телефон | Язык\n901234567 | Русский").columns.lang == 1


def test_a_mapping_wins_over_the_meaning_of_a_name() -> None:
    columns = map_columns(["Phone", "Язык", "x"], {"lang": "x", "metadata:tongue": "Язык"})
    assert columns.by_field() == {"phone": "Phone", "lang": "x", "metadata:tongue": "Язык"}


def test_a_column_that_says_so_goes_into_the_metadata() -> None:
    columns = map_columns(["Phone", "metadata:City", "Meta: age", "metadata:"])
    assert columns.metadata == {"City": 1, "age": 2}


@pytest.mark.parametrize(
    ("mapping", "code", "remedy"),
    [
        ({"phone": "Телфон"}, "column_missing", "did you mean 'Телефон'?"),
        ({"phone": "Nothing like it"}, "column_missing", "the file has 'Телефон', 'Имя'"),
        ({"phone": "C"}, "column_missing", "the file has"),
        ({"telephone": "Телефон"}, "field_unknown", "phone"),
        ({"phone21": "Телефон"}, "field_unknown", "phone2"),
        ({"phone": "Имя", "phone1": "Телефон"}, "mapped_twice", "one column"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_a_remedy(mapping: dict[str, str], code: str, remedy: str) -> None:
    error = refused(["Телефон", "Имя"], mapping)
    assert error.code == code
    assert remedy in error.remedy


@given(names=st.lists(st.text(max_size=30), max_size=12))
def test_any_names_are_understood_or_asked_about(names: list[str]) -> None:
    columns = map_columns(["Телефон", *(f"xyz {name} zyx xyz zyx" for name in names)])
    assert columns.phones[0] == 0
    try:
        columns = map_columns(names)
    except OpenQuestions as error:
        assert error.code in CODES  # noqa: PT017  # whether it is raised depends on the names
    else:
        assert isinstance(columns, Columns)


@pytest.mark.parametrize("letter", [" ", "9", "#", "-", "а", "№", "\u0301", "ﷺ"])
def test_a_name_of_a_megabyte_takes_no_time(letter: str) -> None:
    began = time.process_time()
    map_columns(["Phone", letter * 1_000_000, "phone" + letter * 1_000_000])
    assert normalise_name(letter * 1_000_000) is not None
    # It takes a millisecond; a pattern that tries every way to split it would take hours.
    assert time.process_time() - began < 2
