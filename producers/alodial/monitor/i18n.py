"""The monitor's words in English, Russian and Uzbek, and how each language writes numbers, times and plurals."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from alodial_schemas.durations import split_duration

FOLDER: Final = Path(__file__).parent / "locales"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский", "uz": "O‘zbekcha"}
DEFAULT: Final = "en"

_NBSP: Final = "\u00a0"


def _two(count: int) -> str:
    return "one" if count == 1 else "other"


def _russian(count: int) -> str:
    last, teens = count % 10, 10 < count % 100 < 20
    if last == 1 and not teens:
        return "one"
    return "few" if 2 <= last <= 4 and not teens else "many"


def _same(_count: int) -> str:
    return "other"


PLURALS: Final[Mapping[str, Callable[[int], str]]] = {"en": _two, "ru": _russian, "uz": _same}
FORMS: Final[Mapping[str, tuple[str, ...]]] = {"en": ("one", "other"), "ru": ("one", "few", "many"), "uz": ("other",)}
"""The forms that a word with a number has in the catalogue."""


@cache
def catalogue(language: str) -> Mapping[str, Any]:
    """Texts by key, from the files of the language's folder; a text with a number is an object with a form for each kind
    of number. Raises ValueError for a key that two files give."""
    words: dict[str, Any] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        for key, text in json.loads(path.read_text("utf-8")).items():
            if key in words:
                raise ValueError(f"{path.name}: {key} is in another file too")
            words[key] = text
    return words


@cache
def _problems(language: str) -> Mapping[str, list[str]]:
    """What is wrong and what would be right, by code. English is as the code itself says it."""
    path = FOLDER / f"problems.{language}.json"
    found: Mapping[str, list[str]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


class ErrorText(NamedTuple):
    """``language`` is that of the texts, so that they are read out rightly."""

    problem: str
    remedy: str
    language: str


def preferred(accept: str) -> str:
    """The best of our languages for an ``Accept-Language`` header."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")[:20]):
        name, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight > 0:
            wishes.append((-weight, place, language))
    return min(wishes)[2] if wishes else DEFAULT


class Translator:
    """One language, for one zone of the clock."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language = language
        self._texts = catalogue(language)
        self._zone = zone

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key. Raises KeyError for one that is not in the catalogue."""
        text: str = self._texts[key]
        return text.format_map(values) if values else text

    def count(self, key: str, count: int, **values: Any) -> str:
        """As a call, in the form that the number asks for; ``{count}`` is the number."""
        form: str = self._texts[key][PLURALS[self.language](count)]
        return form.format_map({"count": self.number(count)} | values)

    def known(self, prefix: str, word: str) -> str:
        """The text of ``prefix.word``; the word itself when the catalogue does not know it."""
        text = self._texts.get(f"{prefix}.{word}")
        return text if isinstance(text, str) else word

    def has(self, prefix: str, word: str) -> bool:
        return f"{prefix}.{word}" in self._texts

    def problem(self, code: str, problem: str, remedy: str) -> ErrorText:
        """A problem in this language; as it was told, which is English, where its code has no words here."""
        known = _problems(self.language).get(code)
        return ErrorText(problem, remedy, "en") if known is None else ErrorText(known[0], known[1], self.language)

    def number(self, value: float) -> str:
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
        return shown if self.language == "en" else shown.replace(",", _NBSP).replace(".", ",")

    def percent(self, share: float | None) -> str:
        """A share of 1; "–" without one. What is not everything is never shown as 100 %."""
        if share is None:
            return "–"
        value = min(99.9, share * 100) if share < 1 else share * 100
        shown = f"{value:.0f}" if value in (0, 100) else f"{value:.1f}"
        return f"{shown if self.language == 'en' else shown.replace('.', ',')}{_NBSP}%"

    def span(self, seconds: float) -> str:
        """A length of time with its two largest units, such as "2 h 5 min"."""
        parts = split_duration(seconds)
        return " ".join(f"{self.number(count)}{_NBSP}{self._texts['unit.' + unit]}" for count, unit in parts)

    def moment(self, iso: str | None, now: datetime | None = None) -> str:
        """A time of day in words: today, tomorrow and yesterday by their names, else the date. "–" without one."""
        if not iso:
            return "–"
        at = datetime.fromisoformat(iso).astimezone(self._zone)
        today = (now or datetime.now(UTC)).astimezone(self._zone).date()
        clock = f"{at:%H:%M}"
        away = (at.date() - today).days
        if away in (-1, 0, 1):
            return str(self._texts[f"day.{('yesterday', 'today', 'tomorrow')[away + 1]}"]).format(clock=clock)
        weekday = self._texts[f"weekday.{at.weekday()}"]
        return f"{weekday} {at:%Y-%m-%d} {clock}"

    def clock(self, at: float) -> str:
        """Hour and minute of Unix seconds."""
        return f"{datetime.fromtimestamp(at, self._zone):%H:%M}"

    def until(self, iso: str, now: datetime | None = None) -> str:
        """How long it is until then."""
        return self.span((datetime.fromisoformat(iso) - (now or datetime.now(UTC))).total_seconds())
