"""Columns are recognised by the names that people give them, or mapped by the caller."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.errors import BadFile
from alodial.campaigns.importing.column_names import FIELDS, POSSIBLE_PHONE
from alodial.campaigns.importing.columns import Columns, map_columns, normalise_name


def _refused(names: list[str], mapping: dict[str, str] | None = None) -> BadFile:
    with pytest.raises(BadFile) as caught:
        map_columns(names, mapping)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "phone", "Phone number", "PHONE_NUMBER", "phone#", "  Mobile  ", "MSISDN", "Tel.", "Телефон", "Номер телефона",
        "номер  Телефона:", "Тел.", "Тел", "ТЕЛЕФОН*", "Мобильный", "моб. тел.", "Контактный телефон", "telefon",
        "Telefon raqami", "telefon_raqam", "Tel. raqami", "Raqam", "Телефон рақами", "рақам",
        "Мижоз телефони", "callto", "Recipient", "Номер",
        "number", "\ufeffТелефон", "Теле\u200bфон", "Ｐｈｏｎｅ", "Телефон 1", "phone1",
    ],
)  # fmt: skip
def test_a_phone_column_is_known_in_three_languages(name: str) -> None:
    assert map_columns(["Something", name]).phones == (1,)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Язык", "lang"), ("til", "lang"), ("Тил", "lang"), ("Language", "lang"), ("Инициатор", "initiator"),
        ("callfrom", "initiator"), ("Телефон оператора", "initiator"), ("Очередь", "queue"), ("navbat", "queue"),
        ("Invoice number", "reference"), ("Номер счёта", "reference"), ("Shartnoma raqami", "reference"), ("ID", "reference"),
        ("expires_at", "expires_at"), ("Действует до", "expires_at"), ("Amal qilish muddati", "expires_at"),
        ("Шартнома рақами", "reference"), ("Муддати", "expires_at"),
    ],
)  # fmt: skip
def test_the_other_columns_are_known_too(name: str, field: str) -> None:
    assert map_columns(["Телефон", name]).by_field() == {"phone": "Телефон", field: name}


def test_further_phones_are_rung_in_the_order_of_their_numbers() -> None:
    names = ["phone 10", "Телефон 3", "phone", "telefon2", "Имя", "4-й телефон"]
    assert map_columns(names).phones == (2, 3, 1, 5, 0)
    assert map_columns(["Телефон №1", "Телефон №2"]).phones == (0, 1)


def test_columns_that_mean_nothing_to_us_are_plain_data() -> None:
    assert map_columns(["Phone", "Имя", "Оператор", "Город", "", "№"]).by_field() == {"phone": "Phone"}


def test_a_column_that_may_be_a_phone_is_one_where_no_other_column_is() -> None:
    assert map_columns(["Номер", "Телефон", "Контакт"]).phones == (1,)
    assert map_columns(["Номер", "Имя"]).phones == (0,)
    assert _refused(["Номер", "Контакт"]).code == "columns_ambiguous"


def test_two_columns_for_one_field_are_a_question_to_the_caller() -> None:
    error = _refused(["Телефон", "Мобильный"])
    assert error.code == "columns_ambiguous"
    assert "Телефон" in error.problem
    assert "Мобильный" in error.problem
    assert "--map phone=" in error.remedy
    assert _refused(["Phone", "Phone [B]"]).code == "columns_ambiguous"
    assert _refused(["Phone", "til", "язык"]).code == "columns_ambiguous"


def test_the_answer_to_it_is_a_mapping() -> None:
    names = ["Телефон", "Мобильный", "Имя"]
    assert map_columns(names, {"phone": "Мобильный"}).phones == (1,)
    assert map_columns(names, {"phone": "мобильный", "phone2": "ТЕЛЕФОН"}).phones == (1, 0)
    assert map_columns(["Phone", "Phone [B]"], {"phone": "Phone [B]"}).phones == (1,)


def test_of_several_references_the_best_is_taken() -> None:
    assert map_columns(["id", "phone", "Invoice number"]).reference == 2
    assert map_columns(["Договор", "phone", "reference"]).reference == 2


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
        ({"telephone": "Телефон"}, "field_unknown", "phone"),
        ({"phone21": "Телефон"}, "field_unknown", "phone2"),
        ({"phone": "Имя", "phone1": "Телефон"}, "columns_ambiguous", "one column"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_a_remedy(mapping: dict[str, str], code: str, remedy: str) -> None:
    error = _refused(["Телефон", "Имя"], mapping)
    assert error.code == code
    assert remedy in error.remedy


def test_without_a_phone_column_the_message_lists_the_names() -> None:
    error = _refused(["Имя", "Город"])
    assert error.code == "no_phone_column"
    assert "'Имя'" in error.problem
    assert "--map phone=" in error.remedy


@pytest.mark.parametrize("word", sorted({*POSSIBLE_PHONE, *(word for words in FIELDS.values() for word in words)}))
def test_every_word_is_written_as_it_is_compared_and_means_one_thing(word: str) -> None:
    assert normalise_name(word) == word
    assert sum(word in words for words in (*FIELDS.values(), POSSIBLE_PHONE)) == 1


@given(names=st.lists(st.text(max_size=30), max_size=12))
def test_any_names_are_understood_or_refused(names: list[str]) -> None:
    columns = map_columns(["Телефон", *(f"x {name}" for name in names)])
    assert columns.phones[0] == 0
    try:
        columns = map_columns(names)
    except BadFile as error:
        known = {"no_phone_column", "columns_ambiguous"}
        assert error.code in known  # noqa: PT017  # whether it is raised depends on the names
    else:
        assert isinstance(columns, Columns)


@pytest.mark.parametrize("letter", [" ", "9", "#", "-", "а", "№", "\u0301", "ﷺ"])
def test_a_name_of_a_megabyte_takes_no_time(letter: str) -> None:
    began = time.process_time()
    map_columns(["Phone", letter * 1_000_000, "phone" + letter * 1_000_000])
    # It takes a millisecond; a pattern that tries every way to split it would take hours.
    assert time.process_time() - began < 2
