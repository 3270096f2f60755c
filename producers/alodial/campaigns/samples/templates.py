"""Makes template files with two example rows, as CSV or XLSX, in three languages."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Final

HEADERS: Final = {
    "en": ("Phone", "Name", "Language", "Invoice number", "Call before"),
    "ru": ("Телефон", "Имя", "Язык", "Номер счёта", "Позвонить до"),
    "uz": ("Telefon raqami", "Ism", "Til", "Hisob raqami", "Qo‘ng‘iroq muddati"),
}
_ROWS: Final = {
    "en": ("Alex Example", "en"),
    "ru": ("Иван Примеров", "ru"),
    "uz": ("Namuna Namunayev", "uz"),
}
_UNTIL: Final = "31.12.2030"
_NUMBERS: Final = ("+998405550101", "+998405550102")

# Excel takes the separator from the system's region: a semicolon where the comma is the decimal sign.
_SEPARATORS: Final = {"en": ",", "ru": ";", "uz": ";"}

LANGUAGES: Final = tuple(HEADERS)


def make_template(language: str = "en", kind: str = "csv") -> bytes:
    """A template of ``kind`` csv or xlsx for Excel; its phone cells are text, so that no digit is lost.

    Raises ValueError for an unknown language or kind.
    """
    if language not in HEADERS:
        raise ValueError(f"language {language!r} is not known; use one of {', '.join(LANGUAGES)}")
    name, lang = _ROWS[language]
    table: list[tuple[str, ...]] = [HEADERS[language]]
    table += [(phone, name, lang, f"2030-{i:03d}", _UNTIL) for i, phone in enumerate(_NUMBERS, 1)]
    match kind:
        case "csv":
            return _csv(table, _SEPARATORS[language])
        case "xlsx":
            return _xlsx(table)
        case _:
            raise ValueError(f"kind {kind!r} is not known; use csv or xlsx")


def write_template(path: Path, language: str = "en") -> None:
    """Writes a template to ``path``, whose suffix selects the kind. Raises ValueError as :func:`make_template`."""
    path.write_bytes(make_template(language, path.suffix.lower().lstrip(".")))


def _csv(table: list[tuple[str, ...]], separator: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(table)
    # Without the byte order mark Excel reads CP1251.
    return text.getvalue().encode("utf-8-sig")


def _xlsx(table: list[tuple[str, ...]]) -> bytes:
    import xlsxwriter  # noqa: PLC0415  # 60 ms, and only this function needs it

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": datetime(2026, 1, 1)})  # noqa: DTZ001  # the same file each time
    text = book.add_format({"num_format": "@"})
    bold = book.add_format({"bold": True, "num_format": "@"})
    sheet = book.add_worksheet("Calls")
    # The whole columns are text, so that numbers typed below the examples keep their digits.
    sheet.set_column(0, len(table[0]) - 1, 22, text)
    sheet.freeze_panes(1, 0)
    for at, row in enumerate(table):
        for column, cell in enumerate(row):
            sheet.write_string(at, column, cell, text if at else bold)
    book.close()
    return out.getvalue()
