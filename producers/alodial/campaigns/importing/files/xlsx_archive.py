"""Opens an XLSX file's ZIP archive safely: checked before anything is unpacked, and limited during it, as directories lie."""

import errno
import os
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from xml.parsers import expat

from ...errors import BadFile

MAX_BYTES: Final = 2 << 30
"""Unpacked size of all parts: a sheet of 1,048,576 rows and ten columns is about 700 MB of XML."""

MAX_RATIO: Final = 200
"""Similar rows compress to a thirtieth; a bomb compresses to a thousandth."""

MAX_PARTS: Final = 2000
MAX_DEPTH: Final = 64
MAX_TOKEN: Final = 1 << 20
"""Bytes of one tag with its attributes, or of one comment: the parser holds all of it in memory."""

MAX_NAMES: Final = 10_000
"""Different names of tags and attributes in a part: the parser keeps each to its end. All of Excel's are under a thousand."""

MAX_LISTED: Final = 4 << 20
"""Characters of attributes that are kept of a part such as the list of sheets; real ones have a tenth of that."""

MAX_ATTRIBUTE: Final = 1024
"""Characters kept of one attribute: a format or a part's name has at most 255."""

_RATIO_FROM: Final = 1 << 20
_BLOCK: Final = 1 << 16
_END: Final = 22
_SAVE_VALUES: Final = "save the table again with values only, or as CSV"
_INCOMPLETE: Final = "the file is not a complete XLSX file"
_SAVE_AGAIN: Final = "save it again as .xlsx or as CSV"

_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, expat.ExpatError, NotImplementedError, RuntimeError,
    UnicodeError, OverflowError, ValueError,
)  # fmt: skip
"""What zipfile and expat raise for damaged or forged bytes."""

_OTHER_FORMATS: Final = {
    "xl/workbook.bin": "an Excel binary workbook (.xlsb)",
    "content.xml": "an OpenDocument file, but not a table (.ods)",
    "word/document.xml": "a Word document",
    "index/document.iwa": "a Numbers table",
}


def broken_xlsx(problem: str) -> BadFile:
    """The error for a workbook whose parts do not fit together."""
    return BadFile("broken_xlsx", problem, _SAVE_AGAIN)


def part_key(name: str) -> str:
    """A part's name as Excel and LibreOffice compare it: without case, with "/" for "\\", and ".." resolved."""
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def zip_bomb(content: str) -> BadFile:
    """The error for a file that unpacks to ``content``."""
    return BadFile("zip_bomb", f"the file unpacks to {content}", _SAVE_VALUES)


def too_large(content: str) -> BadFile:
    """The error for a workbook that may be honest, and has more of something than is read."""
    return BadFile("workbook_too_large", f"the workbook has {content}", _SAVE_VALUES)


def too_deep() -> BadFile:
    """The error for XML that no spreadsheet program writes."""
    return broken_xlsx(f"the file's XML is deeper than {MAX_DEPTH}")


@contextmanager
def open_archive(path: Path, *, broken: str = _INCOMPLETE, known: str = "") -> Iterator[zipfile.ZipFile]:
    """Opens a workbook's archive, and turns what damaged bytes raise within the block into BadFile with ``broken``.
    ``known`` is the part of another format that is read too.

    Raises BadFile also when the file is hostile, encrypted or not an Excel workbook. A full disk stays an OSError: the
    workbook may be fine and succeed later.
    """
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            _inspect(archive, known)
            archive.NameToInfo = {part_key(entry.filename): entry for entry in archive.infolist()}
            yield archive
    except BadFile:
        raise
    except _BROKEN as exc:
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
            raise
        raise BadFile("broken_xlsx", broken, _SAVE_AGAIN) from exc


