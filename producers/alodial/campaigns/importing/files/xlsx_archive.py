"""The archive that an XLSX is: looked at before a byte is unpacked, and counted while it is, as its directory may lie."""

import errno
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from xml.parsers import expat

from ...errors import BadFile

MAX_BYTES: Final = 2 << 30
"""Unpacked, all parts together: a sheet of 1,048,576 rows and ten columns is about 700 MB of XML."""

MAX_RATIO: Final = 200
"""A sheet of alike rows shrinks to a thirtieth; a bomb to a thousandth."""

MAX_PARTS: Final = 2000
MAX_DEPTH: Final = 64
MAX_TOKEN: Final = 1 << 20
"""Bytes of one tag with its attributes, or of one comment: the parser keeps it whole."""

_RATIO_FROM: Final = 1 << 20
_BLOCK: Final = 1 << 16
_END: Final = 22
_ANEW: Final = "save the table anew, with values only, or as CSV"

BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, expat.ExpatError, NotImplementedError, RuntimeError,
    UnicodeError, OverflowError, ValueError,
)  # fmt: skip
"""What zipfile and expat raise over bytes that somebody made up."""

_OTHERS: Final = {
    "xl/workbook.bin": "an Excel binary workbook (.xlsb)",
    "content.xml": "an OpenDocument table (.ods)",
    "word/document.xml": "a Word document",
    "Index/Document.iwa": "a Numbers table",
}


def disk_full(exc: BaseException) -> bool:
    """No room for our temporary files is no fault of the workbook's, and the same file may succeed later."""
    return isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def zip_bomb(what: str) -> BadFile:
    return BadFile("zip_bomb", f"the file unpacks to {what}", _ANEW)


def open_archive(path: Path) -> zipfile.ZipFile:
    """Raises BadFile for what is hostile, encrypted or no archive of Excel's."""
    _check_directory(path)
    archive = zipfile.ZipFile(path)
    try:
        _inspect(archive)
    except BaseException:
        archive.close()
        raise
    return archive


def _check_directory(path: Path) -> None:
    """The directory's size before it is read: each of its entries takes half a kilobyte of memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = len(tail) - _END if tail[-_END:][:4] == b"PK\x05\x06" and tail.endswith(b"\0\0") else tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END:
        raise BadFile("broken_xlsx", "the file is no whole XLSX file", "save it once more as .xlsx or as CSV")
    count, length = struct.unpack_from("<HI", tail, at + 10)
    if count > MAX_PARTS or length > MAX_PARTS * 512 or tail[max(0, at - 20) : at][:4] == b"PK\x06\x07":
        raise zip_bomb(f"more than {MAX_PARTS} parts")


def _inspect(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_PARTS:
        raise zip_bomb(f"more than {MAX_PARTS} parts")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise zip_bomb("more than 2 GiB")
    for entry in entries:
        if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
            raise BadFile("unsafe_archive", "the file holds a part with a path that leads out of it", _ANEW)
        if entry.flag_bits & 1:
            raise BadFile("encrypted", "the file is encrypted", "take the password off")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadFile("unsafe_archive", "the file is packed as Excel packs none", _ANEW)
        if entry.file_size > _RATIO_FROM and entry.file_size > MAX_RATIO * max(1, entry.compress_size):
            raise zip_bomb("hundreds of times its size")
    names = set(archive.namelist())
    for part, what in _OTHERS.items():
        if part in names:
            raise BadFile("not_a_table", f"the file is {what}", "save it as Excel workbook (.xlsx) or as CSV")


class ArchivePart:
    """One part of the archive, fed to expat block by block. ``start``, ``end`` and ``data`` are expat's handlers."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        name: str,
        *,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        data: Callable[[str], None] | None = None,
    ) -> None:
        entry = archive.getinfo(name)
        self._file: IO[bytes] = archive.open(name)
        self._packed = max(1, entry.compress_size)
        self._size = max(1, entry.file_size)
        self._read = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end
        self._parser.CharacterDataHandler = data

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(1.0, self._read / self._size)

    def feed(self) -> bool:
        """False at the end."""
        block = self._file.read(_BLOCK)
        self._read += len(block)
        if self._read > MAX_BYTES or (self._read > _RATIO_FROM and self._read > MAX_RATIO * self._packed):
            raise zip_bomb("hundreds of times its size")
        self._parser.Parse(block, not block)
        if self._read - self._parser.CurrentByteIndex > MAX_TOKEN:
            raise zip_bomb("a tag of more than a megabyte")
        return bool(block)


def _refuse_doctype(*_: Any) -> None:
    # Nothing of Excel's has one, and without it no entity can be declared, to grow or to be fetched.
    raise BadFile("xml_entities", "the file holds XML with a document type", "save the table anew as .xlsx or as CSV")


def local(name: str) -> str:
    return name.rpartition(":")[2]


class ElementReader:
    """The attributes of some elements of a small part, such as the workbook's list of sheets."""

    def __init__(self, archive: zipfile.ZipFile, part: str, *names: str) -> None:
        self.found: list[tuple[str, dict[str, str]]] = []
        self._names = names
        self._depth = 0
        self._path: list[str] = []
        if part in archive.NameToInfo:
            stream = ArchivePart(archive, part, start=self._start, end=self._end)
            while stream.feed():
                pass

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(local(name))
        if len(self._path) > MAX_DEPTH:
            raise zip_bomb(f"XML deeper than {MAX_DEPTH}")
        parent = self._path[-2] if len(self._path) > 1 else ""
        for wanted in self._names:
            if wanted in (self._path[-1], f"{parent}/{self._path[-1]}"):
                if len(self.found) >= 70_000:
                    raise zip_bomb("a list without an end")
                self.found.append((wanted, {local(key): value for key, value in attributes.items()}))

    def _end(self, _: str) -> None:
        self._path.pop()

    def of(self, name: str) -> list[dict[str, str]]:
        return [attributes for wanted, attributes in self.found if wanted == name]


class RelationReader:
    """What a part points to: id -> (the last word of the relation's type, the other part's name)."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        folder = PurePosixPath(part).parent if part else PurePosixPath()
        name = str(folder / "_rels" / f"{PurePosixPath(part).name}.rels")
        self.by_id: dict[str, tuple[str, str]] = {}
        for one in ElementReader(archive, name, "Relationship").of("Relationship"):
            target = one.get("Target", "")
            full = target.lstrip("/") if target.startswith("/") else str(folder / target)
            self.by_id[one.get("Id", "")] = (one.get("Type", "").rpartition("/")[2], full)

    def first(self, kind: str, otherwise: str) -> str:
        return next((part for what, part in self.by_id.values() if what == kind), otherwise)
