"""Reads the languages that people write into a cell."""

import re
from typing import Final

_LANG: Final = re.compile(r"[A-Za-z-]{2,8}")
_LANGUAGES: Final = {
    "русский": "ru", "рус": "ru", "russian": "ru", "rus": "ru", "rus tili": "ru", "ру": "ru", "руский": "ru", "ruscha": "ru",
    "русча": "ru", "рус тили": "ru",
    "узбекский": "uz", "узб": "uz", "uzbek": "uz", "o'zbek": "uz", "o'zbekcha": "uz", "o'zbek tili": "uz", "uz lotin": "uz",
    "ўзбек": "uz", "ўзбекча": "uz", "ўзбек тили": "uz", "уз": "uz", "узбек": "uz", "uzb": "uz",
    "английский": "en", "english": "en", "ingliz": "en", "инглиз": "en", "inglizcha": "en", "англ": "en",
}  # fmt: skip
_APOSTROPHES: Final = str.maketrans("ʻʼ‘’`´", "''''''")


def language_of(text: str) -> str | None:
    """The code of a language: "ru" for "Русский" and for "RU"; None for what is no language."""
    known = _LANGUAGES.get(text.strip().casefold().translate(_APOSTROPHES).rstrip("."))
    if known is not None:
        return known
    return None if _LANG.fullmatch(text) is None else text.lower()


def is_language(text: str) -> bool:
    """Whether a cell is certainly a language, not only a word of a few letters."""
    code = language_of(text)
    return code is not None and (len(code) == 2 or "-" in code)
