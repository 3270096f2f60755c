"""Which cells of a workbook are dates: a spreadsheet keeps a date as a number and knows it by its format."""

import re
import zipfile
from datetime import datetime, timedelta
from typing import Final

from .xlsx_archive import ElementReader

# The formats that every spreadsheet program has: 14 to 22 are dates and times, the others dates of East Asia.
_BUILT_IN: Final = frozenset({*range(14, 23), *range(27, 37), *range(50, 59)})
_NO_LETTERS: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|[\\_*].')
_LETTERS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)

_LAST: Final = 2_958_466
"""31 December 9999. No phone is as small."""

_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # a clock on a wall; the reader of the row knows whose
_SINCE_1904: Final = 1462


def date_styles(archive: zipfile.ZipFile, part: str) -> frozenset[str]:
    """The styles, by their number in the sheet, that show a number as a date."""
    elements = ElementReader(archive, part, "numFmts/numFmt", "cellXfs/xf")
    custom = {
        one.get("numFmtId", ""): bool(
            _LETTERS.search(_NO_LETTERS.sub("", one.get("formatCode", "")[:500].split(";")[0]))
        )
        for one in elements.of("numFmts/numFmt")
        if "general" not in one.get("formatCode", "").lower()
    }
    dates = set()
    for at, one in enumerate(elements.of("cellXfs/xf")):
        form = one.get("numFmtId", "")
        if custom.get(form, form.isdecimal() and len(form) < 5 and int(form) in _BUILT_IN):
            dates.add(str(at))
    return frozenset(dates)


def date_text(text: str, *, from_1904: bool) -> str:
    """ "2026-11-23", "2026-11-23 18:00" or "18:00" for days since 1900; as it was where it is no such number."""
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
