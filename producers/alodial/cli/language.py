"""The language in which commands speak about a file: as an option says, else the terminal's."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..i18n import Translator

Language = Annotated[
    str | None,
    typer.Option("--language", help="Of what is said about the file: en, ru or uz; the terminal's by default."),
]
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Variables of the terminal's locale; the first that is set counts."""


def reader(chosen: str | None = None) -> "Translator":
    """A translator into the chosen language, else into that of the locale, else English. Raises BadParameter."""
    from zoneinfo import ZoneInfo

    from ..i18n import DEFAULT, LANGUAGES, Translator
    from ..settings import load_settings

    if chosen is not None and chosen not in LANGUAGES:
        raise typer.BadParameter(f"--language {chosen!r}: use {', '.join(LANGUAGES)}")
    locale = next((value for name in LOCALE if (value := os.environ.get(name))), "")
    language = chosen or locale.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    return Translator(language if language in LANGUAGES else DEFAULT, ZoneInfo(load_settings().timezone))
