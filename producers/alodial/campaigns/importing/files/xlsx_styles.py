"""Recognises dates in a workbook: a date is stored as a number, and only its cell's format shows that it is one."""

import re
import zipfile
from datetime import datetime, timedelta
from typing import Final

from .xlsx_archive import ElementReader

# ECMA-376, 18.8.30: formats 14 to 22 are dates and times, the others East Asian dates.
_BUILT_IN: Final = frozenset({*range(14, 23), *range(27, 37), *range(50, 59)})
_NO_LETTERS: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|[\\_*].')
_LETTERS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)

_LAST: Final = 2_958_466
"""31 December 9999. Every phone is a larger number."""

_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # a local time; the row parser knows the zone
_SINCE_1904: Final = 1462


def date_styles(archive: zipfile.ZipFile, part: str) -> frozenset[str]:
    """The styles that show a number as a date, by their number in the sheet."""
    elements = ElementReader(archive, part, "numFmts/numFmt", "cellXfs/xf")
    custom = {
        custom_format.get("numFmtId", ""): _is_date(custom_format.get("formatCode", "")[:500])
        for custom_format in elements.of("numFmts/numFmt")
        if "general" not in custom_format.get("formatCode", "").lower()
    }
    dates = set()
    for at, style in enumerate(elements.of("cellXfs/xf")):
        id = style.get("numFmtId", "")
        if custom.get(id, id.isdecimal() and len(id) < 5 and int(id) in _BUILT_IN):
            dates.add(str(at))
    return frozenset(dates)


def _is_date(code: str) -> bool:
    return _LETTERS.search(_NO_LETTERS.sub("", code.split(";", maxsplit=1)[0])) is not None


def date_text(text: str, *, from_1904: bool) -> str:
    """Days since 1900 as "2026-11-23", "2026-11-23 18:00" or "18:00"; any other text unchanged."""
    try:
        days = float(text)
    except ValueError:
        return text
    if not 0 <= days < _LAST - _SINCE_1904:
        return text
    moment = _EPOCH + timedelta(seconds=round((days + (_SINCE_1904 if from_1904 and days >= 1 else 0)) * 86_400))
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    if days < 1:
        return clock
    return f"{moment:%Y-%m-%d}" if clock == "00:00" else f"{moment:%Y-%m-%d} {clock}"
