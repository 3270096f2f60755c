"""What a file is made of: its kind by its first bytes, its encoding, its separator."""

import codecs
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ...errors import BadFile

BLOCK: Final = 1 << 20

SEPARATORS: Final = ",;\t|"

# UTF-32 begins as UTF-16 does.
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_STRANGERS: Final = (
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{\\rtf", "an RTF document"),
)
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
    """csv, xlsx or ndjson. Raises BadFile for what is none of them."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        problem = "the file is an old .xls, or an .xlsx with a password"
        raise BadFile("old_excel", problem, "save it as Excel workbook (.xlsx) without a password, or as CSV")
    for mark, what in _STRANGERS:
        if head.startswith(mark):
            raise BadFile("not_a_table", f"the file is {what}, not a table", "give CSV, XLSX or NDJSON")
    text = head.lstrip(_SPACE)
    if text[:9].lower().startswith(_MARKUP):
        problem = "the file is a web page or XML, whatever its name says"
        raise BadFile("not_a_table", problem, "open it in a spreadsheet program and save it as .xlsx or CSV")
    if text.startswith(b"[") and name.lower().endswith(".json"):
        problem = "the file is one JSON array"
        raise BadFile("json_array", problem, "write each of its objects on a line of its own, without commas between")
    if name.lower().endswith((".ndjson", ".jsonl", ".json")) or text.startswith(b"{"):
        return "ndjson"
    return "csv"


def encoding_of(path: Path) -> tuple[str, bool]:
    """A codec's name, and whether the file may hold bytes that are not of it.

    UTF-8 where the bytes fit it, all of them or nearly all that are not ASCII; else CP1251, which is what Excel writes in
    Russian and Uzbek.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return name, True
        wide = _wide(head[:4000])
        if wide:
            return wide, True
        if _fits(head, file.read):
            return "utf-8", False
        file.seek(0)
        return ("utf-8" if _mostly(file.read) else "cp1251"), True


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: it has NULs, nearly all on one side, and reads as letters of our alphabets that way."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if min(even, odd) * 10 >= max(even, odd):
        return ""
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = head.decode(name, "replace")
    # Two bytes of other text taken for one letter are Chinese, mostly.
    return name if sum(c < "\u0600" for c in text) * 10 > len(text) * 7 else ""


def _fits(block: bytes, read: Callable[[int], bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block:
            decoder.decode(block)
            block = read(BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _mostly(read: Callable[[int], bytes]) -> bool:
    """Hardly a letter of CP1251 text is UTF-8 by chance; in UTF-8 text that was cut or glued few are broken."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = letters = 0
    while block := read(BLOCK):
        text = decoder.decode(block)
        broken += text.count("\ufffd")
        letters += len(text) - len(text.encode("ascii", "ignore"))
    return broken * 10 < letters


def separator_of(lines: list[str]) -> str:
    """The separator that stands equally often in most of the first lines, outside of quotes."""
    best, limit = ",", 0.0
    for separator in SEPARATORS:
        counts = [_outside_quotes(line, separator) for line in lines if line.strip()]
        if not counts or counts[0] == 0:
            continue
        same = sum(count == counts[0] for count in counts) / len(counts)
        weight = same * (1 + min(counts[0], 20) / 100)
        if weight > limit:
            best, limit = separator, weight
    return best


def _outside_quotes(line: str, separator: str) -> int:
    return sum(part.count(separator) for part in line.split('"')[::2])
