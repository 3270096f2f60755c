"""Cells that a spreadsheet program takes as text, whatever they hold.

An apostrophe is put before what would be calculated, and before long numbers, of which it would keep 15 digits and show 11.
It stands also behind a separator or line break within a cell: a program that was set up for another separator cuts the
cell there. :func:`unsafe_cell` takes exactly these apostrophes off again.
"""

import re
from typing import Final

QUOTE: Final = "'"

# With their full-width, small, raised and lowered forms: some locales take them for the same.
_CALCULATES: Final = "=＝﹦⁼₌@＠﹫"
_SIGNS: Final = "+＋﹢⁺₊\\-－﹣⁻₋−"

# What is skipped before a formula: spaces of all kinds, control and invisible characters, quotes. No separators, so that
# every part of a cell is looked at once, however long it is.
_SKIPPED: Final = (
    r"[ '\"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*"
)

_SEPARATORS: Final = r",;\t\r\n"

# Of a number with 12 digits a spreadsheet shows 9.98901E+11; of one that begins with 0 it drops the 0.
_LONG_NUMBER: Final = r"'*(?=0 *[0-9]|(?:[ \xa0\u202f]*[0-9]){12})[0-9 \xa0\u202f]+\Z"

_BEGINS: Final = re.compile(rf"{_SKIPPED}[{_CALCULATES}{_SIGNS}\t\r\n]|{_LONG_NUMBER}")

# A phone behind a separator is let be: cells with several phones are common, and cut apart they are still only numbers.
_CONTINUES: Final = rf"(?={_SKIPPED}(?:[{_CALCULATES}]|[{_SIGNS}](?![0-9 ()./-]*(?:\Z|[{_SEPARATORS}]))))"
# Most cells hold nothing of this, and are done with in a third of the time.
_PERHAPS: Final = re.compile(rf"[{_CALCULATES}{_SIGNS}\t\r\n]|\A[' \xa0\u202f0-9]")

_PUT_BEHIND: Final = re.compile(rf"([{_SEPARATORS}]){_CONTINUES}")
_TAKE_BEHIND: Final = re.compile(rf"([{_SEPARATORS}])'{_CONTINUES}")


def is_formula(text: str) -> bool:
    """True when a spreadsheet program would calculate, cut or round this cell."""
    return _BEGINS.match(text) is not None


def safe_cell(text: str) -> str:
    """The text as a cell that is never evaluated."""
    if not _PERHAPS.search(text):
        return text
    text = _PUT_BEHIND.sub(r"\1'", text)
    return QUOTE + text if _BEGINS.match(text) else text


def unsafe_cell(text: str) -> str:
    """What :func:`safe_cell` was given. Other texts, also with an apostrophe in front, stay as they are."""
    if QUOTE not in text:
        return text
    if text[0] == QUOTE and _BEGINS.match(text, 1):
        text = text[1:]
    return _TAKE_BEHIND.sub(r"\1", text)
