"""Guards cells so that a spreadsheet program treats them as text.

An apostrophe precedes whatever would be calculated, and long numbers, which would keep 15 digits and show 11. It also follows
a separator or line break within a cell, as a program set up for another separator splits the cell there.
:func:`unsafe_cell` removes exactly these apostrophes.
"""

import re
from typing import Final

QUOTE: Final = "'"

# With their full-width, small, superscript and subscript forms: some locales treat them alike.
_CALCULATES: Final = "=＝﹦⁼₌@＠﹫"
_SIGNS: Final = "+＋﹢⁺₊\\-－﹣⁻₋−"

# Ignored before a formula: spaces of all kinds, control and invisible characters, quotes. Separators are not, so that every
# part of a long cell is examined only once.
_SKIPPED: Final = (
    r"[ '\"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*"
)

_SEPARATORS: Final = r",;|\t\r\n"

# A spreadsheet program shows a number of 12 digits as 9.98901E+11, and drops a leading 0.
_LONG_NUMBER: Final = r"'*(?=0 *[0-9]|(?:[ \xa0\u202f]*[0-9]){12})[0-9 \xa0\u202f]+\Z"

_BEGINS: Final = re.compile(rf"{_SKIPPED}[{_CALCULATES}{_SIGNS}\t\r\n]|{_LONG_NUMBER}")

# A phone after a separator is not guarded: cells with several phones are common, and their parts are harmless numbers.
_CONTINUES: Final = rf"(?={_SKIPPED}(?:[{_CALCULATES}]|[{_SIGNS}](?![0-9 ()./-]*(?:\Z|[{_SEPARATORS}]))))"
# Most cells hold none of these characters; this test takes a third of the time.
_MAYBE_UNSAFE: Final = re.compile(rf"[{_CALCULATES}{_SIGNS}\t\r\n]|\A[' \xa0\u202f0-9]")

_ADD_AFTER: Final = re.compile(rf"([{_SEPARATORS}]){_CONTINUES}")
_REMOVE_AFTER: Final = re.compile(rf"([{_SEPARATORS}])'{_CONTINUES}")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program would calculate, cut or round this cell."""
    return _BEGINS.match(text) is not None


def safe_cell(text: str) -> str:
    """The text as a cell that is never evaluated; :func:`unsafe_cell` restores it."""
    if not _MAYBE_UNSAFE.search(text):
        return text
    text = _ADD_AFTER.sub(r"\1'", text)
    return QUOTE + text if _BEGINS.match(text) else text


def unsafe_cell(text: str) -> str:
    """The text that :func:`safe_cell` guarded; any other text, also with a leading apostrophe, unchanged."""
    if QUOTE not in text:
        return text
    if text[0] == QUOTE and _BEGINS.match(text, 1):
        text = text[1:]
    return _REMOVE_AFTER.sub(r"\1", text)
