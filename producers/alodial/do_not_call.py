"""The do-not-call lists: numbers that must not be called, since when and why."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from alodial_schemas import FieldProblem, PhoneError, normalise_phone

from .campaigns.errors import CampaignNotFound
from .campaigns.formula_guard import unsafe_cell
from .campaigns.queries import CampaignQueries
from .errors import InvalidCall
from .store import do_not_call
from .store.client import Store
from .store.do_not_call import DncEntry, DncPage
from .store.server_clock import server_ms

MAX_PROBLEMS = 100


class DoNotCallImport(NamedTuple):
    """The result of an import. ``problems`` are the first hundred: a line's number and its problem."""

    lines: int
    added: int
    known: int
    bad: int
    problems: list[tuple[int, str]]


class DoNotCall:
    """``queue.dnc``: the do-not-call lists of one store.

    Numbers may have any usual punctuation. ``scope`` is a campaign's id, the start of it or its name, or "" for the list
    that applies to every call. Every method raises CampaignNotFound for a scope that names no campaign, or several, and
    StoreUnavailable while Redis cannot be reached.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = CampaignQueries(store, store.settings)

    def add(self, numbers: Iterable[str], *, scope: str = "", reason: str = "", actor: str = "") -> int:
        """Adds numbers, and returns how many were new. They are not called from now on. Raises InvalidCall for a bad number."""
        clean = list(map(_number, numbers))
        return self._add(clean, self._id_of(scope), reason, actor)

    def remove(self, numbers: Iterable[str], *, scope: str = "") -> int:
        """Removes numbers, and returns how many were on the list. Raises InvalidCall for a bad number."""
        clean = list(map(_number, numbers))
        return self._store.call(do_not_call.remove, clean, scope=self._id_of(scope))

    def find(self, number: str, *, scopes: tuple[str, ...] = ("",)) -> list[DncEntry]:
        """The entries that forbid calls to a number, empty when it may be called. Raises InvalidCall for a bad number."""
        clean = _number(number)
        return self._store.call(do_not_call.find, clean, tuple(map(self._id_of, scopes)))

    def page(self, cursor: str | None = None, limit: int = 100, *, scope: str = "") -> DncPage:
        """A page of about ``limit`` entries, in no particular order; ``cursor`` is that of the previous page."""
        return self._store.call(do_not_call.page, cursor, limit, self._id_of(scope))

    def every(self, *, scope: str = "") -> Iterator[DncEntry]:
        """All entries of a list, read page by page."""
        campaign = self._id_of(scope)
        cursor: str | None = None
        while True:
            page = self._store.call(do_not_call.page, cursor, do_not_call.CHUNK, campaign)
            yield from page.entries
            cursor = page.cursor
            if cursor is None:
                return

    def count(self, *, scope: str = "") -> int:
        """The number of entries of a list."""
        return self._store.call(do_not_call.count, self._id_of(scope))

    def listed(self, numbers: list[str], scope: str = "") -> list[bool]:
        """For each E.164 number whether it is on the list."""
        return self._store.call(do_not_call.is_listed, numbers, self._id_of(scope))

    def add_lines(
        self,
        lines: Iterable[str],
        *,
        scope: str = "",
        reason: str = "",
        actor: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> DoNotCallImport:
        """Imports a list with a number on each line; text after a comma, semicolon or tab is ignored.

        A first line without digits is a header. Bad lines are reported and do not stop the import.
        """
        campaign = self._id_of(scope)
        total = added = known = bad = 0
        problems: list[tuple[int, str]] = []
        batch: list[str] = []

        def flush() -> None:
            nonlocal added, known
            new = self._add(batch, campaign, reason, actor)
            added += new
            known += len(batch) - new
            batch.clear()
            if progress is not None:
                progress(total)

        for number, line in enumerate(lines, start=1):
            text = line.lstrip("\ufeff").replace(";", ",").replace("\t", ",").partition(",")[0].strip().strip('"')
            text = unsafe_cell(text)
            if not text or (number == 1 and not any(c.isdigit() for c in text)):
                continue
            total += 1
            try:
                batch.append(normalise_phone(text, allowed=()))
            except PhoneError as exc:
                bad += 1
                if len(problems) < MAX_PROBLEMS:
                    problems.append((number, f"{exc.reason}; {exc.remedy}"))
            if len(batch) >= do_not_call.CHUNK:
                flush()
        if batch:
            flush()
        return DoNotCallImport(total, added, known, bad, problems)

    def _id_of(self, scope: str) -> str:
        return self._queries.find(scope).id if scope else ""

    def _add(self, numbers: Iterable[str], campaign: str, reason: str, actor: str) -> int:
        entry = do_not_call.entry_json(reason, actor, self._store.call(server_ms))
        source, new = iter(numbers), 0
        while chunk := list(islice(source, do_not_call.CHUNK)):
            added = self._store.run(do_not_call.add_entries(campaign, [(number, entry) for number in chunk]))
            if added.outcome == "unknown":
                raise CampaignNotFound(f"no campaign {campaign}")
            new += added.new
        return new


def _number(text: str) -> str:
    try:
        return normalise_phone(text, allowed=())
    except PhoneError as exc:
        raise InvalidCall([FieldProblem("phone", exc.code, exc.reason, exc.remedy)]) from None
