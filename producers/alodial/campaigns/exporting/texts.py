"""How exports speak to people. Without a translator they have the names and times that programs read."""

from collections.abc import Sequence
from datetime import datetime

from ...i18n import Translator


def headings(t: Translator, names: Sequence[str]) -> list[str]:
    """Our columns' names for people, by their names for programs."""
    return [t(f"export.{name.removeprefix('alodial_')}") for name in names]


def local_moment(t: Translator, iso: str) -> str:
    """A moment in the reader's zone, as spreadsheet programs read it."""
    return f"{datetime.fromisoformat(iso).astimezone(t.zone):%Y-%m-%d %H:%M:%S}"


def delimiter_of(t: Translator) -> str:
    """Spreadsheet programs set to Russian or Uzbek split at semicolons, because the comma is their decimal sign."""
    return "," if t.language == "en" else ";"


def for_programs(t: Translator) -> Translator | None:
    """None for English: without a translator the columns have the names that programs read."""
    return None if t.language == "en" else t
