"""What a cell looks like, without its column's name: enough to ask about a column, never to choose it."""

import re
import unicodedata
from typing import Final

from alodial_schemas.operator_codes import MOBILE_CODES, OPERATOR_CODES

BETWEEN_PHONES: Final = re.compile(r"[,;/|\n]|:::|\s{2,}")
_DATE: Final = re.compile(r"[0-3]?\d[./-][01]?\d[./-](?:19|20)?\d\d(?!\d)|(?:19|20)\d\d[./-][01]?\d[./-][0-3]?\d(?!\d)")
_SUM: Final = re.compile(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})*(?:[ \u00a0\u202f]000|[ \u00a0\u202f]\d{3}[.,]\d+)")
_QUOTED: Final = re.compile(r'="([^"=]{0,200})"')
_MAX: Final = 512


def letters(at: int) -> str:
    """A column's name in a spreadsheet program: 0 is A, 26 is AA."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(65 + rest) + name
    return name


def phone_text(cell: str) -> str:
    """The text of a cell without what programs put around a phone: Excel's mark of a text, ``="..."``, ``p:`` of lead forms."""
    text = cell.strip().removeprefix("'")
    quoted = _QUOTED.fullmatch(text)
    return quoted[1] if quoted else text[2:].lstrip() if text.startswith(("p:+", "p:9")) else text


def phone_shapes(cell: str) -> list[str]:
    """The digits of each phone in a cell that looks as if it held phones only; with "+" where it was written."""
    text = phone_text(cell.removeprefix("tel:"))
    if not text or len(text) > _MAX:
        return []
    shapes = [_shape(part.strip()) for part in BETWEEN_PHONES.split(text) if part.strip()]
    return shapes if all(shapes) else []


def may_be_phone(cell: str) -> bool:
    """Whether a cell has enough digits for a phone and no words: more cells than :func:`phone_shapes` sees one in."""
    text = cell.strip()
    return (
        len(text) <= _MAX
        and sum(map(str.isdecimal, text)) >= 9
        and not any(map(str.isalpha, text.removeprefix("tel:")))
    )


def is_plausible(cell: str) -> bool:
    """Whether each phone of a cell is of another country by its "+", or of Uzbekistan with a code that an operator has."""
    shapes = phone_shapes(cell)
    return bool(shapes) and all(shape[0] == "+" or _has_code(shape) for shape in shapes)


def _has_code(digits: str) -> bool:
    if len(digits) == 12:
        return digits[3:5] in OPERATOR_CODES
    # Nine digits are a tax number as well: those of regions ("71", "65") are common in them, so only mobile codes count.
    return digits[-9:-7] in MOBILE_CODES


def _shape(part: str) -> str:
    # A decimal of zeros is what a program makes of a whole number.
    part = re.sub(r"[.,]0{1,2}$", "", part)
    if _DATE.match(part) or _SUM.fullmatch(part):
        return ""
    digits = "".join(c for c in part if c.isdecimal())
    if not 9 <= len(digits) <= 15 or not all(c.isdecimal() or c in "+-() .\u00a0" or _is_mark(c) for c in part):
        return ""
    digits = "".join(str(unicodedata.decimal(c)) for c in digits)
    if part.lstrip("( ").startswith("+") or digits.startswith("00"):
        return "+" + digits.removeprefix("00")
    national = len(digits) == 9 and digits[0] not in "01"
    trunk = len(digits) == 10 and digits[0] in "08"
    return digits if national or trunk or (len(digits) == 12 and digits.startswith("998")) else ""


def _is_mark(c: str) -> bool:
    return not c.isascii() and unicodedata.category(c) in ("Pd", "Zs", "Cf", "Sm")
