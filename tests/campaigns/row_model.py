"""What becomes of each row of a campaign, in plain Python, for comparison with the service and the scripts.

Which campaign comes first is not modelled (test_store_shares.py): any call that may go may be taken. But none that may go is
left behind while a claim has room.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MINUTE = 60_000
REDIAL = 60_000
"""Milliseconds after which a row that was busy once is dialled again."""

WAITING = ("queued", "claimed", "scheduled")
ENDS = {"answered": "completed", "busy": "completed", "do_not_call": "rejected"}
"""The state of a row that ended so; others are states themselves."""

Place = tuple[int, int]
"""A campaign and a row of it, both by number."""


@dataclass
class Row:
    """``state`` is packed, one of WAITING, out (its POST was taken) or ended; ``expires`` is what its call was made with."""

    number: str
    state: str = "packed"
    outcome: str = ""
    attempt: int = 1
    due: int = 0
    expires: int | None = None


@dataclass
class Campaign:
    """``root`` is the campaign that it is a retry of in the end: whoever answered in one of them is not rung again."""

    state: str
    rows: list[Row]
    root: int
    end: int | None = None
    channels: int = 0
    left: bool = False
    retry: int | None = None
    forbidden: set[str] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.state in ("completed", "canceled")

    def rows_in(self, *states: str) -> list[int]:
        return [n for n, row in enumerate(self.rows) if row.state in states]


class RowModel:
    """All campaigns in the order of their making. ``out`` and ``held`` are calls that are POSTed and claimed, oldest first."""

    def __init__(self, ms: int) -> None:
        self.ms = ms
        self.campaigns: list[Campaign] = []
        self.forbidden: set[str] = set()
        self.answered: set[tuple[int, str]] = set()
        self.held: list[Place] = []
        self.out: list[Place] = []

    def copy(self) -> "RowModel":
        return copy.deepcopy(self)

    def key(self) -> Any:
        """Equal keys have the same future."""

        def since(moment: int | None) -> int | None:
            return None if moment is None else max(0, moment - self.ms)

        campaigns = tuple(
            (
                *(c.state, c.root, since(c.end), c.channels, c.left, c.retry, tuple(sorted(c.forbidden))),
                *((r.number, r.state, r.outcome, r.attempt, since(r.due), since(r.expires)) for r in c.rows),
            )
            for c in self.campaigns
        )
        return campaigns, tuple(sorted(self.forbidden)), tuple(self.held), tuple(self.out)

    # What people do

    def submit(self, numbers: Iterable[str], *, paused: bool, channels: int, end: int | None) -> None:
        rows = [Row(number) for number in numbers if number not in self.forbidden]
        self.campaigns.append(Campaign("paused" if paused else "running", rows, len(self.campaigns), end, channels))

    def retry(self, n: int) -> str:
        """ "made", or what is said instead."""
        old = self.campaigns[n]
        # Left out before they have ended, rows that wait or are out would be left out for good.
        if not old.is_over or old.rows_in(*WAITING, "out"):
            return "not_allowed"
        if old.retry is not None:
            return "retried"
        again = [row.number for row in old.rows if self._may_ring_again(row)]
        if not again:
            return "no_rows"
        old.retry = len(self.campaigns)
        rows = [Row(number) for number in again]
        self.campaigns.append(Campaign("running", rows, old.root, channels=old.channels, forbidden=set(old.forbidden)))
        return "made"

    @staticmethod
    def _may_ring_again(row: Row) -> bool:
        return row.state == "packed" or (row.state == "ended" and row.outcome not in ("answered", "do_not_call"))

    def pause(self, n: int) -> bool:
        if self.campaigns[n].is_over:
            return False
        self.campaigns[n].state = "paused"
        return True

    def resume(self, n: int) -> bool:
        if self.campaigns[n].is_over:
            return False
        self.campaigns[n].state = "running"
        return True

    def cancel(self, n: int) -> bool:
        if self.campaigns[n].state == "completed":
            return False
        self.campaigns[n].state = "canceled"
        return True

    def add(self, n: int, number: str) -> bool:
        there = self.campaigns[n]
        if there.is_over or self._end_has_passed(there):
            return False
        there.rows.append(Row(number))
        return True

    def move_end(self, n: int, end: int | None) -> bool:
        there = self.campaigns[n]
        if there.is_over or (end != there.end and self._end_has_passed(there)):
            return False
        there.end = end
        return True

    def _end_has_passed(self, there: Campaign) -> bool:
        return there.left or (there.end is not None and there.end <= self.ms)

    def forbid(self, number: str, n: int | None = None) -> None:
        (self.forbidden if n is None else self.campaigns[n].forbidden).add(number)

    # What workers do

    def is_forbidden(self, place: Place) -> bool:
        there = self.campaigns[place[0]]
        return there.rows[place[1]].number in self.forbidden | there.forbidden

    def is_late(self, place: Place) -> bool:
        there = self.campaigns[place[0]]
        return there.end is not None and there.end <= self.ms

    def claimed(self, room: int, taken: list[Place], refused: list[tuple[Place, str]]) -> None:
        """A claim took these calls, and ended those on its way that may not go."""
        for place, outcome in refused:
            assert self.campaigns[place[0]].state == "running"
            assert self._row(place).state == "queued"
            assert (
                outcome == "expired" if self.is_late(place) else outcome == "do_not_call" and self.is_forbidden(place)
            )
            self._end_row(place, outcome)
        for place in taken:
            assert self.campaigns[place[0]].state == "running", "nothing of a campaign that does not run is taken"
            assert self._row(place).state == "queued"
            assert not self.is_late(place)
            assert not self.is_forbidden(place)
            assert self._free_channels(place[0]) > 0
            self._row(place).state = "claimed"
            self.held.append(place)
        if len(taken) < room:
            for n, there in enumerate(self.campaigns):
                may_go = there.state == "running" and self._free_channels(n) > 0
                assert not (may_go and there.rows_in("queued")), "a call that may go was left behind"

    def _free_channels(self, n: int) -> int:
        there = self.campaigns[n]
        return there.channels - len(there.rows_in("claimed", "out")) if there.channels else 1

    def post(self, place: Place, outcome: str) -> str:
        """What becomes of a claimed call whose POST would come to ``outcome``; the state that it is in then."""
        self.held.remove(place)
        there, row = self.campaigns[place[0]], self._row(place)
        if row.state != "claimed":
            return "lost"
        # An expiry that the call knows of counts before the pause.
        if self.is_late(place) and (there.state == "running" or self._knows_its_end(place)):
            self._end_row(place, "expired")
            return "lost"
        if there.state != "running":
            row.state = "queued"
            return "hold"
        if self.is_forbidden(place):
            self._end_row(place, "do_not_call")
            return "lost"
        assert (there.root, row.number) not in self.answered, "whoever answered is rung again"
        if outcome == "taken":
            row.state = "out"
            self.out.append(place)
            return "submitted"
        if outcome == "retry":
            row.state, row.due = "scheduled", self.ms + REDIAL
            return "scheduled"
        self._end_row(place, "rejected")
        return "rejected"

    def _knows_its_end(self, place: Place) -> bool:
        expires = self._row(place).expires
        return expires is not None and expires <= self.ms

    def result(self, place: Place, disposition: str) -> None:
        self.out.remove(place)
        there, row = self.campaigns[place[0]], self._row(place)
        due = self.ms + REDIAL
        in_time = there.end is None or due < there.end
        if disposition == "busy" and row.attempt == 1 and not there.is_over and in_time:
            row.state, row.attempt, row.due = "scheduled", 2, due
            return
        if disposition == "answered":
            self.answered.add((there.root, row.number))
        self._end_row(place, disposition)

    # What time does

    def pace(self) -> None:
        for there in self.campaigns:
            for row in there.rows:
                if row.state == "scheduled" and row.due <= self.ms:
                    if there.is_over:
                        row.state, row.outcome = "ended", "canceled"
                    else:
                        row.state = "queued"
            if not there.is_over and there.end is not None and there.end <= self.ms:
                there.left = True
            self._look_after(there)

    def fill(self) -> None:
        for there in self.campaigns:
            if there.state == "running" and not there.left:
                for n in there.rows_in("packed"):
                    there.rows[n].state, there.rows[n].expires = "queued", there.end

    def sweep(self) -> None:
        for n, there in enumerate(self.campaigns):
            for i in there.rows_in(*WAITING):
                row = there.rows[i]
                if row.expires is None or row.expires > self.ms:
                    continue
                if self.is_late((n, i)):
                    self._end_row((n, i), "expired")
                else:
                    row.expires = there.end

    def clean(self) -> None:
        for n, there in enumerate(self.campaigns):
            if there.is_over:
                for i in there.rows_in(*WAITING):
                    self._end_row((n, i), "canceled")

    def _row(self, place: Place) -> Row:
        return self.campaigns[place[0]].rows[place[1]]

    def _end_row(self, place: Place, outcome: str) -> None:
        row = self._row(place)
        row.state, row.outcome = "ended", outcome
        self._look_after(self.campaigns[place[0]])

    @staticmethod
    def _look_after(there: Campaign) -> None:
        if there.is_over or there.rows_in(*WAITING, "out"):
            return
        if there.left or not there.rows_in("packed"):
            there.state = "completed"
