"""XLSX, read as a stream: a million rows take no more memory than ten.

The archive is looked at before a byte of it is unpacked, and what it unpacks to is counted while it is: sizes in an archive's
directory may lie. XML with a document type is refused, so that no entity can grow.
"""

import mmap
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final
from xml.parsers import expat

from ..errors import BadFile
from .sniff import fingerprint
from .source import MOST_COLUMNS, RowFault, SourceRow, fitted, header_of

MOST_BYTES: Final = 2 << 30
"""Unpacked, all parts together: a sheet of 1,048,576 rows and ten columns is about 700 MB of XML."""

MOST_RATIO: Final = 200
"""A sheet of alike rows shrinks to a thirtieth; a bomb to a thousandth."""

RATIO_FROM: Final = 1 << 20
MOST_PARTS: Final = 2000
MOST_TEXT: Final = 64 * 1024
BLOCK: Final = 1 << 16

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, expat.ExpatError, NotImplementedError, RuntimeError)


def _bomb(what: str) -> BadFile:
    return BadFile("zip_bomb", f"unpacks to {what}", "save the table anew, with values only, or as CSV")


class Workbook:
    """The first sheet with rows of an .xlsx. Raises BadFile for an archive that is broken, hostile or no workbook."""

    kind = "xlsx"
    encoding: str | None = None
    delimiter = None

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.size: int | None = path.stat().st_size
        self.fingerprint = fingerprint(path)
        try:
            with zipfile.ZipFile(path) as archive:
                _inspect(archive)
                sheets = _sheets(archive)
                self._strings = _SharedStrings(archive)
                found = next(
                    ((title, part, first) for title, part in sheets if (first := self._first(archive, part))), None
                )
        except BadFile:
            raise
        except _BROKEN as exc:
            raise BadFile("broken_xlsx", "is no whole XLSX file", "save it once more as .xlsx or as CSV") from exc
        if found is None:
            raise BadFile("empty_file", "has no rows", "give a header and a row for each call")
        self.sheet: str | None = found[0]
        self._part = found[1]
        self.columns, self._header = header_of(found[2].cells)
        self._first_number = found[2].number

    def _first(self, archive: zipfile.ZipFile, part: str) -> SourceRow | None:
        return next((row for row in _rows(archive, part, self._strings) if isinstance(row, SourceRow)), None)

    def rows(self) -> Iterator[SourceRow | RowFault]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                for row in _rows(archive, self._part, self._strings):
                    if isinstance(row, RowFault):
                        yield row
                    elif row.number > self._first_number or not self._header:
                        yield fitted(row.number, row.cells, self.columns, row.position)
        except _BROKEN as exc:
            raise BadFile("broken_xlsx", "breaks off in the middle", "save it once more as .xlsx or as CSV") from exc


