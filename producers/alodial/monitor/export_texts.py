"""Exports in the reader's language: headings, words, local times, separators and the names of the files."""

from typing import Final
from urllib.parse import quote

from ..campaigns.exporting.rejected_rows import REASONS
from ..campaigns.exporting.results import OURS
from ..campaigns.exporting.texts import ExportTexts
from .i18n import Translator

MAX_FILE_NAME: Final = 80
_NOT_IN_NAMES: Final = frozenset('<>:"/\\|?*')


def delimiter_of(t: Translator) -> str:
    """Spreadsheet programs set to Russian or Uzbek split at semicolons, because the comma is their decimal sign."""
    return "," if t.language == "en" else ";"


def export_texts(t: Translator) -> ExportTexts:
    """The texts of an export of results."""
    return _texts(t, OURS)


def rejected_texts(t: Translator) -> ExportTexts:
    """The texts of an export of rejected rows."""
    return _texts(t, REASONS)


def _texts(t: Translator, names: tuple[str, ...]) -> ExportTexts:
    def problem(code: str, problem: str, remedy: str) -> tuple[str, str]:
        text = t.problem(code, problem, remedy)
        return text.problem, text.remedy

    headings = {name: t(f"export.{name.removeprefix('alodial_')}") for name in names}
    return ExportTexts(headings, t.known, problem, t.zone)


def attachment(name: str, ending: str) -> dict[str, str]:
    """The headers that save an answer as a file with this name, whatever its letters."""
    plain = "".join("_" if c in _NOT_IN_NAMES or not c.isprintable() else c for c in name).strip(" .")
    file = f"{plain[:MAX_FILE_NAME] or 'campaign'}.{ending}"
    ascii_name = "".join(c if c.isascii() else "_" for c in file)
    return {"Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(file, safe='')}"}
