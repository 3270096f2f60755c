"""What a workbook's cell is, of a text: a number or a date where nothing of what was written is lost, else the text."""

import re
from datetime import datetime
from typing import Final

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,7}")
"""What a spreadsheet program shows as it was written; a phone has more digits."""

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,8})[.,]([0-9]{1,6})")
_DATES: Final = (
    (re.compile(r"\d\d\.\d\d\.\d{4}"), "%d.%m.%Y", "dd.mm.yyyy"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d", "yyyy-mm-dd"),
    (re.compile(r"\d\d\.\d\d\.\d{4} \d\d:\d\d"), "%d.%m.%Y %H:%M", "dd.mm.yyyy hh:mm"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "%Y-%m-%d %H:%M:%S", "yyyy-mm-dd hh:mm:ss"),
)
_FIRST_YEAR: Final = 1901
"""Excel counts a day too many in 1900."""


def typed(text: str) -> tuple[int | float | datetime, str] | None:
    """The number or date that a text is, with the format that shows it as it was written; None for another text."""
    if text[0] not in "-0123456789" or len(text) > 19:
        return None
    if _INTEGER.fullmatch(text):
        return int(text), "General"
    if decimal := _DECIMAL.fullmatch(text):
        return float(text.replace(",", ".")), f"0.{'0' * len(decimal[1])}"
    for pattern, form, shown_as in _DATES:
        if pattern.fullmatch(text):
            try:
                moment = datetime.strptime(text, form)  # noqa: DTZ007  # a cell of a workbook has no zone
            except ValueError:
                return None
            return (moment, shown_as) if moment.year >= _FIRST_YEAR else None
    return None
