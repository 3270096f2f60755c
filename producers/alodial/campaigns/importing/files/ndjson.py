"""NDJSON: a JSON object, or a plain number, on each line. Iterables are written down as such and read the same way."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ...errors import BadFile
from .detect import encoding_of, fingerprint
from .source import MAX_COLUMNS, RowFault, SourceRow, fitted

MAX_LINE_LENGTH: Final = 256 * 1024
MAX_NAME: Final = 200
_REMEDY: Final = 'write one object a line, such as {"phone": "994412860", "lang": "ru"}'


class NdjsonFile:
    """A file of JSON lines. Its columns are all the names that occur, in the order in which they are met."""

    kind = "ndjson"
    encoding: str | None = "utf-8"
    delimiter = None
    sheet = None

    def __init__(self, path: Path, name: str, *, kind: str = "ndjson") -> None:
        self.path = path
        self.name = name
        self.kind = kind
        self.size: int | None = path.stat().st_size
        found, _ = encoding_of(path)
        if found.startswith(("utf-16", "utf-32")):
            raise BadFile("encoding", f"the file is {found.upper()}, and JSON lines are UTF-8", "save it as UTF-8")
        self.fingerprint = fingerprint(path)
        self.columns = self._names()

    def _names(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        fault: RowFault | None = None
        for _, _, value in self._values():
            if isinstance(value, RowFault):
                fault = fault or value
                continue
            for name in value:
                names[name] = None
            if len(names) > MAX_COLUMNS:
                problem = f"the file has more than {MAX_COLUMNS} names"
                raise BadFile("too_many_columns", problem, "take out what is not needed")
        if names:
            return tuple(names)
        if fault is not None:
            raise BadFile(fault.code, f"no line can be read; line {fault.number} {fault.problem}", fault.remedy)
        raise BadFile("empty_file", "there are no rows", _REMEDY)

    def _values(self) -> Iterator[tuple[int, int, dict[str, str] | RowFault]]:
        position = 0
        with self.path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_LENGTH):
                number += 1
                position += len(line)
                if len(line) >= MAX_LINE_LENGTH and not line.endswith(b"\n"):
                    while (rest := file.readline(MAX_LINE_LENGTH)) and not rest.endswith(b"\n"):
                        position += len(rest)
                    position += len(rest)
                    problem = "is longer than 256 KiB"
                    yield number, position, _fault(number, "cell_too_large", problem, "cut its long values")
                    continue
                text = line.removeprefix(b"\xef\xbb\xbf").strip()
                if text:
                    yield number, position, _value(number, text)

    def rows(self) -> Iterator[SourceRow | RowFault]:
        columns = self.columns
        for number, position, value in self._values():
            if isinstance(value, RowFault):
                yield value
            else:
                yield fitted(number, tuple([value.get(name, "") for name in columns]), columns, position)


def _fault(number: int, code: str, problem: str, remedy: str = _REMEDY) -> RowFault:
    return RowFault(number, "", code, problem, remedy)


def _value(number: int, text: bytes) -> dict[str, str] | RowFault:
    try:
        value = _DECODE(text.decode())
    except UnicodeDecodeError:
        return _fault(number, "encoding", "is not UTF-8", "save the file as UTF-8")
    except (ValueError, RecursionError):
        return _fault(number, "malformed_json", "is not JSON")
    if isinstance(value, str):
        value = {"phone": value}
    if not isinstance(value, dict):
        return _fault(number, "not_an_object", "is not an object")
    flat: dict[str, str] = {}
    for name, one in value.items():
        if isinstance(one, dict) and name == "metadata":
            pairs = [(f"metadata:{key}", inner) for key, inner in one.items()]
        else:
            pairs = [(name, one)]
        for full, given in pairs:
            cell = _text(given)
            if len(full) > MAX_NAME:
                return _fault(number, "bad_name", f"has a name of over {MAX_NAME} characters", "shorten it")
            if cell is None:
                remedy = "write it as text"
                return RowFault(number, full, "not_a_cell", "is neither text nor number nor a list of them", remedy)
            if not (_sound(cell) and _sound(full)):
                problem = "holds half a character (a lone surrogate)"
                return _fault(number, "encoding", problem, "write the text anew")
            flat[full] = cell
    return flat


def _number(literal: str) -> str:
    """A number with a point stays as it was written, so that 9.98901E+11 is seen for what it is; 7.0 is 7."""
    return literal.removesuffix(".0")


def _constant(name: str) -> None:
    """NaN is how data frames write a missing cell."""
    if name != "NaN":
        raise ValueError(name)


_DECODE: Final = json.JSONDecoder(parse_float=_number, parse_int=str, parse_constant=_constant).decode


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        parts = [part if isinstance(part, str) else None for part in value]
        return None if any(part is None for part in parts) else ", ".join(part or "" for part in parts)
    return None


def _sound(text: str) -> bool:
    """Whether it can be written anywhere."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class InMemoryRows(NdjsonFile):
    """Rows that a program gave, kept in a temporary file until this object goes."""

    def __init__(self, rows: Iterable[Mapping[str, Any] | str | int], name: str) -> None:
        handle, path = tempfile.mkstemp(prefix="alodial-rows-", suffix=".ndjson")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                for row in rows:
                    file.write(_line(row) + "\n")
            super().__init__(Path(path), name or "rows", kind="rows")
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    def __del__(self) -> None:
        path = getattr(self, "path", None)
        if path is not None:
            path.unlink(missing_ok=True)


def _line(row: Any) -> str:
    value = dict(row) if isinstance(row, Mapping) else row
    try:
        return json.dumps(value, default=str, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        # Keys that are no text, a circle, an integer of thousands of digits: a bad row, not the end of the file.
        return "false"