def _inspect(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_PARTS:
        raise _bomb(f"more than {MOST_PARTS} parts")
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise _bomb("more than 2 GiB")
    for entry in entries:
        if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
            raise BadFile("unsafe_archive", "holds a part with a path out of the archive", "save the table anew")
        if entry.flag_bits & 1:
            raise BadFile("encrypted", "is encrypted", "take the password off")
        if entry.file_size > RATIO_FROM and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
            raise _bomb("hundreds of times its size")
    if "xl/workbook.xml" not in archive.namelist():
        raise BadFile("not_a_table", "is an archive, and no Excel workbook", "give CSV, XLSX or NDJSON")


class _Part:
    """One part of the archive, fed to expat block by block."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._file: IO[bytes] = archive.open(name)
        self._packed = max(1, archive.getinfo(name).compress_size)
        self.read = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype

    @staticmethod
    def _doctype(*_: Any) -> None:
        raise BadFile("xml_entities", "holds XML with a document type", "save the table anew as .xlsx or as CSV")

    def feed(self) -> bool:
        """False at the end."""
        block = self._file.read(BLOCK)
        self.read += len(block)
        if self.read > MOST_BYTES or (self.read > RATIO_FROM and self.read > MOST_RATIO * self._packed):
            raise _bomb("hundreds of times its size")
        self.parser.Parse(block, not block)
        return bool(block)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _attributes_of(archive: zipfile.ZipFile, part: str, element: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    if part not in archive.namelist():
        return found
    stream = _Part(archive, part)

    def start(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == element and len(found) < MOST_PARTS:
            found.append({_local(key): value for key, value in attributes.items()})

    stream.parser.StartElementHandler = start
    while stream.feed():
        pass
    return found


def _sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Titles and parts, in the workbook's order."""
    targets = {
        one.get("Id", ""): one.get("Target", "")
        for one in _attributes_of(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    sheets = []
    for one in _attributes_of(archive, "xl/workbook.xml", "sheet"):
        target = targets.get(one.get("id", ""), "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.namelist() and "worksheets" in part:
            sheets.append((one.get("name", ""), part))
    return sheets


class _SharedStrings:
    """The workbook's texts in a temporary file; eight bytes of memory for each."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._ends = array("Q")
        self._file = tempfile.TemporaryFile(prefix="alodial-strings-")  # noqa: SIM115  # lives as long as we do
        self._map: mmap.mmap | None = None
        if "xl/sharedStrings.xml" not in archive.namelist():
            return
        parts: list[str] = []
        inside = phonetic = False
        size = 0
        stream = _Part(archive, "xl/sharedStrings.xml")

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal inside, phonetic
            local = _local(name)
            if local == "si":
                parts.clear()
            elif local == "rPh":
                phonetic = True
            inside = local == "t" and not phonetic

        def end(name: str) -> None:
            nonlocal inside, phonetic, size
            local = _local(name)
            inside = False
            if local == "rPh":
                phonetic = False
            elif local == "si":
                text = "".join(parts)[:MOST_TEXT].encode("utf-8", "replace")
                size += self._file.write(text)
                self._ends.append(size)

        def data(text: str) -> None:
            if inside and sum(map(len, parts)) <= MOST_TEXT:
                parts.append(text)

        stream.parser.StartElementHandler, stream.parser.EndElementHandler = start, end
        stream.parser.CharacterDataHandler = data
        while stream.feed():
            pass
        self._file.flush()
        if size:
            self._map = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)

    def get(self, index: str) -> str:
        try:
            at = int(index)
            if at < 0:
                return ""
            begin = self._ends[at - 1] if at else 0
            return self._map[begin : self._ends[at]].decode() if self._map is not None else ""
        except (ValueError, IndexError):
            return ""


def _column_of(reference: str) -> int:
    """ "C7" -> 2; -1 for what is no reference."""
    at = 0
    for letter in reference:
        if not ("A" <= letter <= "Z"):
            break
        at = at * 26 + ord(letter) - 64
        if at > 16_384:
            return -1
    return at - 1


def _number_text(text: str) -> str:
    """A number as its digits: a phone of twelve digits is kept as 9.98901234567E11 by some programs, and exact."""
    try:
        value = float(text)
    except ValueError:
        return text
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return text


def _rows(archive: zipfile.ZipFile, part: str, strings: _SharedStrings) -> Iterator[SourceRow | RowFault]:
    stream = _Part(archive, part)
    ready: list[SourceRow | RowFault] = []
    cells: dict[int, str] = {}
    number = last_column = 0
    kind, formula = "n", ""
    catching = ""
    text: list[str] = []
    length = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal number, last_column, kind, formula, catching, length
        local = _local(name)
        if local == "c":
            at = _column_of(attributes.get("r", ""))
            last_column = at if at >= 0 else last_column + 1
            kind, formula = attributes.get("t", "n"), ""
            text.clear()
            length = 0
        elif local in ("v", "t"):
            catching = "text"
        elif local == "f":
            catching = "formula"
            formula = "="
        elif local == "row":
            told = attributes.get("r", "")
            number = int(told) if told.isdigit() and len(told) < 9 else number + 1
            cells.clear()
            last_column = -1

    def end(name: str) -> None:
        nonlocal catching
        local = _local(name)
        if local == "c":
            value = "".join(text)
            if kind == "s":
                value = strings.get(value)
            elif kind == "n":
                value = _number_text(value) if value else ""
            elif kind == "b":
                value = "true" if value == "1" else "false"
            if formula:
                value = formula
            if value and last_column < MOST_COLUMNS:
                cells[last_column] = value
        elif local == "row":
            if any(value.strip() for value in cells.values()):
                width = max(cells) + 1
                ready.append(SourceRow(number, tuple(cells.get(i, "") for i in range(width)), 0))
        elif local in ("v", "t", "f"):
            catching = ""

    def data(piece: str) -> None:
        nonlocal formula, length
        if catching == "text":
            length += len(piece)
            if length <= MOST_TEXT:
                text.append(piece)
        elif catching == "formula" and len(formula) < 200:
            formula += piece[:200]

    stream.parser.StartElementHandler, stream.parser.EndElementHandler = start, end
    stream.parser.CharacterDataHandler = data
    more = True
    while more:
        more = stream.feed()
        share = stream.read
        for row in ready:
            yield row._replace(position=share) if isinstance(row, SourceRow) else row
        ready.clear()
