"""Cells that a spreadsheet program takes as text, whatever they hold.

A cell that begins with one of the formula marks gets an apostrophe in front; so does one that begins with an apostrophe and
such a mark, so that taking one apostrophe off gives back what was there.
"""

from typing import Final

MARKS: Final = "=+-@\t\r\n|%＝＋－＠"
"""What LibreOffice and Excel begin a formula with, and what they skip before it. The full-width forms are taken for the same."""

QUOTE: Final = "'"


def _dangerous(text: str) -> bool:
    bare = text.lstrip(" \u00a0\u200b\ufeff")
    return bare[:1] in MARKS if bare else False


def safe_cell(text: str) -> str:
    """The text as a cell that is never evaluated."""
    if not text:
        return text
    return QUOTE + text if _dangerous(text.lstrip(QUOTE)) else text


def unsafe_cell(text: str) -> str:
    """What :func:`safe_cell` was given."""
    return text[1:] if text[:1] == QUOTE and _dangerous(text[1:].lstrip(QUOTE)) else text
