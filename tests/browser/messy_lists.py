"""Lists as people have them, made with the habits of ten programs: whom each calls, and what its owner answers for that."""

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter

Write = Callable[[Path], Path]


@dataclass(frozen=True)
class MessyList:
    """``picks`` are answers in their order: a field of the page and its value. ``called`` are the last nine digits of exactly
    those who are called; ``asks`` the codes of questions that are shown first."""

    name: str
    write: Write
    called: frozenset[str]
    picks: tuple[tuple[str, str], ...] = ()
    asks: bool = False
    callfrom: str = "712037006"
    names: tuple[str, ...] = field(default=())


def phones(start: int, count: int) -> list[str]:
    return [str(start + at) for at in range(count)]


def _text(name: str, content: str, encoding: str) -> Write:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode(encoding))
        return path

    return write


def _book(name: str, sheets: dict[str, Sequence[Sequence[Any]]], active: int = 0, hidden: Sequence[int] = ()) -> Write:
    """A workbook as openpyxl, and so many programs of accountants, writes it."""

    def write(folder: Path) -> Path:
        book = openpyxl.Workbook()
        for at, (title, rows) in enumerate(sheets.items()):
            sheet = book.worksheets[0] if at == 0 else book.create_sheet()
            sheet.title = title
            for row in rows:
                sheet.append(list(row))
            for number in hidden:
                sheet.row_dimensions[number].hidden = True
        book.active = active
        path = folder / name
        book.save(path)
        return path

    return write


def _excel(folder: Path) -> Path:
    """Excel: a title, an empty row, a table whose numbers are numbers, a total below."""
    path = folder / "Должники 2026.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("Лист1")
    sheet.write(0, 0, "Реестр должников на 25.11.2026")
    sheet.write_row(2, 0, ["№ п/п", "ИНН", "ФИО должника", "Сот. тел.", "Тел. поручителя", "Сумма"])
    for at in range(6):
        phone, guarantor = 901_000_100 + at, 935_550_000 + at
        sheet.write_row(3 + at, 0, [at + 1, 301_234_567 + at, f"Каримов {at}", phone, guarantor, 1_250_000])
    sheet.write_row(9, 0, ["Итого", "", "", "", "", 7_500_000])
    book.close()
    return path


def _csv(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


_ONE_C = "\r\n".join(
    [
        "Контрагенты;;;;",
        'Отбор: Город Равно "Ташкент";;;;',
        "Код;Наименование;ИНН;Контактный телефон;Телефон менеджера",
        *(f"00-{at:05d};ООО Ромашка {at};30{at}234567;(91) 777-00-{at:02d};90 999-99-{at:02d}" for at in range(5)),
    ]
)
_GOOGLE = _csv(
    [
        [
            "Name",
            "Given Name",
            "Phone 1 - Type",
            "Phone 1 - Value",
            "Phone 2 - Type",
            "Phone 2 - Value",
            "E-mail 1 - Value",
        ],
        ["Aziz Karimov", "Aziz", "Mobile", "+998 93 100 00 01 ::: +998 93 100 00 02", "Work", "", "a@example.uz"],
        ["Nodira", "Nodira", "Mobile", "931000003", "Home", "712000003", "n@example.uz"],
    ]
)
_HEADERLESS = "".join(f"30{at}456789;ООО {at};90200000{at};{at}50000\n" for at in range(4))
_BITRIX = _csv(
    [
        ["ID", "Имя", "Фамилия", "Рабочий телефон", "Мобильный телефон", "Ответственный"],
        *([str(at), "Али", f"Валиев {at}", f"71200{at:04d}", f"+99894300000{at}", "Менеджер"] for at in range(4)),
    ],
    ";",
)
_AMO = _csv(
    [
        ["Наименование", "Рабочий телефон (контакт)", "Другой телефон (контакт)", "Ответственный"],
        *([f"Лид {at}", f"'+99895400000{at}", f"'90999888{at}", "Азиза"] for at in range(3)),
    ]
)
_UNICODE_TEXT = "F.I.Sh.\tTel raqam\tQarz\r\n" + "".join(
    f"Olim {at}\t{text}\t120 000\r\n"
    for at, text in enumerate(("97 500 00 01", "9.98975E+11", "998975000003.0", "8 97 500-00-04", "12"))
)
_WEAK = _csv(
    [["Номер", "ФИО", "Сотовый тел."], ["301234567", "Иванов", "881000001"], ["302234567", "Петров", "881000002"]], ";"
)

LISTS = (
    MessyList("excel", _excel, frozenset(phones(901_000_100, 6)), names=("Каримов 0",)),
    MessyList("one-c", _text("Контрагенты.csv", _ONE_C, "cp1251"), frozenset(f"9177700{at:02d}" for at in range(5))),
    MessyList(
        "google",
        _text("contacts.csv", _GOOGLE, "utf-8"),
        frozenset({"931000001", "931000002", "931000003", "712000003"}),
    ),
    MessyList(
        "headerless",
        _text("список.csv", _HEADERLESS, "utf-8"),
        frozenset(f"90200000{at}" for at in range(4)),
        (("#use2", "phone"), ("#use1", "name")),
        asks=True,
    ),
    MessyList(
        "bitrix",
        _text("CONTACT_20261125.csv", _BITRIX, "utf-8-sig"),
        frozenset(f"94300000{at}" for at in range(4)),
        (("#use4", "phone"),),
        asks=True,
    ),
    MessyList("amocrm", _text("amocrm_export.csv", _AMO, "utf-8"), frozenset(f"95400000{at}" for at in range(3))),
    MessyList(
        "unicode-text",
        lambda folder: _bytes(folder / "ro‘yxat.txt", codecs.BOM_UTF16_LE + _UNICODE_TEXT.encode("utf-16-le")),
        frozenset({"975000001", "975000003", "975000004"}),
    ),
    MessyList(
        "sheets",
        _book(
            "Клиенты.xlsx",
            {
                "Инструкция": [["Заполните лист 2"]],
                "Новые": [["Телефон", "Имя"], ["+998901112201", "Новый"]],
                "Отказались": [["Телефон", "Имя"], ["+998901112299", "Не звонить"]],
            },
            active=2,
        ),
        frozenset({"901112201"}),
        (("#sheet", "Новые"),),
        asks=True,
    ),
    MessyList(
        "filtered",
        _book(
            "Фильтр.xlsx",
            {
                "Sheet": [
                    ["Phone", "Customer name", "Paid"],
                    *([f"+99899500000{at}", f"C{at}", at % 2] for at in range(6)),
                ]
            },
            hidden=(3, 5, 7),
        ),
        frozenset(f"99500000{at}" for at in (0, 2, 4)),
        (("#hidden-skip", ""),),
        asks=True,
    ),
    MessyList(
        "weak",
        _text("база.csv", _WEAK, "cp1251"),
        frozenset({"881000001", "881000002"}),
        (("#use2", "phone"),),
        asks=True,
    ),
)


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
