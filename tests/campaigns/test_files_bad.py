"""Forty bad files and more: for each the code it is answered with, and for a bad row the spreadsheet's own number."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from file_harness import MAIN, checked, row, workbook, written

from alodial.campaigns.errors import BadFile

GOOD = "+998405550001"
HEAD = "Phone,Name\n"


def _zip(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _encrypted() -> bytes:
    content = bytearray(workbook(row(1, "Phone"), row(2, GOOD)))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


def _directory_of(count: int) -> bytes:
    """An end record that promises as many entries."""
    return b"PK\x03\x04" + bytes(100) + b"PK\x05\x06" + bytes(6) + count.to_bytes(2, "little") + bytes(10)


def _cell(text: str, *, kind: str = "", formula: str = "") -> str:
    formula_tag = f"<f>{formula}</f>" if formula else ""
    return f'<c r="A2"{f" t={chr(34)}{kind}{chr(34)}" if kind else ""}>{formula_tag}<v>{text}</v></c>'


def _book(cell: str) -> bytes:
    return workbook(row(1, "Phone"), row(2, cell), row(3, GOOD))


def _sheet_of(xml: str) -> bytes:
    return workbook(more={"xl/worksheets/sheet1.xml": xml})


_ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1" t="str"><v>&b;</v></c></row></sheetData></worksheet>'
)
_FETCHED = _ENTITIES.replace('<!ENTITY a "aaaaaaaaaa">', '<!ENTITY a SYSTEM "file:///etc/passwd">')

FILES: dict[str, tuple[str, bytes, str]] = {
    # What is refused as a whole: name, bytes, code.
    "no bytes": ("a.csv", b"", "empty_file"),
    "only a byte order mark": ("a.csv", b"\xef\xbb\xbf", "empty_file"),
    "only blank lines": ("a.csv", b"\r\n\r\n , ,\r\n", "empty_file"),
    "no phone column": ("a.csv", b"Name,City\nA,B\n", "no_phone_column"),
    "two phone columns": ("a.csv", "Телефон;Моб. тел.\n1;2\n".encode(), "columns_ambiguous"),
    "two columns of one name": ("a.csv", b"Phone,Phone\n1,2\n", "columns_ambiguous"),
    "a header with a NUL": ("a.csv", b"Pho\0ne,Name\n405550001,x\n", "nul"),
    "a header of 300 columns": ("a.csv", ",".join(f"c{i}" for i in range(300)).encode(), "too_many_columns"),
    "a header of one long line": ("a.csv", b"Phone" * 100_000 + b"\n405550001\n", "cell_too_large"),
    "an old .xls": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old_excel"),
    "a web page that calls itself .xls": ("a.xls", b"<html><table><tr><td>Phone</table>", "not_a_table"),
    "SpreadsheetML": ("a.xls", b'<?xml version="1.0"?><Workbook/>', "not_a_table"),
    "a PDF": ("a.csv", b"%PDF-1.7\n", "not_a_table"),
    "gzip": ("a.csv", b"\x1f\x8b\x08\x00" + bytes(20), "not_a_table"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(20), "not_a_table"),
    "a zip of something else": ("a.xlsx", _zip(**{"a.csv": b"Phone\n1"}), "not_a_table"),
    "an OpenDocument table": ("a.xlsx", _zip(**{"content.xml": b"<x/>"}), "not_a_table"),
    "a binary workbook": ("a.xlsx", _zip(**{"xl/workbook.bin": b"\0"}), "not_a_table"),
    "half an .xlsx": ("a.xlsx", workbook(row(1, "Phone"), row(2, GOOD))[:700], "broken_xlsx"),
    "an .xlsx with broken XML": ("a.xlsx", _sheet_of("<worksheet><sheetData><row"), "broken_xlsx"),
    "a text that is not there": ("a.xlsx", _book(_cell("77", kind="s")), "broken_xlsx"),
    "an .xlsx with no rows": ("a.xlsx", workbook(), "empty_file"),
    "an .xlsx with a password": ("a.xlsx", _encrypted(), "encrypted"),
    "a path out of the archive": (
        "a.xlsx", workbook(row(1, "Phone"), more={"xl/../../../etc/cron": b"x"}), "unsafe_archive",
    ),
    "an absolute path": ("a.xlsx", workbook(row(1, "Phone"), more={"/etc/cron": b"x"}), "unsafe_archive"),
    "an archive packed with bzip2": (
        "a.xlsx", workbook(row(1, "Phone"), compression=zipfile.ZIP_BZIP2), "unsafe_archive",
    ),
    "a zip bomb": ("a.xlsx", _sheet_of(" " * 30_000_000), "zip_bomb"),
    "a bomb of texts": ("a.xlsx", workbook(row(1, "Phone"), more={"xl/sharedStrings.xml": "a" * 9_000_000}), "zip_bomb"),
    "a directory of 60,000 parts": ("a.xlsx", _directory_of(60_000), "workbook_too_large"),
    "entities that grow": ("a.xlsx", _sheet_of(_ENTITIES), "xml_entities"),
    "entities that fetch": ("a.xlsx", _sheet_of(_FETCHED), "xml_entities"),
    "a workbook of one deep element": ("a.xlsx", _sheet_of("<a>" * 200), "broken_xlsx"),
    "one JSON array": ("a.json", b'[{"phone": "405550001"}]', "json_array"),
    "JSON lines of no object": ("a.ndjson", b"[1]\n[2]\n", "not_an_object"),
    "JSON lines in UTF-16": ("a.ndjson", '{"phone": "405550001"}'.encode("utf-16"), "encoding"),
    "JSON lines without a phone": ("a.ndjson", b'{"name": "A"}\n', "no_phone_column"),
}  # fmt: skip


@dataclass
class Rows:
    """A file that is read: its bytes, the bad rows' numbers and codes, and how many rows are good."""

    content: bytes | str
    problems: list[tuple[int, str]]
    good: int = 1
    name: str = "a.csv"


