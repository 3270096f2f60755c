"""Follows the placed calls until every one has ended: a table that changes on a terminal, a line for a change elsewhere."""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alodial.calls.queue import CallQueue

from .enqueue import Placed
from .format import WIDE, by_way_of, clock, coloured, lasted, note_of
from .stack import House

LOOK_EVERY = 0.2

_ROWS_BESIDE = 8
"""Lines that the headline's end, the table's head and its caption take on a terminal."""


class View(Protocol):
    """Shows how the calls stand."""

    def show(self, placed: Sequence[Placed], elapsed: float) -> None: ...


class Lines:
    """One line for each change, for a file or a pipe."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, int] = {}
        self._began: float | None = None

    def show(self, placed: Sequence[Placed], elapsed: float) -> None:
        rows = [
            (clock(moment["at"]), one, moment)
            for one in placed
            for moment in one.record.timeline[self._seen.get(one.id, 0) :]
        ]
        self._seen |= {one.id: len(one.record.timeline) for one in placed}
        for at, one, moment in sorted(rows, key=lambda row: row[0]):
            self._began = at if self._began is None else self._began
            line = Text(f"{at - self._began:6.1f} s  {one.call.shows:<30} ")
            line.append_text(coloured(moment["state"]))
            self._console.print(line.append(f"  {note_of(moment)}".rstrip(), style="dim"))


class Board:
    """The table that changes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, placed: Sequence[Placed], elapsed: float) -> None:
        self._live.update(self._table(placed, elapsed), refresh=True)

    def _table(self, placed: Sequence[Placed], elapsed: float) -> Table:
        ended = sum(one.ended for one in placed)
        waiting = [one.call.shows for one in placed if not one.ended]
        caption = f"{ended} of {len(placed)} have ended after {elapsed:.0f} s"
        if 0 < len(waiting) <= 3:
            caption += f"; still awaited: {'; '.join(waiting)}"
        table = Table(box=None, caption=caption, caption_justify="left", pad_edge=False)
        wide = self._live.console.width >= WIDE
        for name in ("call", "through", "state", "disposition"):
            table.add_column(name, no_wrap=True)
        table.add_column("s", justify="right")
        if wide:
            table.add_column("by way of", no_wrap=True)
        for one in self._that_fit(placed):
            record = one.record
            mark = Text("\u2714 " if one.ended else "\u2022 ", style="green" if one.ended else "yellow")
            table.add_row(
                mark.append(one.call.shows, style="" if one.ended else "bold"),
                one.call.door,
                coloured(record.state),
                coloured(record.disposition),
                lasted(one) if one.ended else "",
                *([by_way_of(one)] if wide else []),
            )
        return table

    def _that_fit(self, placed: Sequence[Placed]) -> Sequence[Placed]:
        """All of them, or on a low terminal those that still run and the latest that ended."""
        room = max(4, self._live.console.height - _ROWS_BESIDE)
        if len(placed) <= room:
            return placed
        latest = sorted(placed, key=lambda one: (not one.ended, one.record.updated_at), reverse=True)[:room]
        chosen = {one.id for one in latest}
        return [one for one in placed if one.id in chosen]


def follow(placed: Sequence[Placed], house: House, queue: CallQueue, view: View, within: float) -> bool:
    """Looks until all have ended; False when some have not ``within`` seconds. Raises HouseDown."""
    began = time.monotonic()
    for elapsed in _looks(began, within):
        house.check()
        for one in placed:
            if not one.ended:
                one.record = queue.get(one.id)
        view.show(placed, elapsed)
        if all(one.ended for one in placed):
            return True
    return False


def _looks(began: float, within: float) -> Iterator[float]:
    while (elapsed := time.monotonic() - began) < within:
        yield elapsed
        time.sleep(LOOK_EVERY)
