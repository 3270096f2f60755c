"""Reads XLSX as a stream: a million rows take no more memory than ten. Read first: xlsx_archive.py."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..cell_shapes import may_be_phone
from .source import MAX_COLUMNS
from .xlsx_archive import MAX_DEPTH, broken_xlsx, local, too_deep
from .xlsx_strings import MAX_TEXT, SharedStrings, unescaped
from .xlsx_styles import DATE, ELAPSED, date_text, elapsed_text, masked

_WITHIN: Final = frozenset({"is", "t", "v", "f"})
"""Elements of a cell whose end changes nothing."""

_LAST_COLUMN: Final = 16_384
_DIGITS: Final = "0123456789"
MAX_TAGS: Final = 1000


class ReadRow(NamedTuple):
    """A row of a sheet: its number, its cells, whether there were too many of them, and whether the row is hidden."""

    number: int
    cells: list[str]
    too_wide: bool
    hidden: bool


class SheetReader:
    """Builds rows from a sheet's tags; ``start``, ``end`` and ``data`` are expat's handlers."""

    def __init__(self, strings: SharedStrings, styles: Mapping[str, str], from_1904: bool) -> None:
        self._strings = strings
        self._styles = styles
        self._from_1904 = from_1904
        self._ready: list[ReadRow] = []
        self._tags: dict[str, str] = {}
        self._column_of: dict[str, int] = {}
        self._cells: list[str] = []
        self._text: list[str] = []
        self._formula: str | None = None
        self._kind = "n"
        self._style: str | None = None
        self._row = self._at = self._length = self._depth = 0
        self._collects = ""
        self._too_wide = self._hidden = self._in_data = self._phonetic = False

    def take(self) -> "list[ReadRow]":
        """The rows that were completed since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        tag = self._tags.get(name) or self._tag(name)
        if not self._in_data:
            self._in_data = tag == "sheetData"
        elif tag == "c":
            reference = attributes.get("r")
            if reference is None:
                self._at += 1
            else:
                at = self._column_of.get(reference.rstrip(_DIGITS))
                self._at = self._column(reference) if at is None else at
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s")
            self._formula = None
            if self._text:
                self._text.clear()
            self._length = 0
        elif tag == "t":
            self._collects = "" if self._phonetic else "v"
        elif tag == "v":
            # A library may write a value beside an inline text, and Excel shows the text.
            self._collects = "" if self._kind == "inlineStr" else "v"
        elif tag == "row":
            row = attributes.get("r", "")
            self._row = int(row) if row.isdecimal() and len(row) < 9 else self._row + 1
            self._cells = []
            self._at = -1
            self._too_wide = False
            # A row without height is as hidden as one that says so.
            self._hidden = attributes.get("hidden") in ("1", "true") or not attributes.get("ht", "1").strip("0.")
        elif tag == "f":
            self._collects = "f"
            self._formula = "="
        elif tag == "rPh":
            self._phonetic = True
        if self._depth > MAX_DEPTH:
            raise too_deep()

    def _tag(self, name: str) -> str:
        tag = local(name)
        if len(self._tags) < MAX_TAGS:
            self._tags[name] = tag
        return tag

    def end(self, name: str) -> None:
        self._depth -= 1
        self._collects = ""
        tag = self._tags.get(name) or self._tag(name)
        if tag in _WITHIN:
            return
        if tag == "c":
            text = self._text
            if self._formula is None and self._style is None and len(text) == 1:
                self._keep_plain(text[0])
            elif text or self._formula is not None:
                self._keep(self._value())
        elif tag == "row":
            if self._in_data and (self._too_wide or any(cell and not cell.isspace() for cell in self._cells)):
                self._ready.append(ReadRow(self._row, self._cells, self._too_wide, self._hidden))
                self._cells = []
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "sheetData":
            self._in_data = False

    def data(self, piece: str) -> None:
        if self._collects == "v":
            if self._length <= MAX_TEXT:
                self._length += len(piece)
                self._text.append(piece)
        elif self._collects == "f" and self._formula is not None and len(self._formula) < 200:
            self._formula += piece[:200]

    def _column(self, reference: str) -> int:
        """ "C7" is column 2."""
        name = reference.rstrip(_DIGITS)
        at = self._column_of.get(name)
        if at is None:
            at = 0
            for letter in name[:4].upper():
                at = at * 26 + ord(letter) - 64 if "A" <= letter <= "Z" else _LAST_COLUMN + 1
            at = min(at, _LAST_COLUMN + 1) - 1
            if len(self._column_of) < _LAST_COLUMN:
                self._column_of[name] = at
        return at

    def _keep_plain(self, text: str) -> None:
        """Keeps the value of a cell without style and formula: nearly all cells of a long list are like this."""
        kind = self._kind
        if len(text) < 10 and text.isdecimal() and text.isascii() and kind in ("s", "n"):
            value = self._strings[int(text)] if kind == "s" else text
        elif kind == "inlineStr" and "_x" not in text:
            value = text
        else:
            value = self._value()
        if value and self._at == len(self._cells) < MAX_COLUMNS:
            self._cells.append(value)
        else:
            self._keep(value)

    def _keep(self, value: str) -> None:
        cells = self._cells
        missing = self._at - len(cells)
        if not value or self._at < 0:
            return
        if self._at >= MAX_COLUMNS:
            self._too_wide = True
        elif missing >= 0:
            if missing:
                cells.extend([""] * missing)
            cells.append(value)
        else:
            cells[self._at] = value

    def _value(self) -> str:
        text = self._text[0] if len(self._text) == 1 else "".join(self._text)
        kind = self._kind
        if kind == "s":
            text = text.strip()
            if not (text.isdecimal() and len(text) < 10):
                raise broken_xlsx("a cell refers to a text by something else than its number")
            value = self._strings[int(text)]
        elif kind == "n":
            text = text.strip()
            style = self._styles.get(self._style) if self._style is not None else None
            value = text if text.isdecimal() and text.isascii() else number_text(text)
            if style is not None:
                value = self._formatted(text, value, style)
        elif kind == "b":
            value = "true" if text.strip() == "1" else "false"
        else:
            value = unescaped(text)
        if self._formula is not None and (not value or may_be_phone(value)):
            # A formula's cached result is the cell's text, but never a phone to ring: it may be outdated.
            return self._formula
        return value

    def _formatted(self, text: str, value: str, style: str) -> str:
        if style == DATE:
            return date_text(text, from_1904=self._from_1904)
        if style == ELAPSED:
            return elapsed_text(text)
        return masked(value, style) if value.isdecimal() and value.isascii() else value


def number_text(text: str) -> str:
    """A cell's number as a spreadsheet program shows it: 998901234567.0 and 9.98901234567E11 are 998901234567.

    9.98901E11 stays unchanged: six of a phone's digits were lost, and zeros would hide that.
    """
    text = text.strip()
    mantissa, exponential, exponent = text.upper().partition("E")
    whole, _, fraction = mantissa.partition(".")
    digits = whole.removeprefix("-")
    if not (digits + fraction).isdecimal() or not text.isascii() or len(text) > 40:
        return text
    fraction = fraction.rstrip("0")
    if not exponential:
        if not fraction:
            return whole if digits.strip("0") else digits
        return f"{float(text):.15g}" if len(digits) + len(fraction) > 15 and len(digits) < 15 else text
    places = exponent.removeprefix("+")
    if not places.isdecimal() or len(places) > 2:
        return text
    zeros = int(places) - len(fraction)
    if zeros > 0 and int(places) >= 8:
        return text
    if zeros >= 0:
        return f"{whole}{fraction}{'0' * zeros}"
    return f"{whole}{fraction[: int(places)]}.{fraction[int(places) :]}"
