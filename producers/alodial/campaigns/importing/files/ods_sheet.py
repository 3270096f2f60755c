"""Reads an OpenDocument table (LibreOffice's .ods) as a stream. Read first: xlsx_archive.py."""

from typing import Final

from ..cell_shapes import may_be_phone
from .source import MAX_CELL, MAX_COLUMNS
from .xlsx_archive import MAX_DEPTH, local, too_deep, too_large
from .xlsx_sheet import ReadRow, number_text

CONTENT: Final = "content.xml"
MAX_SHEETS: Final = 200
MAX_REPEATED: Final = 10_000
"""Equal rows that are written as one; an empty row is repeated to the end of the sheet."""

FEWEST: Final = 7
"""Digits of a number before which a format may show the code of a country or a city."""

_NUMBERS: Final = frozenset({"float", "currency", "percentage"})
_HIDDEN: Final = frozenset({"collapse", "filter"})


class OdsReader:
    """Builds the rows of one table from the document's tags; ``start``, ``end`` and ``data`` are expat's handlers.

    ``tables`` are the names of all tables in the document's order.
    """

    def __init__(self, wanted: int) -> None:
        self.tables: list[str] = []
        self._wanted = wanted
        self._ready: list[ReadRow] = []
        self._cells: list[str] = []
        self._paragraphs: list[str] = []
        self._attributes: dict[str, str] = {}
        self._row = self._depth = self._nested = self._repeated_rows = 0
        self._hidden = self._too_wide = self._in_cell = self._in_text = False
        self._note = 0

    @property
    def finished(self) -> bool:
        """Whether the wanted table has been read."""
        return len(self.tables) > self._wanted + 1

    def take(self) -> list[ReadRow]:
        """The rows that were completed since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        tag = local(name)
        if tag == "table":
            self._nested += 1
            if self._nested == 1:
                self._row = 0
                self.tables.append({local(key): value for key, value in attributes.items()}.get("name", ""))
                if len(self.tables) > MAX_SHEETS:
                    raise too_large(f"more than {MAX_SHEETS} tables")
        elif len(self.tables) - 1 != self._wanted or self._nested != 1:
            return
        elif tag == "table-row":
            own = {local(key): value for key, value in attributes.items()}
            self._repeated_rows = _count(own, "number-rows-repeated")
            self._hidden = own.get("visibility") in _HIDDEN
            self._cells, self._too_wide = [], False
        elif tag in ("table-cell", "covered-table-cell"):
            self._attributes = {local(key): value for key, value in attributes.items()}
            self._paragraphs = []
            self._in_cell = True
        elif tag == "annotation":
            self._note += 1
        elif self._in_cell and not self._note:
            self._text(tag, attributes)

    def _text(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "p":
            self._paragraphs.append("")
            self._in_text = True
        elif self._paragraphs and tag in ("s", "tab", "line-break"):
            spaces = {local(key): value for key, value in attributes.items()}
            self._paragraphs[-1] += {"tab": "\t", "line-break": "\n"}.get(tag, " " * min(_count(spaces, "c"), 1000))

    def end(self, name: str) -> None:
        self._depth -= 1
        tag = local(name)
        if tag == "table":
            self._nested -= 1
        elif tag == "annotation":
            self._note = max(0, self._note - 1)
        elif tag == "p" and not self._note:
            self._in_text = False
        elif tag in ("table-cell", "covered-table-cell") and self._in_cell:
            self._in_cell = False
            self._keep(self._value(), _count(self._attributes, "number-columns-repeated"))
        elif tag == "table-row" and self._nested == 1 and len(self.tables) - 1 == self._wanted:
            self._finish_row()

    def data(self, piece: str) -> None:
        if self._in_text and not self._note and self._paragraphs and len(self._paragraphs[-1]) <= 2 * MAX_CELL:
            self._paragraphs[-1] += piece

    def _keep(self, value: str, times: int) -> None:
        room = MAX_COLUMNS - len(self._cells)
        # An empty cell is repeated to the end of the row.
        self._too_wide = self._too_wide or (bool(value) and times > room)
        self._cells.extend([value] * min(times, room))

    def _finish_row(self) -> None:
        cells = self._cells
        filled = next((at for at in range(len(cells), 0, -1) if cells[at - 1].strip()), 0)
        if filled or self._too_wide:
            for at in range(1, min(self._repeated_rows, MAX_REPEATED) + 1):
                self._ready.append(ReadRow(self._row + at, cells[:filled], self._too_wide, self._hidden))
        self._row += self._repeated_rows

    def _value(self) -> str:
        own = self._attributes
        text = "\n".join(self._paragraphs)
        kind = own.get("value-type", "string")
        if kind in _NUMBERS:
            value = _displayed(number_text(own.get("value", "")), text)
        elif kind == "date":
            value = own.get("date-value", text).replace("T", " ").removesuffix(" 00:00:00")
            value = value.removesuffix(":00") if value.count(":") == 2 else value
        elif kind == "boolean":
            value = own.get("boolean-value", text)
        else:
            value = text
        formula = own.get("formula")
        if formula is not None and (not value or may_be_phone(value)):
            # A formula's cached result is the cell's text, but never a phone to ring: it may be outdated.
            return f"={formula[:200].partition('=')[2]}"
        return value


def _displayed(value: str, text: str) -> str:
    """The cell's text where it only adds zeros, separators or a country's code to the digits of its value; else the value."""
    digits = "".join(c for c in text if c.isdecimal())
    plain = all(c.isdecimal() or c in "+-() " for c in text)
    shown = digits.lstrip("0") == value.lstrip("0") or (len(value) >= FEWEST and digits.endswith(value))
    return text if plain and value.isdecimal() and shown else value


def _count(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 9 else 1
