"""Questions about a file: where its meaning would have to be guessed, the people who know it are asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ...i18n import ENGLISH, Message, Translator
from ..errors import BadFile

NOT_USED: Final = "-"
"""A field mapped to this has no column."""

CODES: Final = frozenset(
    {
        "no_phone_column",
        "columns_ambiguous",
        "weak_phone_column",
        "initiator_column",
        "expires_column",
        "sheet_unclear",
        "hidden_rows",
        "country_unclear",
    }
)


class Choice(NamedTuple):
    """One answer. ``field`` is a field of the campaign (``sheet``, ``header_row``, ``hidden``, ``prefix``) or, for a column,
    of a row (``phone``, ``initiator`` ...); ``value`` is what to set it to, ``message`` what it means, or a text of the file."""

    field: str
    value: str
    message: Message | str = ""

    def text(self, t: Translator = ENGLISH) -> str:
        """What it means, in a language."""
        return self.message if isinstance(self.message, str) else t.say(self.message)

    @property
    def option(self) -> str:
        """The option of ``alodial campaign`` that gives this answer."""
        match self.field:
            case "sheet" | "hidden" | "prefix":
                return f"--{self.field} {quoted(self.value)}"
            case "header_row":
                return f"--header-row {self.value}"
            case _:
                return f"--map {quoted(f'{self.field}={self.value}')}"

    @property
    def answer(self) -> dict[str, Any]:
        """What gives this answer within a campaign's JSON."""
        match self.field:
            case "sheet" | "hidden":
                return {self.field: self.value}
            case "header_row":
                return {"header_row": int(self.value)}
            case "prefix":
                return {"policy": {"allowed_prefixes": [self.value]}}
            case _:
                return {"columns": {self.field: self.value}}

    def to_dict(self, t: Translator = ENGLISH) -> dict[str, Any]:
        return {"option": self.option, "answer": self.answer, "text": self.text(t)}


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only the file's owner knows. While one is open, nothing of the file is submitted."""

    code: str
    message: Message
    choices: tuple[Choice, ...]

    def text(self, t: Translator = ENGLISH) -> str:
        """The question in a language; it names the columns or sheets that it is about."""
        return t.say(self.message)

    def to_dict(self, t: Translator = ENGLISH) -> dict[str, Any]:
        return {"code": self.code, "text": self.text(t), "choices": [choice.to_dict(t) for choice in self.choices]}


class OpenQuestions(BadFile):
    """A file was submitted while questions about it are open; nothing was stored.

    ``questions`` has all of them; ``code``, ``problem`` and ``remedy`` are those of the first. ``reader`` is in whose language
    they are put.
    """

    def __init__(self, questions: tuple[Question, ...], reader: Translator = ENGLISH) -> None:
        self.questions = questions
        self.reader = reader
        first = questions[0]
        super().__init__(
            first.code, first.text(reader), "answer with " + ", or ".join(c.option for c in first.choices[:4])
        )


def require_answers(questions: Sequence[Question]) -> None:
    """Raises OpenQuestions where there are any: a submission must not guess whom it rings."""
    if questions:
        raise OpenQuestions(tuple(questions))


def quoted(text: str) -> str:
    """The text as a shell takes it."""
    plain = text and all(c.isalnum() or c in "=+-_.:" for c in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
