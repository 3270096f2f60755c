"""Files and iterables as rows: CSV, XLSX, NDJSON. Read first: source.py."""

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import BadFile
from .source import RowFault, Source, SourceRow

MAX_BYTES = 4 << 30
"""Bytes of a file; a million rows are 20 to 100 MB."""


def open_source(
    given: Path | str | Iterable[Mapping[str, Any] | str | int], *, name: str = "", kind: str = ""
) -> Source:
    """A path, or rows: mappings of column to value, or plain numbers. Raises BadFile, which names the problem and a remedy.

    ``name`` is what the file is called where its path does not tell (an upload); ``kind`` csv, xlsx or ndjson where its
    first bytes do not.
    """
    if not isinstance(given, Path | str):
        if isinstance(given, bytes | bytearray | Mapping) or hasattr(given, "read") or not isinstance(given, Iterable):
            problem = f"a {type(given).__name__} is neither a path nor rows"
            raise BadFile("not_rows", problem, "give a file's path, or an iterable of dicts or of phone numbers")
        from .ndjson import InMemoryRows  # noqa: PLC0415  # each kind when it is needed

        return InMemoryRows(given, name)
    path = Path(given)
    title = name or path.name
    try:
        if not path.is_file():
            raise BadFile("no_file", f"there is no file {title!r}", "give the path of a CSV, XLSX or NDJSON file")
        size = path.stat().st_size
        if size == 0:
            raise BadFile("empty_file", "the file is empty", "give a header and a row for each call")
        if size > MAX_BYTES:
            raise BadFile("file_too_large", "the file is larger than 4 GiB", "split it")
        return _reader(path, title, kind)
    except PermissionError:
        raise BadFile("no_access", f"{title!r} may not be read", "give this user the right to read it") from None
    except OSError as exc:
        if exc.errno != errno.ENAMETOOLONG:
            raise
        raise BadFile("no_file", "no file has a path as long as this", "give the path of a file") from None


def _reader(path: Path, name: str, kind: str) -> Source:
    from .detect import kind_of  # noqa: PLC0415  # as above

    match kind or kind_of(path, name):
        case "xlsx":
            from .xlsx_sheet import XlsxFile  # noqa: PLC0415  # as above

            return XlsxFile(path, name)
        case "ndjson":
            from .ndjson import NdjsonFile  # noqa: PLC0415  # as above

            return NdjsonFile(path, name)
        case "csv":
            from .csv import CsvFile  # noqa: PLC0415  # as above

            return CsvFile(path, name)
        case other:
            raise BadFile("bad_kind", f"{other!r} is no kind of file", "give csv, xlsx or ndjson")


__all__ = ["BadFile", "RowFault", "Source", "SourceRow", "open_source"]
