"""The order of a table that is whole on its page, or whose rows of this page alone are sorted: by a column of the address.

``sort=name`` sorts upwards, ``sort=-name`` downwards; without it a list keeps its own order. The links work without scripts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

T = TypeVar("T")
FIELD: Final = "sort"
MAX_QUERY: Final = 4096


@dataclass(frozen=True, slots=True)
class Sorting:
    """``column`` is "" for a list's own order; ``base`` are the address's other fields."""

    path: str
    base: tuple[tuple[str, str], ...]
    column: str = ""
    descending: bool = False

    @property
    def value(self) -> str:
        """As the address has it; "" for the list's own order."""
        return f"-{self.column}" if self.descending else self.column

    def address(self, column: str) -> str:
        """The address that sorts by the column: upwards, at the next time downwards, then in the list's own order again."""
        again = "" if self.descending else f"-{column}"
        value = again if column == self.column else column
        query = urlencode([*self.base, *([(FIELD, value)] if value else [])])
        return f"{self.path}?{query}" if query else self.path

    def here(self) -> str:
        """The address of this page in this order."""
        query = urlencode([*self.base, *([(FIELD, self.value)] if self.column else [])])
        return f"{self.path}?{query}" if query else self.path

    def own(self) -> str:
        """The address of this page in the list's own order."""
        return f"{self.path}?{urlencode(self.base)}" if self.base else self.path

    def aria(self, column: str) -> str:
        """What a column's head says to screen readers."""
        if column != self.column:
            return "none"
        return "descending" if self.descending else "ascending"


def sorted_rows(
    request: Request,
    rows: Iterable[T],
    columns: Mapping[str, Callable[[T], Any]],
    *,
    without: tuple[str, ...] = (),
) -> tuple[list[T], Sorting]:
    """Returns the rows in the address's order. What a row lacks (None or "") comes last, in both directions.

    ``without`` are fields that another order does not keep.
    """
    fields = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name != FIELD and name not in without and len(value) < MAX_QUERY
    ]
    value = request.query_params.get(FIELD, "")
    column, descending = value.removeprefix("-"), value.startswith("-")
    listed = list(rows)
    if column not in columns:
        return listed, Sorting(request.url.path, tuple(fields))
    key = columns[column]
    full = [row for row in listed if key(row) not in (None, "")]
    empty = [row for row in listed if key(row) in (None, "")]
    full.sort(key=key, reverse=descending)
    return full + empty, Sorting(request.url.path, tuple(fields), column, descending)
