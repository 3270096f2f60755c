"""The monitor's three languages."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import alodial
import alodial_schemas
from alodial import i18n as module
from alodial.campaigns.importing.questions import CODES as QUESTION_CODES
from alodial.i18n import FORMS, LANGUAGES, PLURALS, Translator, catalogue, preferred
from web.conftest import Web

from .client import Operator, words_on

ZONE = ZoneInfo("Asia/Tashkent")
TEMPLATES = Path(module.__file__).parent / "monitor" / "templates"


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)[:}]", text))


@pytest.mark.parametrize("language", ["ru", "uz"])
def test_every_language_has_the_keys_of_english(language: str) -> None:
    ours, english = catalogue(language), catalogue("en")
    assert sorted(ours) == sorted(english)
    for key, text in english.items():
        other = ours[key]
        if isinstance(text, dict):
            assert tuple(other) == FORMS[language], key
            assert all(placeholders(form) == placeholders(text["other"]) for form in other.values()), key
            assert all(form.strip() for form in other.values())
        else:
            assert isinstance(other, str)
            assert other.strip(), key
            assert placeholders(other) == placeholders(text), key


def test_russian_and_uzbek_translate_the_same_problems() -> None:
    russian, uzbek = module._problems("ru"), module._problems("uz")
    assert sorted(russian) == sorted(uzbek)
    assert all(len(pair) == 2 and all(pair) for pair in (*russian.values(), *uzbek.values()))
    told = Translator("ru", ZONE).problem("phone_missing", "is empty", "give a phone")
    assert told.language == "ru"
    assert told.problem == "номера нет"
    assert Translator("ru", ZONE).problem("new_code", "is odd", "mend it") == ("is odd", "mend it", "en")
    assert Translator("en", ZONE).problem("phone_missing", "is empty", "give a phone").problem == "is empty"


def test_every_problem_and_question_of_a_file_has_its_text_in_russian_and_uzbek() -> None:
    codes = set(QUESTION_CODES)
    importing = Path(alodial.__file__).parent / "campaigns" / "importing"
    sources = [*importing.rglob("*.py"), Path(alodial_schemas.__file__).with_name("phones.py")]
    for path in sources:
        text = path.read_text()
        codes.update(re.findall(r'(?:BadFile|CellError|_CsvError|PhoneError)\(\s*(?:at, |None, )?"([a-z_]+)",', text))
        codes.update(re.findall(r'RowProblem\(\s*(?:row\.)?number, [^,]+, "([a-z_]+)"', text))
        codes.update(re.findall(r'"(phone_[a-z]+)"', text) if path.name == "phones.py" else ())
    codes -= {"phone_invalid"} - set(module._problems("ru"))
    assert len(codes) > 40
    assert codes - set(module._problems("ru")) == set()


def test_every_word_that_a_template_asks_for_is_there() -> None:
    for template in TEMPLATES.glob("*.html"):
        for name, key in re.findall(r"\b(t|n)\('([\w.-]+)'(?! ~)", template.read_text()):
            text = catalogue("en")[key]
            assert isinstance(text, dict) == (name == "n"), (template.name, key)


@pytest.mark.parametrize(
    ("count", "form"),
    [
        *((0, "many"), (1, "one"), (2, "few"), (4, "few"), (5, "many"), (11, "many"), (12, "many"), (21, "one")),
        *((22, "few"), (101, "one"), (111, "many"), (114, "many"), (122, "few")),
    ],
)
def test_russian_counts_as_russians_do(count: int, form: str) -> None:
    assert PLURALS["ru"](count) == form


def test_numbers_and_shares_are_written_as_each_language_does() -> None:
    english, russian = Translator("en", ZONE), Translator("ru", ZONE)
    assert english.number(1234567) == "1,234,567"
    assert russian.number(1234567) == "1\u00a0234\u00a0567"
    assert russian.number(2.5) == "2,5"
    assert english.percent(None) == "–"
    assert english.percent(0.9999) == "99.9\u00a0%"
    assert english.percent(1) == "100\u00a0%"
    assert russian.percent(0.123) == "12,3\u00a0%"
    assert english.count("do.cancel", 1) == "Cancel 1 call"
    assert russian.count("do.cancel", 1234) == "Отменить 1\u00a0234 звонка"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (7500, "2 h 5 min"), (90_000, "1 d 1 h"), (86_460, "1 d")],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert Translator("en", ZONE).span(seconds).replace("\u00a0", " ") == text


def test_a_moment_is_in_the_installations_time_zone() -> None:
    english = Translator("en", ZONE)
    now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)  # 01:00 on the 24th in Tashkent
    assert english.moment("2026-11-23T20:30:00Z", now) == "today 01:30\u00a0UTC+5"
    assert english.moment("2026-11-25T04:00:00Z", now) == "tomorrow 09:00\u00a0UTC+5"
    assert english.moment("2026-11-23T10:00:00Z", now) == "yesterday 15:00\u00a0UTC+5"
    assert english.moment("2026-12-24T04:00:00Z", now) == "Thu 2026-12-24 09:00\u00a0UTC+5"
    berlin, kathmandu = (Translator("en", ZoneInfo(name)) for name in ("Europe/Berlin", "Asia/Kathmandu"))
    assert [berlin.offset(f"2026-{month}-01T00:00:00Z") for month in ("01", "07")] == ["UTC+1", "UTC+2"]
    assert (kathmandu.offset(), Translator("en", ZoneInfo("UTC")).offset()) == ("UTC+5:45", "UTC")
    assert english.moment(None, now) == "–"


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("de,uz;q=0.5,en;q=0.7", "en"),
        ("uz-Cyrl", "uz"),
        ("de, fr", "en"),
        ("ru;q=0, uz;q=0.1", "uz"),
        ("ru;q=x,en", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_browsers_language_is_taken(accept: str, language: str) -> None:
    assert preferred(accept) == language


def test_the_switch_wins_over_the_browser(web: Web) -> None:
    operator = Operator(web, language="uz")
    assert '<html lang="uz">' in operator.get("/").text
    back = operator.http.get("/language", params={"set": "ru", "to": "/campaigns"})
    assert (back.status_code, back.headers["location"]) == (303, "/campaigns")
    page = operator.get("/campaigns")
    assert '<html lang="ru">' in page.text
    assert "Новая кампания" in words_on(page)
    operator.http.get("/language", params={"set": "xx"})
    assert '<html lang="ru">' in operator.get("/").text


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("address", ["/", "/campaigns", "/campaigns/new", "/do-not-call", "/campaigns/none"])
def test_every_screen_speaks_every_language(web: Web, language: str, address: str) -> None:
    page = Operator(web, language=language).get(address)
    assert page.status_code == (404 if address == "/campaigns/none" else 200)
    assert f'<html lang="{language}">' in page.text
