"""The form about an uploaded file: which sheet and header row count, what each column is used for, which rows are called."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from alodial_schemas import FieldProblem

from ..campaigns.errors import InvalidCampaign
from ..campaigns.importing.cell_shapes import letters
from ..campaigns.importing.columns import FIELDS, MAX_METADATA_NAME
from ..campaigns.importing.questions import NOT_USED, Choice, Question
from ..campaigns.importing.row_check import CheckReport

SHOWN_ROWS: Final = 10
MAX_HEADER_ROWS: Final = 15
"""Rows that the picker of the header row offers; one further down is offered when it is the header."""

SHOWN_CELL: Final = 60
METADATA: Final = "metadata"
UNDECIDED: Final = "?"
"""Chosen for a column while nobody has said what it is used for."""

USES: Final = ("phone", "phone2", "phone3", "name", "reference", "lang", "initiator", "queue", "expires_at", METADATA)
"""What a column can be used for, in the order of the picker."""

_FILE_PROBLEMS: Final = ("columns", "sheet", "header_row", "hidden")


@dataclass(frozen=True, slots=True)
class FileAnswers:
    """What somebody said about the file. None, or "" for the sheet, leaves it to what the file shows.

    ``mapping`` is field -> column, with "-" for each field that has none. ``uzbek`` when its numbers of nine digits are of
    Uzbekistan and no other country is called.
    """

    sheet: str = ""
    header_row: int | None = None
    hidden: Literal["keep", "skip"] | None = None
    mapping: Mapping[str, str] | None = None
    uzbek: bool = False


NO_ANSWERS: Final = FileAnswers()


class HeaderChoice(NamedTuple):
    """A row that may hold the names of the columns; ``number`` 0 is none."""

    number: int
    text: str


class Picker(NamedTuple):
    """A column of the table: its letter, its name or "", the use that is chosen ("" for none), and those that can be chosen."""

    letter: str
    name: str
    use: str
    uses: tuple[str, ...]


class FileView(NamedTuple):
    """The file as the page shows it: ``rows`` are the first below the header, each with its number."""

    headers: tuple[HeaderChoice, ...]
    pickers: tuple[Picker, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    stamp: str


def is_of_file(problem: FieldProblem) -> bool:
    """Whether a problem is about the file's form rather than about the campaign's settings."""
    return problem.field.partition(".")[0] in _FILE_PROBLEMS


def view_of(preview: CheckReport, kind: str) -> FileView:
    """What the page shows of a file; ``kind`` is the campaign's."""
    head = [(number, " · ".join(cell.strip() for cell in cells if cell.strip())) for number, cells in preview.head]
    offered = [row for at, row in enumerate(head) if at < MAX_HEADER_ROWS or row[0] == preview.header_row]
    headers = tuple(HeaderChoice(number, text[:SHOWN_CELL]) for number, text in offered if text)
    width = len(preview.columns)
    below = [(number, cells) for number, cells in preview.head if number > preview.header_row][:SHOWN_ROWS]
    rows = tuple((number, _fitted(cells, width)) for number, cells in below)
    return FileView(headers, _pickers(preview, kind), rows, stamp_of(preview))


def _fitted(cells: Sequence[str], width: int) -> tuple[str, ...]:
    texts = [cell if len(cell) <= SHOWN_CELL else f"{cell[:SHOWN_CELL]}…" for cell in cells[:width]]
    return tuple(texts + [""] * (width - len(texts)))


def _pickers(preview: CheckReport, kind: str) -> tuple[Picker, ...]:
    left_out = {"two-way": (), "queue": ("initiator", "phone2", "phone3")}.get(
        kind, ("initiator", "queue", "lang", "phone2", "phone3")
    )
    pickers = []
    for column, use in zip(preview.table, _shown_uses(preview), strict=True):
        uses = tuple(name for name in USES if name not in left_out or name == use)
        known = use in uses or use in ("", UNDECIDED)
        name = "" if column.name == f"column {column.letter}" else column.name
        pickers.append(Picker(column.letter, name, use, uses if known else (*uses, use)))
    return tuple(pickers)


def _shown_uses(preview: CheckReport) -> list[str]:
    """The use that each column's picker shows: UNDECIDED for a column that a question names."""
    uses = [METADATA if use.field.startswith(f"{METADATA}:") else use.field for use in preview.table]
    for question in preview.questions:
        if question.code != "no_phone_column":
            for at in _places(question, preview):
                uses[at] = UNDECIDED
    return uses


def _places(question: Question, preview: CheckReport) -> list[int]:
    """The columns that a question names."""
    values = {choice.value for choice in question.choices if _is_column(choice) and choice.value != NOT_USED}
    return [at for at, use in enumerate(preview.table) if use.name in values or use.letter in values]


