"""Reads NDJSON: a JSON object, or a plain number, on each line. Rows from a program are written and read the same way."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ...errors import BadFile
from ...row_codec import RowProblem
from ..interruption import EVERY, go_on
from ..questions import Question
from .detect import encoding_of, fingerprint
from .header_row import HEAD_ROWS, SHOWN_ROWS
from .source import MAX_COLUMNS, Header, Hidden, SourceRow, fit_row

MAX_LINE_LENGTH: Final = 256 * 1024
MAX_NAME: Final = 200
_REMEDY: Final = 'write one object a line, such as {"phone": "994412860", "lang": "ru"}'


class NdjsonFile:
    """A :class:`RowSource` of JSON lines. Its columns are all names that occur, in the order of their first occurrence.

    Raises BadFile when it is not UTF-8 or no line can be read.
    """

    encoding: str | None = "utf-8"
    delimiter: str | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    hidden_rows = 0

    def __init__(self, path: Path, name: str, *, kind: str = "ndjson") -> None:
        self.path = path
        self.name = name
        self.kind = kind
        self.size = path.stat().st_size
        encoding, _ = encoding_of(path)
        if encoding.startswith(("utf-16", "utf-32")):
            raise BadFile("encoding", f"the file is {encoding.upper()}, and JSON lines are UTF-8", "save it as UTF-8")
        self.fingerprint = fingerprint(path)
        self.columns = self._names()
        first = ((number, value) for number, _, value in self._values() if not isinstance(value, RowProblem))
        head = [
            (number, tuple(value.get(name, "") for name in self.columns)) for number, value in islice(first, HEAD_ROWS)
        ]
        samples = tuple(cells for _, cells in head)
        self.header = Header(self.columns, 0, 0, (), samples, tuple(head[:SHOWN_ROWS]))

    def choose(
        self, *, sheet: str | None = None, header_row: int | None = None, hidden: Hidden | None = None
    ) -> tuple[Question, ...]:
        """As :meth:`RowSource.choose`: each line names its own values, so there is nothing to choose."""
        del header_row, hidden
        if sheet is not None:
            raise BadFile("no_sheets", "JSON lines have no sheets", "leave the sheet out")
        return ()

    def _names(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        first_problem: RowProblem | None = None
        for _, _, value in self._values():
            if isinstance(value, RowProblem):
                first_problem = first_problem or value
                continue
            names |= dict.fromkeys(value)
            if len(names) > MAX_COLUMNS:
                problem = f"the file has more than {MAX_COLUMNS} names"
                raise BadFile("too_many_columns", problem, "remove the columns that are not needed")
        if names:
            return tuple(names)
        if first_problem is None:
            raise BadFile("empty_file", "there are no rows", _REMEDY)
        number, _, code, problem, remedy, *_ = first_problem
        raise BadFile(code, f"no line can be read; line {number} {problem}", remedy)

    def _values(self) -> Iterator[tuple[int, int, dict[str, str] | RowProblem]]:
        """Each line that is not blank: its number, the position behind it, and its cells."""
        number = position = 0
        with self.path.open("rb") as file:
            while line := file.readline(MAX_LINE_LENGTH):
                number += 1
                position += len(line)
                if number % EVERY == 0:
                    go_on()
                if len(line) >= MAX_LINE_LENGTH and not line.endswith(b"\n"):
                    while (rest := file.readline(MAX_LINE_LENGTH)) and not rest.endswith(b"\n"):
                        position += len(rest)
                    position += len(rest)
                    problem = "is longer than 256 KiB"
                    yield number, position, _problem(number, "cell_too_large", problem, "shorten its values")
                    continue
                text = line.removeprefix(b"\xef\xbb\xbf").strip()
                if text:
                    yield number, position, _cells(number, text)

    def rows(self) -> Iterator[SourceRow | RowProblem]:
        columns = self.columns
        for number, position, value in self._values():
            if isinstance(value, RowProblem):
                yield value
            else:
                yield fit_row(number, tuple([value.get(name, "") for name in columns]), columns, position)


def _problem(number: int, code: str, problem: str, remedy: str = _REMEDY, *, column: str = "") -> RowProblem:
    return RowProblem(number, column, code, problem, remedy)


def _cells(number: int, line: bytes) -> dict[str, str] | RowProblem:
    """A line's cells by their names; ``{"metadata": {"a": ...}}`` is the cell "metadata:a"."""
    try:
        value = _DECODE(line.decode())
    except UnicodeDecodeError:
        return _problem(number, "encoding", "is not UTF-8", "save the file as UTF-8")
    except (ValueError, RecursionError):
        return _problem(number, "malformed_json", "is not JSON")
    if isinstance(value, str):
        value = {"phone": value}
    if not isinstance(value, dict):
        return _problem(number, "not_an_object", "is not an object")
    cells: dict[str, str] = {}
    for name, content in value.items():
        if isinstance(content, dict) and name == "metadata":
            pairs = [(f"metadata:{key}", inner) for key, inner in content.items()]
        else:
            pairs = [(name, content)]
        for full_name, inner in pairs:
            cell = _text(inner)
            if len(full_name) > MAX_NAME:
                return _problem(number, "bad_name", f"has a name of over {MAX_NAME} characters", "shorten it")
            if cell is None:
                problem = "is neither text nor number nor a list of them"
                return _problem(number, "not_a_cell", problem, "write it as text", column=full_name)
            if not (_is_encodable(cell) and _is_encodable(full_name)):
                problem = "holds half a character (a lone surrogate)"
                return _problem(number, "encoding", problem, "enter the text again")
            cells[full_name] = cell
    return cells


def _number(literal: str) -> str:
    """A number with a point keeps its digits, so that 9.98901E+11 is recognised as rounded; 7.0 is 7."""
    return literal.removesuffix(".0")


def _constant(name: str) -> None:
    """NaN is an empty cell, as data frames write it."""
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
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return None


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class InMemoryRows(NdjsonFile):
    """A :class:`RowSource` of rows from a program, kept in a temporary file for as long as this object lives."""

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
        # Keys that are not text, a circular value, an integer of thousands of digits: one bad row, not a failed file.
        return "false"
