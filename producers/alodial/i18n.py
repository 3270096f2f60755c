"""The texts for people in English, Russian and Uzbek, and how each language writes numbers, times and plurals."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from alodial_schemas.durations import split_duration

FOLDER: Final = Path(__file__).parent / "locales"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский", "uz": "O‘zbekcha"}
DEFAULT: Final = "en"

_NBSP: Final = "\u00a0"
_PLACE: Final = re.compile(r"{(\w+)}")
_JOINS: Final = re.compile(r"{.*}", re.DOTALL)


def _english(count: int) -> str:
    return "one" if count == 1 else "other"


def _russian(count: int) -> str:
    last, teens = count % 10, 10 < count % 100 < 20
    if last == 1 and not teens:
        return "one"
    return "few" if 2 <= last <= 4 and not teens else "many"


def _uzbek(_count: int) -> str:
    return "other"


PLURALS: Final[Mapping[str, Callable[[int], str]]] = {"en": _english, "ru": _russian, "uz": _uzbek}
FORMS: Final[Mapping[str, tuple[str, ...]]] = {"en": ("one", "other"), "ru": ("one", "few", "many"), "uz": ("other",)}
"""The plural forms that a text with a number has in the catalogue of its language."""


@cache
def catalogue(language: str) -> Mapping[str, Any]:
    """Texts by key, from all files of the language's folder; a text with a number is an object with its plural forms.

    Raises ValueError for a key that two files have.
    """
    texts: dict[str, Any] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        for key, text in json.loads(path.read_text("utf-8")).items():
            if key in texts:
                raise ValueError(f"{path.name}: {key} is in another file too")
            texts[key] = text
    return texts


@cache
def _sentences() -> Mapping[str, re.Pattern[str]]:
    """The English sentences of commands by key, as patterns whose groups are their values.

    Those with most words come first; those that join two others, such as ``{setting}: {problem}``, last.
    """
    sentences = [(key, text) for key, text in catalogue(DEFAULT).items() if key.startswith("spoken.")]
    sentences.sort(key=lambda sentence: 0 if _JOINS.fullmatch(sentence[1]) else -len(_PLACE.sub("", sentence[1])))
    return {key: re.compile(_PLACE.sub(r"(?P<\1>.+?)", _escaped(text)), re.DOTALL) for key, text in sentences}


def _escaped(text: str) -> str:
    return "".join(part if _PLACE.fullmatch(part) else re.escape(part) for part in re.split(r"({\w+})", text))


@cache
def _counted_nouns() -> Mapping[str, str]:
    """Keys of counts by what stands behind the number in English, such as ``calls``."""
    counts = ((key, forms) for key, forms in catalogue(DEFAULT).items() if key.startswith("counted."))
    return {form.removeprefix("{count} "): key for key, forms in counts for form in forms.values()}


_COUNT: Final = re.compile(r"([0-9][0-9,]{0,20}) (.+)")


def _counts(sentence: str) -> list[tuple[str, int]]:
    """Keys and numbers of a text that is a count, such as ``2 calls``, or a list of counts; nothing for other texts."""
    parts = [_COUNT.fullmatch(part) for part in sentence.split(", ")]
    counts = [(_counted_nouns().get(part[2], ""), int(part[1].replace(",", ""))) for part in parts if part]
    return counts if len(counts) == len(parts) and all(noun for noun, _ in counts) else []


def translated(sentence: str, language: str) -> str:
    """An English sentence of a command in another language, its values too; as it is where the catalogue has none such."""
    if counts := _counts(sentence):
        t = Translator(language, UTC)
        return ", ".join(t.plain_count(noun, count) for noun, count in counts)
    for key, pattern in _sentences().items():
        if (match := pattern.fullmatch(sentence)) is not None:
            values = {name: translated(value, language) for name, value in match.groupdict().items()}
            text: str = catalogue(language)[key]
            return text.format_map(values)
    return sentence


@cache
def _problems(language: str) -> Mapping[str, list[str]]:
    """Problem and remedy by code. There is no English file: the code that finds a problem writes it in English."""
    path = FOLDER / f"problems.{language}.json"
    texts: Mapping[str, list[str]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return texts


@dataclass(frozen=True, slots=True)
class Message:
    """A text of the catalogue that is put into words later: its key, its values and, for a plural, its count.

    A value may be a message too, or several of them, which are listed.
    """

    key: str
    values: Mapping[str, "str | Message | Sequence[Message]"] = field(default_factory=dict)
    count: int | None = None


class ErrorText(NamedTuple):
    """``language`` is that of the texts, for screen readers."""

    problem: str
    remedy: str
    language: str


def preferred(accept: str, otherwise: str = DEFAULT) -> str:
    """The best language for an ``Accept-Language`` header; ``otherwise`` where it has none of the three."""
    accepted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")[:20]):
        name, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight > 0:
            accepted.append((-weight, place, language))
    return min(accepted)[2] if accepted else otherwise


class Translator:
    """Texts, numbers and times in one language and one time zone. Templates know it as ``t``."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language = language
        self.zone = zone

    @property
    def _texts(self) -> Mapping[str, Any]:
        return catalogue(self.language)

    def __call__(self, key: str, **values: Any) -> str:
        """The text of a key, with ``values`` in its places. Raises KeyError for an unknown key."""
        text: str = self._texts[key]
        return text.format_map(values) if values else text

    def count(self, key: str, count: int, **values: Any) -> str:
        """The text of a key in the plural form of ``count``, which fills ``{count}``. Raises KeyError."""
        form: str = self._texts[key][PLURALS[self.language](count)]
        return form.format_map({"count": self.number(count)} | values)

    def say(self, message: Message) -> str:
        """The message in this language. Raises KeyError for an unknown key."""
        values = {name: self._value(value) for name, value in message.values.items()}
        return (
            self(message.key, **values) if message.count is None else self.count(message.key, message.count, **values)
        )

    def _value(self, value: str | Message | Sequence[Message]) -> str:
        match value:
            case str():
                return value
            case Message():
                return self.say(value)
            case _:
                return ", ".join(self.say(part) for part in value)

    def known(self, prefix: str, word: str) -> str:
        """The text of ``prefix.word``; the word itself where the catalogue has none."""
        text = self._texts.get(f"{prefix}.{word}")
        return text if isinstance(text, str) else word

    def has(self, prefix: str, word: str) -> bool:
        return f"{prefix}.{word}" in self._texts

    def problem(self, code: str, problem: str, remedy: str) -> ErrorText:
        """A problem and its remedy in this language; as they are, which is English, for a code without a translation."""
        texts = _problems(self.language).get(code)
        return ErrorText(problem, remedy, "en") if texts is None else ErrorText(texts[0], texts[1], self.language)

    def number(self, value: float) -> str:
        """A number with the language's separators."""
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
        return text if self.language == "en" else text.replace(",", _NBSP).replace(".", ",")

    def quoted(self, text: str) -> str:
        """A name from outside in the language's quotation marks."""
        return f"«{text}»" if self.language == "ru" else f"“{text}”"

    def percent(self, share: float | None) -> str:
        """A share from 0 to 1 in percent; "–" for None. Less than everything is never rounded up to 100 %."""
        if share is None:
            return "–"
        value = min(99.9, share * 100) if share < 1 else share * 100
        text = f"{value:.0f}" if value in (0, 100) else f"{value:.1f}"
        return f"{text if self.language == 'en' else text.replace('.', ',')}{_NBSP}%"

    def span(self, seconds: float) -> str:
        """A duration in its two largest units, such as "2 h 5 min"."""
        parts = split_duration(seconds)
        return " ".join(f"{self.number(count)}{_NBSP}{self._texts['unit.' + unit]}" for count, unit in parts)

    def moment(self, iso: str | None, now: datetime | None = None) -> str:
        """A date and time of day with its zone, and the names of today, tomorrow and yesterday; "–" for None."""
        if not iso:
            return "–"
        return f"{self._moment(iso, now)}{_NBSP}{self.offset(iso)}"

    def offset(self, iso: str | None = None) -> str:
        """The zone of a moment, or of now, by its distance from UTC, such as UTC+5: its name says nothing to most readers."""
        at = self._local(iso) if iso else datetime.now(self.zone)
        minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{'+' if minutes >= 0 else '-'}{hours}{f':{rest:02}' if rest else ''}" if minutes else "UTC"

    def _moment(self, iso: str, now: datetime | None) -> str:
        at = self._local(iso)
        today = (now or datetime.now(UTC)).astimezone(self.zone).date()
        day = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get((at.date() - today).days)
        if day is not None:
            return self(f"day.{day}", clock=f"{at:%H:%M}")
        return f"{self(f'weekday.{at.weekday()}')} {at:%Y-%m-%d %H:%M}"

    def clock(self, at: float) -> str:
        """Hour and minute of a moment in Unix seconds."""
        return f"{datetime.fromtimestamp(at, self.zone):%H:%M}"

    def day_clock(self, at: float) -> str:
        """Day, hour and minute of a moment in Unix seconds."""
        return f"{datetime.fromtimestamp(at, self.zone):%Y-%m-%d %H:%M}"

    def until(self, iso: str, now: datetime | None = None) -> str:
        """The duration from now to a moment."""
        return self.span((datetime.fromisoformat(iso) - (now or datetime.now(UTC))).total_seconds())

    def exact(self, iso: str) -> str:
        """Date and time to the millisecond. Raises ValueError for a text that is no moment."""
        return self._local(iso).isoformat(" ", "milliseconds")[:23]

    def time_among(self, iso: str, others: Iterable[str]) -> str:
        """A time of day as exact as ``others`` need it to differ: with tenths, with seconds, or with its day."""
        at = self._local(iso)
        times = sorted(datetime.fromisoformat(other) for other in others)
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
        if sum(gaps) > 20 * 3600:
            return f"{at:%d.%m %H:%M}"
        if any(0 < gap < 1 for gap in gaps):
            return f"{at:%H:%M:%S}.{at.microsecond // 100_000}"
        return f"{at:%H:%M:%S}"

    def plain_number(self, value: float) -> str:
        """As :meth:`number`, with plain spaces: for terminals and messages."""
        return self.number(value).replace(_NBSP, " ")

    def plain_count(self, key: str, count: int) -> str:
        """As :meth:`count`, with plain spaces. Raises KeyError."""
        return self.count(key, count).replace(_NBSP, " ")

    def plain_span(self, seconds: float) -> str:
        """As :meth:`span`, with plain spaces."""
        return self.span(seconds).replace(_NBSP, " ")

    def short(self, seconds: float) -> str:
        """A duration; below ten seconds with tenths, below one second in milliseconds."""
        if seconds < 1:
            return f"{round(seconds * 1000)}{_NBSP}{self('unit.ms')}"
        if seconds < 10:
            return f"{self.number(round(seconds, 1))}{_NBSP}{self('unit.s')}"
        return self.span(seconds)

    def _local(self, iso: str) -> datetime:
        return datetime.fromisoformat(iso).astimezone(self.zone)


ENGLISH: Final = Translator(DEFAULT, UTC)
"""For programs, logs and whoever names no language; its times are in UTC."""
