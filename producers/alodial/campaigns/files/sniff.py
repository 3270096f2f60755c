"""What a file is made of: its kind by its first bytes, its encoding, its separator."""

import codecs
import hashlib
from pathlib import Path

from ..errors import BadFile

BLOCK = 1 << 20
_UTF16_NULS = 0.2
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

SEPARATORS = ",;\t|"


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
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        problem = "is an old .xls, or an .xlsx with a password"
        raise BadFile("old_excel", problem, "save it as Excel workbook (.xlsx) without a password, or as CSV")
    for mark, what in ((b"%PDF", "a PDF"), (b"\x1f\x8b", "gzip"), (b"\x89PNG", "a picture"), (b"Rar!", "an archive")):
        if head.startswith(mark):
            raise BadFile("not_a_table", f"is {what}, not a table", "give CSV, XLSX or NDJSON")
    if name.lower().endswith((".ndjson", ".jsonl")) or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b'{"'):
        return "ndjson"
    return "csv"


def encoding_of(path: Path) -> str:
    """A codec's name. UTF-8 where every byte fits it, else CP1251, which is what Excel writes in Russian and Uzbek."""
    with path.open("rb") as file:
        head = file.read(BLOCK)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return name
        if head and head[:4000].count(0) > len(head[:4000]) * _UTF16_NULS:
            return "utf-16-le" if head[1:4000:2].count(0) >= head[0:4000:2].count(0) else "utf-16-be"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while head:
                decoder.decode(head)
                head = file.read(BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1251"
    return "utf-8"


def separator_of(lines: list[str]) -> str:
    """The separator that stands equally often in most of the first lines, outside of quotes."""
    best, most = ",", 0.0
    for separator in SEPARATORS:
        counts = [_outside_quotes(line, separator) for line in lines if line.strip()]
        if not counts or counts[0] == 0:
            continue
        same = sum(count == counts[0] for count in counts) / len(counts)
        weight = same * (1 + min(counts[0], 20) / 100)
        if weight > most:
            best, most = separator, weight
    return best


def _outside_quotes(line: str, separator: str) -> int:
    return sum(part.count(separator) for part in line.split('"')[::2])
