"""The language in which commands speak about a file: as an option says, else the terminal's."""

import os
import sys
from contextlib import suppress
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


def locale_language() -> str:
    """The language of the terminal's locale, such as ``ru``; "" for none."""
    locale = next((value for name in LOCALE if (value := os.environ.get(name))), "")
    return locale.replace("-", "_").partition("_")[0].partition(".")[0].lower()


def message_language() -> str:
    """The language of messages, known without reading the settings again; "" for none."""
    settings = sys.modules.get("alodial.settings")
    chosen = None
    if settings is not None:
        with suppress(Exception):  # what is wrong with the settings is reported by whoever needs them
            chosen = settings.load_settings().language
    return chosen or os.environ.get("ALODIAL_LANGUAGE") or locale_language()


def reader(chosen: str | None = None) -> "Translator":
    """A translator into the chosen language, else ``ALODIAL_LANGUAGE``, else that of the locale. Raises BadParameter."""
    from zoneinfo import ZoneInfo

    from ..i18n import DEFAULT, LANGUAGES, Translator
    from ..settings import load_settings

    if chosen is not None and chosen not in LANGUAGES:
        raise typer.BadParameter(f"--language {chosen!r}: use {', '.join(LANGUAGES)}")
    settings = load_settings()
    language = chosen or settings.language or locale_language()
    return Translator(language if language in LANGUAGES else DEFAULT, ZoneInfo(settings.timezone))