def _check_directory(path: Path) -> None:
    """Checks the directory's size before it is read: each entry takes half a kilobyte of memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = len(tail) - _END if tail[-_END:][:4] == b"PK\x05\x06" and tail.endswith(b"\0\0") else tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END:
        raise BadFile("broken_xlsx", _INCOMPLETE, _SAVE_AGAIN)
    count, length = struct.unpack_from("<HI", tail, at + 10)
    locator = tail[max(0, at - 20) : at]
    if locator[:4] == b"PK\x06\x07" and len(locator) == 20:
        # The end record of ZIP64, which some programs write for every file.
        (place,) = struct.unpack_from("<Q", locator, 8)
        with path.open("rb") as file:
            file.seek(min(place, size))
            record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise broken_xlsx(_INCOMPLETE)
        count, length = struct.unpack_from("<QQ", record, 32)
    if count > MAX_PARTS or length > MAX_PARTS * 512:
        raise too_large(f"more than {MAX_PARTS} parts")


def _inspect(archive: zipfile.ZipFile, known: str) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_PARTS:
        raise too_large(f"more than {MAX_PARTS} parts")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise too_large("more than 2 GiB of content")
    for entry in entries:
        if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
            raise BadFile("unsafe_archive", "the file holds a part whose path leads out of the file", _SAVE_VALUES)
        if entry.flag_bits & 1:
            raise BadFile("encrypted", "the file is encrypted", "remove the password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadFile("unsafe_archive", "the file uses a compression that Excel never uses", _SAVE_VALUES)
        if entry.file_size > _RATIO_FROM and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise zip_bomb("hundreds of times its size")
    names = {part_key(name) for name in archive.namelist()}
    for part, description in _OTHER_FORMATS.items():
        if part in names and part != known:
            raise BadFile("not_a_table", f"the file is {description}", "save it as Excel workbook (.xlsx) or as CSV")


class ArchivePart:
    """Feeds one part of the archive to expat block by block. ``start``, ``end`` and ``data`` are expat's handlers."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        name: str,
        *,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        data: Callable[[str], None] | None = None,
    ) -> None:
        entry = archive.NameToInfo[part_key(name)]
        self._file: IO[bytes] = archive.open(entry)
        self._packed = max(1, entry.compress_size)
        self._size = max(1, entry.file_size)
        self._read = 0
        self._names: dict[str, str] = {}
        self._parser = expat.ParserCreate(intern=self._names)
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end
        self._parser.CharacterDataHandler = data

    @property
    def share(self) -> float:
        """The share that has been read, 0 to 1."""
        return min(1.0, self._read / self._size)

    def feed(self) -> bool:
        """Parses the next block; False at the end. Raises BadFile for a bomb, and the errors of expat and zlib."""
        block = self._file.read(_BLOCK)
        self._read += len(block)
        if self._read > MAX_BYTES or (self._read > _RATIO_FROM and self._read > MAX_RATIO * self._packed):
            raise zip_bomb("hundreds of times its size")
        self._parser.Parse(block, not block)
        if self._read - self._parser.CurrentByteIndex > MAX_TOKEN:
            raise zip_bomb("a tag of more than a megabyte")
        if len(self._names) > MAX_NAMES:
            raise zip_bomb(f"XML of more than {MAX_NAMES:,} different names")
        return bool(block)


def _refuse_doctype(*_: Any) -> None:
    # Excel writes none, and without one no entity can be declared that expands or is fetched.
    raise BadFile("xml_entities", "the file holds XML with a document type", _SAVE_AGAIN)


def local(name: str) -> str:
    """A tag or attribute name without its namespace prefix."""
    return name.rpartition(":")[2]


class ElementReader:
    """Reads some attributes of some elements of a small part, such as the workbook's list of sheets.

    An element is named by its tag, or by its parent's and its own: "cellXfs/xf"; ``elements`` has the attributes that are
    kept of each. The others may be as many as they like.
    """

    def __init__(self, archive: zipfile.ZipFile, part: str, elements: Mapping[str, tuple[str, ...]]) -> None:
        self._matches: list[tuple[str, dict[str, str]]] = []
        self._elements = elements
        self._kept = 0
        self._path: list[str] = []
        if part_key(part) in archive.NameToInfo:
            stream = ArchivePart(archive, part, start=self._start, end=self._end)
            while stream.feed():
                pass

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(local(tag))
        if len(self._path) > MAX_DEPTH:
            raise too_deep()
        parent = self._path[-2] if len(self._path) > 1 else ""
        for name, wanted in self._elements.items():
            if name in (self._path[-1], f"{parent}/{self._path[-1]}"):
                if len(self._matches) >= 70_000:
                    raise too_large("more than 70,000 list entries")
                kept = {local(key): value[:MAX_ATTRIBUTE] for key, value in attributes.items() if local(key) in wanted}
                self._kept += sum(map(len, kept.values()))
                if self._kept > MAX_LISTED:
                    raise too_large("lists of more than 4 MB")
                self._matches.append((name, kept))

    def _end(self, _: str) -> None:
        self._path.pop()

    def of(self, name: str) -> list[dict[str, str]]:
        """The attributes of each element of this name."""
        return [attributes for matched, attributes in self._matches if matched == name]


class RelationReader:
    """The parts that a part refers to: ``by_id`` holds the end of the relation's type and the part's name."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        folder = PurePosixPath(part).parent if part else PurePosixPath()
        name = str(folder / "_rels" / f"{PurePosixPath(part).name}.rels")
        self.by_id: dict[str, tuple[str, str]] = {}
        for attributes in ElementReader(archive, name, {"Relationship": ("Id", "Type", "Target")}).of("Relationship"):
            target = attributes.get("Target", "")
            full = target.lstrip("/") if target.startswith("/") else str(folder / target)
            self.by_id[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], full)

    def first(self, kind: str, default: str) -> str:
        """The first part of this kind of relation."""
        return next((part for part_kind, part in self.by_id.values() if part_kind == kind), default)
