"""The do-not-call lists: numbers that must not be called, since when and why."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from alodial_schemas import FieldProblem, PhoneError, any_phone

from .campaigns.errors import CampaignNotFound
from .campaigns.exporting.results import csv_blocks_of
from .campaigns.formula_guard import safe_cell, unsafe_cell
from .campaigns.importing.cell_shapes import BETWEEN_PHONES, may_be_phone, phone_text
from .campaigns.importing.columns import read_columns
from .campaigns.importing.files import as_source
from .campaigns.importing.questions import OpenQuestions
from .campaigns.queries import CampaignQueries
from .campaigns.row_codec import RowProblem
from .errors import InvalidCall
from .store import do_not_call
from .store.client import Store
from .store.do_not_call import DncEntry, DncPage

MAX_PROBLEMS = 100


class NumberProblem(NamedTuple):
    """A number that was not added: its row, what is wrong with it and what to do, and the code of that for translations."""

    number: int
    problem: str
    remedy: str = ""
    code: str = ""


class DoNotCallImport(NamedTuple):
    """The result of an import. ``lines`` counts the rows, ``bad`` the numbers that were not added.

    ``problems`` are the first hundred. ``columns`` are the file's columns that were read.
    """

    lines: int
    added: int
    known: int
    bad: int
    problems: list[NumberProblem]
    columns: tuple[str, ...] = ()


class DoNotCall:
    """``queue.dnc``: the do-not-call lists of one store.

    Numbers may have any usual punctuation. ``scope`` is a campaign's id, the start of it or its name, or "" for the list
    that applies to every call. With ``owner`` it is the owner's own list, which binds its calls only, or that of a campaign of
    its own. Every method raises CampaignNotFound for a scope that names no campaign, or several, and
    StoreUnavailable while Redis cannot be reached.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = CampaignQueries(store, store.settings)
        self._allowed = store.settings.allowed_prefixes

    def _numbers(self, numbers: Iterable[str]) -> list[str]:
        """The numbers as E.164; a single text is one number, not its characters."""
        return [_number(number, self._allowed) for number in ((numbers,) if isinstance(numbers, str) else numbers)]

    def add(
        self, numbers: Iterable[str], *, scope: str = "", owner: str = "", reason: str = "", actor: str = ""
    ) -> int:
        """Adds numbers, and returns how many were new. They are not called from now on. A text is one number.

        Raises InvalidCall for a bad number.
        """
        clean = self._numbers(numbers)
        return self._add(clean, self._id_of(scope, owner), reason, actor)

    def remove(self, numbers: Iterable[str], *, scope: str = "", owner: str = "") -> int:
        """Removes numbers, and returns how many were on the list. A text is one number. Raises InvalidCall for a bad number."""
        clean = self._numbers(numbers)
        return self._store.call(do_not_call.remove, clean, scope=self._id_of(scope, owner))

    def find(self, number: str, *, scopes: tuple[str, ...] = ("",), owner: str = "") -> list[DncEntry]:
        """The entries that forbid calls to a number, empty when it may be called. Raises InvalidCall for a bad number."""
        clean = _number(number, self._allowed)
        return self._store.call(do_not_call.find, clean, [self._id_of(scope, owner) for scope in scopes])

    def page(self, cursor: str | None = None, limit: int = 100, *, scope: str = "", owner: str = "") -> DncPage:
        """A page of about ``limit`` entries, in no particular order; ``cursor`` is that of the previous page."""
        return self._store.call(do_not_call.page, cursor, limit, self._id_of(scope, owner))

    def every(self, *, scope: str = "") -> Iterator[DncEntry]:
        """All entries of a list, page by page; one that is added or removed meanwhile may or may not be among them."""
        campaign = self._id_of(scope)
        cursor: str | None = None
        while True:
            page = self._store.call(do_not_call.page, cursor, do_not_call.CHUNK, campaign)
            yield from page.entries
            cursor = page.cursor
            if cursor is None:
                return

    def count(self, *, scope: str = "", owner: str = "") -> int:
        """The number of entries of a list."""
        return self._store.call(do_not_call.count, self._id_of(scope, owner))

    def erased(self) -> int:
        """How many people were erased: their numbers are on the list of all calls as hashes, and in no page of it."""
        return self._store.call(do_not_call.count_erased)

    def listed(self, numbers: list[str], scope: str = "") -> list[bool]:
        """For each E.164 number whether it is on the list."""
        return self._store.call(do_not_call.is_listed, numbers, ["", self._id_of(scope)] if scope else [""])

    def add_lines(
        self,
        lines: Iterable[str],
        *,
        scope: str = "",
        reason: str = "",
        actor: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> DoNotCallImport:
        """Imports typed lines, each with one number or several, and perhaps words after them.

        A first line without digits is a header. Bad numbers are reported and do not stop the import.
        """
        adding = _Import(
            partial(self._add, campaign=self._id_of(scope), reason=reason, actor=actor), progress, self._allowed
        )
        for number, line in enumerate(lines, start=1):
            text = line.strip("\ufeff \t\r\n")
            if not text or (number == 1 and not any(c.isdigit() for c in text)):
                continue
            first, *rest = [part for part in re.split(r"[,;\t|]", text) if part.strip()] or [text]
            # What follows a number is its reason; only what may be a number is read.
            adding.row(number, [first, *filter(may_be_phone, rest)])
        return adding.finished(())

    def add_file(
        self,
        source: Any,
        *,
        columns: Mapping[str, str] | None = None,
        sheet: str | None = None,
        header_row: int | None = None,
        scope: str = "",
        reason: str = "",
        actor: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> DoNotCallImport:
        """Imports every number of a file's phone columns; a cell may hold several, and hidden rows count too.

        ``source`` is a path, rows or a RowSource; ``columns`` maps phone, phone2 ... to columns, ``sheet`` and ``header_row``
        are as in a campaign's request. Bad numbers are reported and do not stop the import. Raises BadFile, and
        OpenQuestions where it is not certain which columns have the phones.
        """
        opened = as_source(source)
        questions = opened.choose(sheet=sheet, header_row=header_row, hidden="keep")
        header = opened.header
        reading = read_columns(header.names, header.samples, columns, purpose="do_not_call")
        if asked := (*questions, *reading.questions):
            raise OpenQuestions(asked)
        places = reading.columns.phones
        adding = _Import(
            partial(self._add, campaign=self._id_of(scope), reason=reason, actor=actor), progress, self._allowed
        )
        for row in opened.rows():
            if isinstance(row, RowProblem):
                adding.reject(NumberProblem(row.number, row.problem, row.remedy, row.code))
            else:
                adding.row(row.number, [row.cells[at] for at in places])
        return adding.finished(tuple(reading.columns.names[at] for at in places))

    def _id_of(self, scope: str, owner: str = "") -> str:
        return self._queries.find(scope, owner).id if scope else do_not_call.scope_of(owner)

    def _add(self, numbers: Iterable[str], campaign: str, reason: str, actor: str) -> int:
        entry = do_not_call.entry_json(reason, actor, self._store.server_ms())
        source, new = iter(numbers), 0
        while chunk := list(islice(source, do_not_call.CHUNK)):
            added = self._store.run(do_not_call.add_entries(campaign, [(number, entry) for number in chunk]))
            if added.outcome == "unknown":
                raise CampaignNotFound(f"no campaign {campaign}")
            new += added.new
        return new


def csv_of(entries: Iterable[DncEntry], *, delimiter: str = ",") -> Iterator[bytes]:
    """The entries as blocks of a CSV that :meth:`DoNotCall.add_file` reads: number, since, by, reason."""
    lines = ([safe_cell(text) for text in (entry.number, entry.at, entry.actor, entry.reason)] for entry in entries)
    return csv_blocks_of(["number", "since", "by", "reason"], lines, delimiter)


class _Import:
    """Adds the numbers of rows in batches, and counts them."""

    def __init__(
        self, add: Callable[[list[str]], int], progress: Callable[[int], None] | None, allowed: tuple[str, ...]
    ) -> None:
        self._add = add
        self._allowed = allowed
        self._progress = progress
        self._batch: list[str] = []
        self._lines = self._added = self._known = self._bad = 0
        self._problems: list[NumberProblem] = []

    def row(self, number: int, cells: Sequence[str]) -> None:
        """Adds each number of the cells; a row without any is a bad one."""
        self._lines += 1
        texts = [text for cell in cells for text in _texts(cell, self._allowed)]
        if not texts:
            self._bad += 1
            self._report(NumberProblem(number, "has no number", "give a phone such as 994412860", "phone_missing"))
        for text in texts:
            try:
                self._batch.append(any_phone(text, self._allowed))
            except PhoneError as exc:
                self._bad += 1
                self._report(NumberProblem(number, exc.reason, exc.remedy, exc.code))
        if len(self._batch) >= do_not_call.CHUNK:
            self._flush()

    def reject(self, problem: NumberProblem) -> None:
        """Counts a row that cannot be read."""
        self._lines += 1
        self._bad += 1
        self._report(problem)

    def finished(self, columns: tuple[str, ...]) -> DoNotCallImport:
        self._flush()
        return DoNotCallImport(self._lines, self._added, self._known, self._bad, self._problems, columns)

    def _report(self, problem: NumberProblem) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(problem)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            new = self._add(batch)
            self._added += new
            self._known += len(batch) - new
        if self._progress is not None:
            self._progress(self._lines)


def _texts(cell: str, allowed: tuple[str, ...]) -> list[str]:
    """The numbers of a cell: one as a whole where it can be read, else each part."""
    text = phone_text(unsafe_cell(cell.strip()))
    text = text.strip('"').removeprefix("'").strip()
    try:
        any_phone(text, allowed)
    except PhoneError as exc:
        parts = [part.strip() for part in BETWEEN_PHONES.split(text) if part.strip()]
        return parts if len(parts) > 1 and exc.code != "phone_scientific" else [text][: len(text)]
    return [text]


def _number(text: str, allowed: tuple[str, ...]) -> str:
    try:
        return any_phone(text, allowed)
    except PhoneError as exc:
        raise InvalidCall([FieldProblem("phone", exc.code, exc.reason, exc.remedy)]) from None
