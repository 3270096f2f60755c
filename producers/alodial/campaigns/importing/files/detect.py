"""Detects a file's kind by its first bytes, its encoding and its separator."""

import codecs
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ...errors import BadFile
from ..header_words import CERTAIN, meaning

BLOCK: Final = 1 << 20

SEPARATORS: Final = ";\t|,"
"""In the order of preference where two fit a file equally well."""

ONE_COLUMN: Final = "\x1f"
"""The separator of a file with one column, which may hold several phones in a cell: a character that no text has."""

MAX_TITLES: Final = 30
MAX_HEADER_LINE: Final = 20_000

# UTF-32 begins as UTF-16 does.
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_OTHER_KINDS: Final = (
    (b"%PDF", "a PDF"),
    (b"BEGIN:VCARD", "a list of contacts (vCard)"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "an RTF document"),
)
_ODS: Final = b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"
_MARKUP: Final = (b"<?xml", b"<!doctype", b"<html", b"<table", b"<meta", b"<head")

_SPACE: Final = b"\xef\xbb\xbf \t\r\n"


def fingerprint(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def kind_of(path: Path, name: str) -> str:
    """The file's kind: csv, xlsx, ods or ndjson. Raises BadFile for any other kind that it recognises."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        # An OpenDocument file names its kind in its first part, which is not compressed.
        return "ods" if _ODS in head[:200] else "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        problem = "the file is an old .xls, or an .xlsx with a password"
        raise BadFile("old_excel", problem, "save it as Excel workbook (.xlsx) without a password, or as CSV")
    for mark, description in _OTHER_KINDS:
        if head.startswith(mark):
            raise BadFile("not_a_table", f"the file is {description}, not a table", "give CSV, XLSX, ODS or NDJSON")
    text = head.lstrip(_SPACE)
    if text[:9].lower().startswith(_MARKUP):
        problem = "the file is a web page or XML, despite its name"
        raise BadFile("not_a_table", problem, "open it in a spreadsheet program and save it as .xlsx or CSV")
    if text.startswith(b"[") and name.lower().endswith(".json"):
        problem = "the file is one JSON array"
        raise BadFile("json_array", problem, "write each object on its own line, without commas between them")
    if name.lower().endswith((".ndjson", ".jsonl", ".json")) or text.startswith(b"{"):
        return "ndjson"
    return "csv"


def encoding_of(path: Path) -> tuple[str, bool]:
    """A codec's name, and whether the file may hold bytes that are invalid in it.

    UTF-8 when all bytes, or nearly all that are not ASCII, are valid; else CP1251, which Excel writes in Russian and Uzbek.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return name, True
        utf16 = _utf16_without_mark(head[:4000])
        if utf16:
            return utf16, True
        if _is_utf8(head, file.read):
            return "utf-8", False
        file.seek(0)
        return ("utf-8" if _is_mostly_utf8(file.read) else "cp1251"), True


def _utf16_without_mark(head: bytes) -> str:
    """The UTF-16 codec whose text is mostly Latin or Cyrillic, "" for none: every second byte of such text is small."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if min(even, odd) * 10 >= max(even, odd):
        return ""
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = head.decode(name, "replace")
    # Other text, read two bytes at a time, is mostly Chinese.
    return name if sum(c < "\u0600" for c in text) * 10 > len(text) * 7 else ""


def _is_utf8(block: bytes, read: Callable[[int], bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block:
            decoder.decode(block)
            block = read(BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(read: Callable[[int], bytes]) -> bool:
    """Few letters of CP1251 text are valid UTF-8 by chance; few letters of damaged UTF-8 text are invalid."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = letters = 0
    while block := read(BLOCK):
        text = decoder.decode(block)
        broken += text.count("\ufffd")
        letters += len(text) - len(text.encode("ascii", "ignore"))
    return broken * 10 < letters


def separator_of(lines: list[str]) -> str:
    """The separator that gives most of these lines the same number of cells, and the file a heading for its phones.

    :data:`ONE_COLUMN` where the heading of the phones stands alone.
    A comma is the last of equals: it is also in texts, and in numbers as people here write them.
    """
    filled = [line for line in lines if line.strip()]
    best, highest, named = ",", 0.0, False
    for separator in SEPARATORS:
        widths = Counter(count for line in filled if (count := _outside_quotes(line, separator)))
        if not widths:
            continue
        width, same = max(widths.items(), key=lambda item: (item[1], item[0]))
        names_phone = any(_names_phone(line, separator) for line in filled[:MAX_TITLES])
        score = same / len(filled) * (1 + min(width, 20) / 100) + names_phone * 2
        named = named or names_phone
        if score > highest:
            best, highest = separator, score
    if not named and any(_is_phone_heading(line) for line in filled[:MAX_TITLES]):
        return ONE_COLUMN
    return best


def _is_phone_heading(line: str) -> bool:
    """Whether a line is the heading of a single column: what separates its rows separates phones."""
    if len(line) > MAX_HEADER_LINE or any(separator in line for separator in SEPARATORS):
        return False
    found = meaning(line.strip().strip('"'))
    return found.field == "phone" and (found.certainty == CERTAIN or found.speaks)


def _names_phone(line: str, separator: str) -> bool:
    if separator not in line or len(line) > MAX_HEADER_LINE:
        return False
    found = [meaning(cell.strip().strip('"')) for cell in line.split(separator)]
    return any(one.field == "phone" and (one.certainty == CERTAIN or one.speaks) for one in found)


def _outside_quotes(line: str, separator: str) -> int:
    return sum(part.count(separator) for part in line.split('"')[::2])
