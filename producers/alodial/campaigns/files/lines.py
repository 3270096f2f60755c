"""NDJSON: a JSON object, or a plain number, on each line. Iterables are written down as such and read the same way."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import BadFile
from .sniff import fingerprint
from .source import MOST_COLUMNS, RowFault, SourceRow, fitted

LONGEST_LINE: Final = 256 * 1024
_REMEDY: Final = 'write one object a line, such as {"phone": "994412860", "lang": "ru"}'


class Lines:
    """A file of JSON lines. Its columns are all the names that occur, in the order in which they are met."""

    kind = "ndjson"
    encoding: str | None = "utf-8"
    delimiter = None
    sheet = None

    def __init__(self, path: Path, name: str, *, kind: str = "ndjson", columns: tuple[str, ...] | None = None) -> None:
        self.path = path
        self.name = name
        self.kind = kind
        self.size: int | None = path.stat().st_size
        self.fingerprint = fingerprint(path)
        self.columns = columns if columns is not None else self._names()
        if not self.columns:
            raise BadFile("empty_file", "has no rows", _REMEDY)

    def _names(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for _, _, value in self._values():
            if isinstance(value, Mapping):
                names.update(dict.fromkeys(map(str, value)))
            if len(names) > MOST_COLUMNS:
                raise BadFile("too_many_columns", f"has more than {MOST_COLUMNS} names", "take out what is not needed")
        return tuple(names)

    def _values(self) -> Iterator[tuple[int, int, Mapping[str, str] | RowFault]]:
        position = 0
        with self.path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                position += len(line)
                if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
                    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                        position += len(rest)
                    yield (
                        number,
                        position,
                        _fault(number, "cell_too_large", "is longer than 256 KiB", "cut its long values"),
                    )
                    continue
                text = line.removeprefix(b"\xef\xbb\xbf").strip()
                if text:
                    yield number, position, _value(number, text)

    def rows(self) -> Iterator[SourceRow | RowFault]:
        for number, position, value in self._values():
            if isinstance(value, RowFault):
                yield value
            else:
                cells = tuple(value.get(name, "") for name in self.columns)
                yield fitted(number, cells, self.columns, position)


def _fault(number: int, code: str, problem: str, remedy: str = _REMEDY) -> RowFault:
    return RowFault(number, "", code, problem, remedy)


def _value(number: int, text: bytes) -> Mapping[str, str] | RowFault:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _fault(number, "malformed_json", "is not JSON")
    if isinstance(value, str | int) and not isinstance(value, bool):
        return {"phone": str(value)}
    if not isinstance(value, dict):
        return _fault(number, "not_an_object", "is not an object")
    flat: dict[str, str] = {}
    for name, one in value.items():
        if isinstance(one, dict) and name == "metadata":
            flat.update({f"metadata:{key}": _text(inner) or "" for key, inner in one.items()})
            continue
        cell = _text(one)
        if cell is None:
            return RowFault(
                number, name[:64], "not_a_cell", "is neither text nor number nor a list of them", "write it as text"
            )
        flat[name] = cell
    return flat


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _text(value: Any) -> str | None:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A lone surrogate cannot be written anywhere.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 10**15 else repr(value)
    if isinstance(value, list):
        parts = [_text(part) for part in value]
        return None if any(part is None for part in parts) else ", ".join(part or "" for part in parts)
    return None


class Given(Lines):
    """Rows that a program gave, kept in a temporary file until this object goes."""

    def __init__(self, rows: Iterable[Mapping[str, Any] | str | int], name: str) -> None:
        handle, path = tempfile.mkstemp(prefix="alodial-rows-", suffix=".ndjson")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                for row in rows:
                    value = dict(row) if isinstance(row, Mapping) else row
                    file.write(json.dumps(value, ensure_ascii=True, default=str, separators=(",", ":")) + "\n")
            super().__init__(Path(path), name or "rows", kind="rows")
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    def __del__(self) -> None:
        path = getattr(self, "path", None)
        if path is not None:
            path.unlink(missing_ok=True)
