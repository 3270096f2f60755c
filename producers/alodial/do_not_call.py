"""The do-not-call lists, for people and programs: who must not be rung, since when, and why."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from alodial_schemas import FieldProblem, PhoneError, normalise_phone

from .campaigns.formula_guard import unsafe_cell
from .errors import InvalidCall
from .store import do_not_call
from .store.client import Store
from .store.do_not_call import DncEntry, DncPage

MAX_PROBLEMS = 100


class DoNotCallImport(NamedTuple):
    """``problems`` are the first hundred, each a line's number and what is wrong with it."""

    lines: int
    added: int
    known: int
    bad: int
    problems: list[tuple[int, str]]


class DoNotCall:
    """The lists of one store. Numbers may be written as people write them; ``scope`` "" is for every call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, numbers: Iterable[str], *, scope: str = "", reason: str = "", actor: str = "") -> int:
        """Answers how many were new. From the next second on they are not rung. Raises InvalidCall for what is no number."""
        clean = list(map(_number, numbers))
        return self._store.call(do_not_call.add, clean, scope=scope, reason=reason, actor=actor)

    def remove(self, numbers: Iterable[str], *, scope: str = "") -> int:
        """Answers how many were on the list."""
        clean = list(map(_number, numbers))
        return self._store.call(do_not_call.remove, clean, scope=scope)

    def find(self, number: str, *, scopes: tuple[str, ...] = ("",)) -> list[DncEntry]:
        """Why a number is not rung; empty when it may be."""
        clean = _number(number)
        return self._store.call(do_not_call.find, clean, scopes)

    def page(self, cursor: str | None = None, limit: int = 100, *, scope: str = "") -> DncPage:
        """Some of the list, in no order."""
        return self._store.call(do_not_call.page, cursor, limit, scope)

    def every(self, *, scope: str = "") -> Iterator[DncEntry]:
        """The whole list, a page at a time."""
        cursor: str | None = None
        while True:
            page = self.page(cursor, do_not_call.CHUNK, scope=scope)
            yield from page.entries
            cursor = page.cursor
            if cursor is None:
                return

    def count(self, *, scope: str = "") -> int:
        return self._store.call(do_not_call.count, scope)

    def listed(self, numbers: list[str], scope: str = "") -> list[bool]:
        """For each E.164 number whether it must not be rung."""
        return self._store.call(do_not_call.is_listed, numbers, scope)

    def add_lines(
        self,
        lines: Iterable[str],
        *,
        scope: str = "",
        reason: str = "",
        actor: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> DoNotCallImport:
        """One number a line; what stands behind a comma, semicolon or tab is not read. Good lines count whatever bad ones are.

        A first line that holds no digit is a header.
        """
        total = added = known = bad = 0
        problems: list[tuple[int, str]] = []
        batch: list[str] = []

        def flush() -> None:
            nonlocal added, known
            new = self._store.call(do_not_call.add, batch, scope=scope, reason=reason, actor=actor)
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


def _number(text: str) -> str:
    try:
        return normalise_phone(text, allowed=())
    except PhoneError as exc:
        raise InvalidCall([FieldProblem("phone", exc.code, exc.reason, exc.remedy)]) from None
