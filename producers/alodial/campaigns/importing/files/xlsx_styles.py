"""Shows a workbook's numbers as its formats do: a date is stored as a number, and 0071 may be stored as 71."""

import re
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from .xlsx_archive import ElementReader

# ECMA-376, 18.8.30: formats 14 to 22 are dates and times, the others East Asian dates; 45 to 47 are durations.
_BUILT_IN: Final = frozenset({*range(14, 23), *range(27, 37), *range(50, 59)})
_BUILT_IN_CODES: Final = {"45": "mm:ss", "46": "[h]:mm:ss", "47": "mm:ss"}
_NO_LETTERS: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|[\\_*].')
_LETTERS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_GENERAL: Final = re.compile("general", re.IGNORECASE)
_TOKENS: Final = re.compile(r'"([^"]*)"|\\(.)|\[\$([^\]-]*)[^\]]*\]|([0#])|([ +()/:.1-9-])|[_*].')
"""A text in quotes, an escaped character, a currency's sign, a digit's place, a character that stands for itself."""


DATE: Final = "date"
ELAPSED: Final = "elapsed"

_LAST: Final = 2_958_466
"""31 December 9999. Every phone is a larger number."""

_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  # a local time; the row parser knows the zone
_SINCE_1904: Final = 1462
_LEAP_DAY: Final = 60
"""Excel's 29 February 1900, a day that never was; the days before it count from a day later."""


def shown_styles(archive: zipfile.ZipFile, part: str) -> Mapping[str, str]:
    """The styles that show a number otherwise than by its digits: :data:`DATE`, :data:`ELAPSED`, or a mask of digits."""
    elements = ElementReader(archive, part, {"numFmts/numFmt": ("numFmtId", "formatCode"), "cellXfs/xf": ("numFmtId",)})
    custom = {
        custom_format.get("numFmtId", ""): _kind_of(custom_format.get("formatCode", "")[:500])
        for custom_format in elements.of("numFmts/numFmt")
    }
    shown = {}
    for at, style in enumerate(elements.of("cellXfs/xf")):
        id = style.get("numFmtId", "")
        built_in = DATE if id.isdecimal() and len(id) < 5 and int(id) in _BUILT_IN else ""
        kind = custom.get(id, _kind_of(_BUILT_IN_CODES[id]) if id in _BUILT_IN_CODES else built_in)
        if kind:
            shown[str(at)] = kind
    return shown


def _kind_of(code: str) -> str:
    """ "" for a format that shows the number's own digits."""
    first = code.split(";", maxsplit=1)[0]
    if _GENERAL.search(_NO_LETTERS.sub("", first)):
        plain = _GENERAL.sub("#", first)
        return plain if _is_mask(plain) else ""
    if _ELAPSED.search(first):
        return ELAPSED
    if _LETTERS.search(_NO_LETTERS.sub("", first)):
        return DATE
    return first if _is_mask(first) else ""


def _is_mask(code: str) -> bool:
    """Whether a format only puts zeros and other characters around digits, such as 000000, "+998" 00 000-00-00 or +7 0."""
    tokens = list(_TOKENS.finditer(code))
    if "".join(token[0] for token in tokens) != code or "." in _NO_LETTERS.sub("", code):
        return False
    # Another country's code in a format makes another number of the cell's digits.
    adds = any(c.isdecimal() or c == "+" for token in tokens for c in _literal(token))
    return sum(token[4] == "0" for token in tokens) > 1 or (adds and any(token[4] for token in tokens))


def _literal(token: re.Match[str]) -> str:
    return token[1] or token[2] or token[3] or token[5] or ""


def masked(digits: str, mask: str) -> str:
    """A whole number as a format of digits shows it: 71 by "0000" is 0071."""
    out: list[str] = []
    left = list(digits)
    tokens = list(_TOKENS.finditer(mask))
    first = next((at for at, token in enumerate(tokens) if token[4]), 0)
    for at in range(len(tokens) - 1, -1, -1):
        digit = tokens[at][4]
        if digit:
            out.append(left.pop() if left else "0" if digit == "0" else "")
            if at == first:
                out.extend(reversed(left))
        else:
            out.append(_literal(tokens[at]))
    return "".join(reversed(out)).strip()


def date_text(text: str, *, from_1904: bool) -> str:
    """Days since 1900 as "2026-11-23", "2026-11-23 18:00" or "18:00"; any other text unchanged."""
    try:
        days = float(text)
    except ValueError:
        return text
    if not 0 <= days < _LAST - _SINCE_1904:
        return text
    if from_1904:
        days += _SINCE_1904 if days >= 1 else 0
    elif 1 <= days < _LEAP_DAY:
        days += 1
    moment = _EPOCH + timedelta(seconds=round(days * 86_400))
    clock = moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
    if days < 1:
        return clock
    return f"{moment:%Y-%m-%d}" if clock == "00:00" else f"{moment:%Y-%m-%d} {clock}"


def elapsed_text(text: str) -> str:
    """Days as hours, minutes and seconds: 1.5 is "36:00"; any other text unchanged."""
    try:
        seconds = round(float(text) * 86_400)
    except (ValueError, OverflowError):
        return text
    if not 0 <= seconds < _LAST * 86_400:
        return text
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if seconds else f"{hours}:{minutes:02}"