def _is_column(choice: Choice) -> bool:
    return choice.field not in ("sheet", "header_row", "hidden", "prefix")


def stamp_of(preview: CheckReport) -> str:
    """Tells whether a form was made for these columns."""
    text = "\x1f".join((preview.sheet or "", str(preview.header_row), *preview.columns))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def header_hash(columns: Sequence[str]) -> str:
    """The same for files with the same header."""
    return hashlib.sha256("\x1f".join(columns).encode("utf-8", "replace")).hexdigest()[:32]


def column_value(names: Sequence[str], at: int) -> str:
    """The column as a mapping names it: by its name, by its letter where the name does not do."""
    name = names[at]
    return letters(at) if name.strip() in ("", NOT_USED) or list(names).index(name) != at else name


def answers_of(form: Mapping[str, Any], before: FileAnswers, preview: CheckReport | None) -> FileAnswers:
    """The answers that a sent form gives. Another sheet or header row has other columns, so their uses are read anew.

    Raises InvalidCampaign where one field is chosen for two columns.
    """

    def text(name: str) -> str:
        value = form.get(name)
        return value.strip()[:200] if isinstance(value, str) else ""

    sheet = text("sheet")
    number = text("header_row")
    header_row = int(number) if number.isdecimal() and number.isascii() and len(number) < 8 else before.header_row
    hidden: Literal["keep", "skip"] | None = {"keep": "keep", "skip": "skip"}.get(text("hidden"), before.hidden)  # type: ignore[assignment]  # of these two
    uzbek = text("uzbek") == "yes"
    if preview is None:
        return FileAnswers(before.sheet, before.header_row, hidden, before.mapping, uzbek)
    if sheet and (sheet != preview.sheet or any(question.code == "sheet_unclear" for question in preview.questions)):
        return FileAnswers(sheet, uzbek=uzbek)
    if header_row not in (None, preview.header_row):
        return FileAnswers(before.sheet, header_row, hidden, None, uzbek)
    mapping = before.mapping
    if text("stamp") == stamp_of(preview):
        mapping = _mapping([text(f"use{at}") for at in range(len(preview.columns))], preview, before)
    return FileAnswers(before.sheet, before.header_row, hidden, mapping, uzbek)


def _mapping(chosen: list[str], preview: CheckReport, before: FileAnswers) -> Mapping[str, str] | None:
    """The mapping of what the pickers say; a field that a question is about stays out while its columns are undecided."""
    shown = _shown_uses(preview)
    if chosen == shown:
        return before.mapping
    for at, use in enumerate(chosen):
        # A field that is chosen for another column leaves the one that had it.
        if use == shown[at] and any(other == use != shown[place] for place, other in enumerate(chosen)):
            chosen[at] = use if use in (METADATA, UNDECIDED) else ""
    mapping: dict[str, str] = {}
    for at, use in enumerate(chosen):
        name = preview.columns[at]
        if use == METADATA:
            mapping[f"{METADATA}:{_metadata_name(name)}"] = column_value(preview.columns, at)
        elif use in USES or use == shown[at] not in ("", UNDECIDED):
            if use in mapping:
                problem, remedy = f"is chosen for two columns: {use}", "choose it for one"
                raise InvalidCampaign([FieldProblem("columns", "mapped_twice", problem, remedy)])
            mapping[use] = column_value(preview.columns, at)
        elif shown[at] == METADATA:
            mapping[f"{METADATA}:{_metadata_name(name)}"] = NOT_USED
    undecided = _undecided(chosen, preview)
    return mapping | {name: NOT_USED for name in FIELDS if name not in mapping and name not in undecided}


def _undecided(chosen: list[str], preview: CheckReport) -> set[str]:
    """The fields whose question stays open."""
    open_fields = set()
    for question in preview.questions:
        targets = {choice.field for choice in question.choices if _is_column(choice)}
        if "phone" in targets or any(chosen[at] == UNDECIDED for at in _places(question, preview)):
            open_fields |= targets
    return open_fields


def _metadata_name(name: str) -> str:
    for prefix in ("metadata:", "meta:"):
        if name.strip().lower().startswith(prefix):
            name = name.strip()[len(prefix) :]
    return name.strip()[:MAX_METADATA_NAME] or "column"


def request_part(answers: FileAnswers) -> dict[str, Any]:
    """The fields of a campaign that the answers give."""
    part: dict[str, Any] = {"columns": dict(answers.mapping or {})}
    if answers.sheet:
        part["sheet"] = answers.sheet
    if answers.header_row is not None:
        part["header_row"] = answers.header_row
    if answers.hidden is not None:
        part["hidden"] = answers.hidden
    return part
