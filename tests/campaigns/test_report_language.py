"""The report about a file is in the reader's language; its names and codes are the same in all."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from file_harness import asked, written

from alodial.i18n import LANGUAGES, Translator

FILES = {
    "Номер;ФИО;Сотовый тел.\n301234567;Иванов;901234567\n": ("Номер", "Сотовый тел."),
    "Рабочий телефон;Мобильный\n901234567;911234567\n": ("Рабочий телефон", "Мобильный"),
    "Телефон;Заметка\nИванов;901234567\n": ("Телефон", "Заметка"),
    "Номер;ФИО\n301234567;Иванов\n": ("Номер",),
    "Код;Ключ\n301234567;901234567\n": ("Код", "Ключ"),
    "Телефон;Язык;Тил\n901234567;ru;uz\n": ("Язык", "Тил"),
    "Телефон;Действует до\n901234567;31.12.2030\n": ("Действует до",),
}


def reader(language: str) -> Translator:
    return Translator(language, ZoneInfo("Asia/Tashkent"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", FILES)
def test_a_question_names_its_columns_in_every_language(text: str, language: str, tmp_path: Path) -> None:
    (question,) = asked(written(tmp_path, text)).questions
    said = question.text(reader(language))
    assert all(f"{name}" in said for name in FILES[text])
    assert said.endswith("?") or "?" in said
    if language != "en":
        assert said != question.text()


def test_the_report_has_the_same_names_and_codes_in_every_language_and_other_words(tmp_path: Path) -> None:
    text = "Номер;ФИО;Сотовый тел.;Номер очереди\n9012;А;301234567;5\n;Б;;\nпусто;В;90 1234;7\n"
    report = asked(written(tmp_path, text), {"columns": {"phone": "C"}})
    words = {"text", "problem", "remedy", "hint", "duration"}

    def split(value: object, found: list[str], name: str = "") -> object:
        """The value without its words, which go to ``found``."""
        if isinstance(value, dict):
            return {key: split(inner, found, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [split(inner, found, name) for inner in value]
        if name in words and value:
            found.append(str(value))
            return "…"
        return value

    english: list[str] = []
    plain = split(report.to_dict(), english)
    assert report.bad == 2
    assert len(english) >= 6
    for language in ("ru", "uz"):
        spoken: list[str] = []
        assert split(report.to_dict(reader(language)), spoken) == plain
        assert not set(spoken) & set(english)


def test_hidden_rows_are_asked_about_with_true_plurals() -> None:
    russian = reader("ru")
    texts = [russian.count("question.hidden", count) for count in (1, 3, 5, 21)]
    assert [text.split("?")[0].split(":")[0].split()[-2:] for text in texts] == [
        ["1", "строка"],
        ["3", "строки"],
        ["5", "строк"],
        ["21", "строка"],
    ]
