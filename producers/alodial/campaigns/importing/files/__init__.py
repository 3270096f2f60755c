"""Files and iterables as rows: CSV, XLSX, ODS, NDJSON. Read first: source.py."""

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import BadFile
from .source import RowSource, SourceRow

MAX_BYTES = 4 << 30
"""Bytes of a file; a million rows are 20 to 100 MB."""


def open_source(
    rows: Path | str | Iterable[Mapping[str, Any] | str | int], *, name: str = "", kind: str = ""
) -> RowSource:
    """Opens a file by its path, or takes rows: mappings of column to value, or plain numbers.

    ``name`` replaces the file's own name, for an upload; ``kind`` is csv, xlsx, ods or ndjson where the file's first bytes do
    not show it. Raises BadFile with a problem and a remedy.
    """
    if not isinstance(rows, Path | str):
        if isinstance(rows, bytes | bytearray | Mapping) or hasattr(rows, "read") or not isinstance(rows, Iterable):
            problem = f"a {type(rows).__name__} is neither a path nor rows"
            raise BadFile("not_rows", problem, "give a file's path, or an iterable of dicts or of phone numbers")
        from .ndjson import InMemoryRows  # noqa: PLC0415  # a reader is imported when its kind of file is opened

        return InMemoryRows(rows, name)
    path = Path(rows)
    title = name or path.name
    try:
        if not path.is_file():
            raise BadFile("no_file", f"there is no file {title!r}", "give the path of a CSV, XLSX, ODS or NDJSON file")
        size = path.stat().st_size
        if size == 0:
            raise BadFile("empty_file", "the file is empty", "give a header and a row for each call")
        if size > MAX_BYTES:
            raise BadFile("file_too_large", "the file is larger than 4 GiB", "split it")
        return _open_kind(path, title, kind)
    except PermissionError:
        raise BadFile("no_access", f"{title!r} cannot be read", "give this user the right to read it") from None
    except OSError as exc:
        if exc.errno != errno.ENAMETOOLONG:
            raise
        raise BadFile("no_file", "the path is longer than this system allows", "give the path of a file") from None


def as_source(source: Any) -> RowSource:
    """The source itself, or what :func:`open_source` makes of a path or rows."""
    return source if hasattr(source, "fingerprint") else open_source(source)


def _open_kind(path: Path, name: str, kind: str) -> RowSource:
    from .detect import kind_of  # noqa: PLC0415  # as above

    match kind or kind_of(path, name):
        case "xlsx":
            from .xlsx_file import XlsxFile  # noqa: PLC0415  # as above

            return XlsxFile(path, name)
        case "ods":
            from .xlsx_file import OdsFile  # noqa: PLC0415  # as above

            return OdsFile(path, name)
        case "ndjson":
            from .ndjson import NdjsonFile  # noqa: PLC0415  # as above

            return NdjsonFile(path, name)
        case "csv":
            from .csv import CsvFile  # noqa: PLC0415  # as above

            return CsvFile(path, name)
        case other:
            raise BadFile("bad_kind", f"{other!r} is not a kind of file", "give csv, xlsx, ods or ndjson")


__all__ = ["RowSource", "SourceRow", "as_source", "open_source"]
