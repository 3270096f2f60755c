"""Results that nobody could use, looked over without their bodies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .client import Operation, Store

LOOKED_AT = 2000
"""Entries that one look goes through; beyond, it says that there is more."""

BEGINNING = 2048
"""Bytes of a body that come with its row."""


@dataclass(frozen=True, slots=True)
class DeadRow:
    """``id`` begins with the time it was set aside, Unix ms; ``beginning`` is that of the body, ``size`` the whole's bytes."""

    id: str
    kind: str
    reason: str
    content_type: str
    size: int
    beginning: bytes

    @property
    def at(self) -> int:
        return int(self.id.partition("-")[0])


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Newest first; ``cursor`` goes on, "" at the end. A narrow filter may give short pages."""

    rows: list[DeadRow]
    cursor: str


def look(
    *,
    kind: str = "",
    reason: str = "",
    after: str = "",
    limit: int = 50,
    looked_at: int = LOOKED_AT,
    beginning: int = 0,
) -> Operation[DeadPage]:
    """A page of them. ``kind`` is ``unmatched`` or ``unreadable``; ``after`` the id of the last one seen."""

    def read(answer: list[Any]) -> DeadPage:
        rows = [
            DeadRow(
                id.decode(), of.decode(), why.decode("utf-8", "replace"), type.decode("utf-8", "replace"), size, head
            )
            for id, of, why, type, size, head in answer[1]
        ]
        return DeadPage(rows, answer[0].decode())

    return Operation("dead", [after, kind, reason, limit, looked_at, beginning], read)


def ids(store: Store, *, kind: str = "", reason: str = "", limit: int) -> Iterator[str]:
    """The newest ``most`` of a filter."""
    after, left = "", limit
    while left > 0:
        page = store.run(look(kind=kind, reason=reason, after=after, limit=min(left, 500)))
        yield from (row.id for row in page.rows)
        left -= len(page.rows)
        after = page.cursor
        if not after:
            return
