"""Keeps the texts that a workbook's cells share on disk: a million rows may have millions of them."""

import mmap
import re
import sys
import tempfile
import zipfile
from array import array
from typing import Final

from .xlsx_archive import MAX_DEPTH, ArchivePart, broken_xlsx, local, part_key, too_deep, too_large

MAX_STRINGS: Final = 16_000_000
MAX_TEXT: Final = 64 * 1024
"""Characters of one text that are kept: more than a cell may have, so that a longer text is still reported."""

_FLUSH: Final = 65_536
_RELEASE_EVERY: Final = 1 << 18
"""Texts read between releases of the mapped pages: the system still caches them, but they no longer count as our memory."""


_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """The text with ``_x000D_`` as the carriage return that Excel means by it (ECMA-376, 22.9.2.19)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


class SharedStrings:
    """The shared texts of a workbook: read once, then looked up by index. Raises BadFile for more than 16 million."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        self._texts = tempfile.TemporaryFile(prefix="alodial-texts-")  # noqa: SIM115  # open for as long as this object lives
        self._places = tempfile.TemporaryFile(prefix="alodial-places-")  # noqa: SIM115  # as above
        self._ends = array("Q")
        self._parts: list[str] = []
        self._length = self._size = self._count = self._depth = self._gets = 0
        self._inside = self._phonetic = False
        self._map: mmap.mmap | None = None
        if part_key(part) in archive.NameToInfo:
            stream = ArchivePart(archive, part, start=self._start, end=self._end, data=self._data)
            while stream.feed():
                pass
            self._spill()
        if self._size:
            self._texts.flush()
            self._places.flush()
            self._map = mmap.mmap(self._texts.fileno(), self._size, access=mmap.ACCESS_READ)
            self._index = mmap.mmap(self._places.fileno(), self._count * 8, access=mmap.ACCESS_READ)
            self._view = memoryview(self._index).cast("Q")

    def __getitem__(self, at: int) -> str:
        """The text. Raises BadFile for an index that the workbook does not have: an empty cell would hide the loss."""
        if not 0 <= at < self._count:
            raise broken_xlsx(f"a cell refers to text {at}, and the workbook has {self._count} texts")
        if self._map is None:
            return ""
        self._gets += 1
        if self._gets % _RELEASE_EVERY == 0 and sys.platform == "linux":
            self._map.madvise(mmap.MADV_DONTNEED)
            self._index.madvise(mmap.MADV_DONTNEED)
        begin = self._view[at - 1] if at else 0
        return self._map[begin : self._view[at]].decode()

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        tag = local(name)
        if tag == "t":
            self._inside = not self._phonetic
        elif tag == "si":
            self._parts.clear()
            self._length = 0
        elif tag == "rPh":
            self._phonetic = True

    def _end(self, name: str) -> None:
        self._depth -= 1
        tag = local(name)
        if tag == "t":
            self._inside = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "si":
            text = unescaped("".join(self._parts))[:MAX_TEXT].encode("utf-8", "replace")
            self._texts.write(text)
            self._size += len(text)
            self._count += 1
            self._ends.append(self._size)
            if len(self._ends) >= _FLUSH:
                self._spill()
            if self._count > MAX_STRINGS:
                raise too_large(f"more than {MAX_STRINGS} texts")

    def _data(self, text: str) -> None:
        if self._inside and self._length <= MAX_TEXT:
            self._length += len(text)
            self._parts.append(text)

    def _spill(self) -> None:
        self._ends.tofile(self._places)
        del self._ends[:]