ROWS: dict[str, Rows] = {
    "an empty phone": Rows(f"{HEAD},x\n{GOOD},y\n", [(2, "phone_missing")]),
    "blank lines keep the numbers": Rows(f"{HEAD}\n\n,x\n\n{GOOD},y\n", [(4, "phone_missing")]),
    "a cell of a megabyte": Rows(f"{HEAD}{'a' * 1_000_000},x\n{GOOD},y\n", [(2, "cell_too_large")]),
    "a cell of a megabyte with line ends": Rows(
        f'{HEAD}"{"ab" * 20 + chr(10)}{("ab" * 20 + chr(10)) * 9_000}",x\n{GOOD},y\n', [(2, "cell_too_large")]
    ),
    "a cell that Excel could not hold": Rows(f"{HEAD}{GOOD},{'a' * 32_768}\n{GOOD},y\n", [(2, "cell_too_large")]),
    "a quoted cell of 200 kB": Rows(f'{HEAD}"{"a" * 200_000}",x\n{GOOD},y\n', [(2, "cell_too_large")]),
    "a NUL": Rows(f"{HEAD}4055\x0050002,x\n{GOOD},y\n", [(2, "nul")]),
    "an unclosed quote": Rows(f'{HEAD}"405550002,x\n{GOOD},y\n', [(2, "quote_unclosed")]),
    "an unclosed quote, and quotes behind it": Rows(
        f'{HEAD}"405550002,x\n"{GOOD}","y"\n', [(2, "quote_unclosed")]
    ),
    "a quoted line end": Rows(f'{HEAD}{GOOD},"two\nlines"\nx,y\n', [(3, "phone_invalid")]),
    "too many cells": Rows(f"{HEAD}405550002,x,y\n{GOOD},y\n", [(2, "too_many_cells")]),
    "CP1251 with a byte that is none": Rows(
        "Телефон;Имя\n".encode("cp1251") + b"405550002;\x98\n405550001;\xc8\xe2\xe0\xed\n", [(2, "encoding")]
    ),
    "UTF-8 with one broken letter": Rows(
        "Телефон;Имя\n405550002;".encode() + b"\xd0\n" + f"{GOOD};Иван\n".encode(), [(2, "encoding")]
    ),
    "UTF-8 cut in the middle of a letter": Rows(f"Телефон;Имя\n{GOOD};Иван\n405550002;Анна".encode()[:-1], [(3, "encoding")]),
    "half a character of UTF-16": Rows(
        b"\xff\xfe" + f"{HEAD}{GOOD},x\n405550002,".encode("utf-16-le") + b"\x00\xd8" + "\n".encode("utf-16-le"),
        [(3, "encoding")],
    ),
    "mixed line ends": Rows(f"Phone,Name\r\nx,y\r{GOOD},y\nz,y\r\n", [(2, "phone_invalid"), (4, "phone_invalid")]),
    "a formula": Rows(f"{HEAD}=1+1,x\n{GOOD},y\n", [(2, "formula")]),
    "a formula that begins with @": Rows(f"{HEAD}@SUM(A1),x\n{GOOD},y\n", [(2, "formula")]),
    "2^63": Rows(f"{HEAD}9223372036854775808,x\n{GOOD},y\n", [(2, "phone_invalid")]),
    "what Excel made of a number": Rows(f"{HEAD}9.98901E+11,x\n{GOOD},y\n", [(2, "phone_scientific")]),
    "the same with a comma": Rows(f'{HEAD}"9,98901E+11",x\n{GOOD},y\n', [(2, "phone_scientific")]),
    "the police": Rows(f"{HEAD}102,x\n{GOOD},y\n", [(2, "phone_emergency")]),
    "a number twice": Rows(f"{HEAD}{GOOD},x\n405550001,y\n", [(3, "duplicate")]),
    "an extension": Rows(f'{HEAD}"tel:+998405550002;ext=5",x\n{GOOD},y\n', [(2, "phone_invalid")]),
    "a formula in a workbook": Rows(
        _book(_cell("998405550002", kind="str", formula="A9&amp;B9")), [(2, "formula")], name="a.xlsx"
    ),
    "a formula that nobody has worked out": Rows(
        _book('<c r="A2"><f>A9</f></c>'), [(2, "formula")], name="a.xlsx"
    ),
    "an error in a workbook": Rows(_book(_cell("#REF!", kind="e")), [(2, "phone_invalid")], name="a.xlsx"),
    "scientific text in a workbook": Rows(_book("9.98901E+11"), [(2, "phone_scientific")], name="a.xlsx"),
    "a number that lost digits in a workbook": Rows(_book(_cell("9.98901E11")), [(2, "phone_scientific")], name="a.xlsx"),
    "a fraction in a workbook": Rows(_book(_cell("998405550002.5")), [(2, "phone_scientific")], name="a.xlsx"),
    "a cell of a workbook that is too large": Rows(_book("a" * 70_000), [(2, "cell_too_large")], name="a.xlsx"),
    "a row of a workbook that is too wide": Rows(
        _book('<c r="A2"><v>405550002</v></c><c r="XFD2"><v>1</v></c>'), [(2, "too_many_cells")], name="a.xlsx"
    ),
    "a line that is no JSON": Rows('{"phone": \n{"phone": "405550001"}\n', [(1, "malformed_json")], name="a.ndjson"),
    "a line that is no object": Rows('{"phone": "405550001"}\n[]\n', [(2, "not_an_object")], name="a.ndjson"),
    "an object in a cell": Rows(
        '{"phone": "405550001"}\n\n{"phone": {"a": 1}}\n', [(3, "not_a_cell")], name="a.ndjson"
    ),
    "half a character in JSON": Rows(
        '{"phone": "405550001"}\n{"phone": "405550002", "name": "\\ud800"}\n', [(2, "encoding")], name="a.ndjson"
    ),
    "bytes that are no UTF-8 in JSON": Rows(
        b'{"phone": "405550001"}\n{"phone": "\xff"}\n', [(2, "encoding")], name="a.ndjson"
    ),
    "a scientific number in JSON": Rows(
        '{"phone": "405550001"}\n{"phone": 9.98901E+11}\n', [(2, "phone_scientific")], name="a.ndjson"
    ),
    "a line of a megabyte in JSON": Rows(
        '{"phone": "405550001"}\n{"phone": "' + "a" * 1_000_000 + '"}\n', [(2, "cell_too_large")], name="a.ndjson"
    ),
    "a hundred thousand brackets in JSON": Rows(
        '{"phone": "405550001"}\n' + "[" * 100_000 + "\n", [(2, "malformed_json")], name="a.ndjson"
    ),
}  # fmt: skip


def test_there_are_forty_bad_files_at_least() -> None:
    assert len(FILES) + len(ROWS) >= 40


@pytest.mark.parametrize("case_name", FILES)
def test_a_file_that_cannot_be_read_is_refused_with_its_reason(case_name: str, tmp_path: Path) -> None:
    name, content, code = FILES[case_name]
    with pytest.raises(BadFile) as caught:
        checked(written(tmp_path, content, name))
    assert caught.value.code == code
    assert caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize("case_name", ROWS)
def test_a_bad_row_is_reported_with_its_own_number_and_costs_only_itself(case_name: str, tmp_path: Path) -> None:
    case = ROWS[case_name]
    report = checked(written(tmp_path, case.content, case.name))
    assert [(problem.number, problem.code) for problem in report.problems] == case.problems
    assert report.good == case.good
    assert report.rows == case.good + len(case.problems)
    assert all(problem.problem and problem.remedy for problem in report.problems)
