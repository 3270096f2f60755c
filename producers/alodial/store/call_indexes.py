"""Picks the narrowest index for a filter of calls. The scripts keep the indexes.

An index yields rows of ``(extid, place)`` in its order; a place is a text from which reading goes on. The records are
checked against the filter afterwards: an index may name calls that have changed since, but leaves out none that match.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from alodial_schemas import ENDS, Disposition, FieldProblem, State

from ..errors import InvalidCall
from .answers import number, text
from .call_facts import NO_VALUE
from .call_filter import CallFilter
from .keys import Keys
from .sansio import Command, Steps
from .tenant_lines import tenant_lines

Row = tuple[str, str]

_STREAM_ID = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_EXTID = re.compile(r"[1-9][0-9]{0,14}")

_APART_MS = 100
"""A script reads the clock before Redis dates the entry that it writes: some ms may lie between the two. Calls that are
read needlessly for that are left out by their records."""


class BadCursor(InvalidCall):
    """A cursor that belongs to no page of this list."""

    def __init__(self) -> None:
        remedy = "give the cursor of the page before as it was, with the same filter"
        super().__init__([FieldProblem("cursor", "bad_cursor", "is no cursor of this list", remedy)])


class CallIndex(Protocol):
    """A kind of index: stream, lists or sorted set."""

    @property
    def kind(self) -> str:
        """The first letter of its cursors."""

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        """Up to ``count`` rows after a place, "" for the start; none at the end. Raises BadCursor."""


@dataclass(frozen=True, slots=True)
class StreamIndex:
    """Newest first, over several streams at once. The stream's number orders two entries of one moment."""

    kind: str
    names: Sequence[str]
    since: int | None = None
    until: int | None = None
    reason: str = ""

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        at, place_stream = self._place(place)
        first = "-" if self.since is None else str(max(0, self.since - _APART_MS))
        last = "+" if self.until is None else f"({max(1, self.until + _APART_MS)}-0"
        commands: list[Command] = []
        for index, name in enumerate(self.names):
            after = last if not at else at if index < place_stream else f"({at}"
            commands.append(("XREVRANGE", name, after, first, "COUNT", count))
        answers = yield commands
        rows: list[tuple[tuple[int, int, int], str]] = []
        for index, answer in enumerate(answers):
            for position, fields in answer:
                ms, _, seq = text(position).partition("-")
                matches = not self.reason or text(fields.get(b"y")) == self.reason
                rows.append(((int(ms), int(seq), index), text(fields[b"x"]) if matches else ""))
        rows.sort(key=lambda row: row[0], reverse=True)
        # Those of another reason keep their place and lose their name, so that their records are not read.
        return [(extid, f"{ms}-{seq}.{index}") for (ms, seq, index), extid in rows[:count]]

    def _place(self, place: str) -> tuple[str, int]:
        if not place:
            return "", 0
        at, _, index = place.partition(".")
        if not _STREAM_ID.fullmatch(at) or not index.isdigit() or int(index) >= len(self.names):
            raise BadCursor
        return at, int(index)


@dataclass(frozen=True, slots=True)
class ListIndex:
    """One list after the other, each from its head. ``moving``: heads are taken off the lists while they are read."""

    kind: str
    names: Sequence[str]
    moving: bool = False

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        index, after = self._place(place)
        may_have_moved = False
        while index < len(self.names):
            name, start = self.names[index], 0
            if after:
                (position,) = yield [("LPOS", name, after)]
                if position is not None:
                    start = int(position) + 1
                elif not (self.moving or may_have_moved):
                    # It was trimmed, and with it every older call but those in the list of the old ones, where it may be.
                    index += 1
                    may_have_moved = index < len(self.names) and self.names[index] == name + Keys.OLD
                    after = after if may_have_moved else ""
                    continue
            may_have_moved = False
            (values,) = yield [("LRANGE", name, start, start + count - 1)]
            if values:
                return [(text(value), f"{index}.{text(value)}") for value in values]
            index, after = index + 1, ""
        return []

    def _place(self, place: str) -> tuple[int, str]:
        if not place:
            return 0, ""
        index, _, extid = place.partition(".")
        if not index.isdigit() or len(index) > 4 or int(index) >= len(self.names) or not _EXTID.fullmatch(extid):
            raise BadCursor
        return int(index), extid


@dataclass(frozen=True, slots=True)
class SortedSetIndex:
    """A sorted set by its score, ascending or descending."""

    kind: str
    name: str
    downwards: bool = False

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        start = 0
        if place:
            score, _, extid = place.partition(".")
            if not score.isdigit() or len(score) > 18 or not _EXTID.fullmatch(extid):
                raise BadCursor
            rank, before = yield [
                ("ZREVRANK" if self.downwards else "ZRANK", self.name, extid),
                ("ZCOUNT", self.name, f"({score}", "+inf")
                if self.downwards
                else ("ZCOUNT", self.name, "-inf", f"({score}"),
            ]
            # It left the set since: go on from the position that its score would have.
            start = int(before) if rank is None else int(rank) + 1
        command = "ZREVRANGE" if self.downwards else "ZRANGE"
        (members,) = yield [(command, self.name, start, start + count - 1)]
        if not members:
            return []
        scores = yield [("ZSCORE", self.name, member) for member in members]
        return [
            (text(member), f"{number(score)}.{text(member)}")
            for member, score in zip(members, scores, strict=True)
            if score is not None
        ]


@dataclass(frozen=True, slots=True)
class NamedIndex:
    """Calls that somebody chose, in the order in which they are named."""

    kind: str
    names: Sequence[str]

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        start = place.partition(".")[0]
        if place and not start.isdigit():
            raise BadCursor
        first = int(start) + 1 if place else 0
        yield []
        return [(name, f"{first + at}.{name}") for at, name in enumerate(self.names[first : first + count])]


def labels_of(state: str, disposition: str) -> list[str]:
    """The labels under which calls that ended in a state, or with a disposition, are listed."""
    if disposition and state in ("", State.COMPLETED):
        return [f"completed:{disposition}"]
    if state == State.COMPLETED:
        return [f"completed:{name}" for name in sorted(Disposition)]
    return [state]


def index_for(keys: Keys, filter: CallFilter) -> Steps[tuple[CallIndex, bool]]:
    """The narrowest index for the filter, and whether every call that it names matches."""
    state, ended = filter.state, filter.state in ENDS or bool(filter.disposition and not filter.state)
    narrow = bool(filter.account or filter.part or filter.ended or filter.is_reported)
    if filter.calls:
        return NamedIndex("n", filter.calls), False
    if filter.owner:
        # An owner's cursors are places among its own calls: one in a list of all would name a stranger's.
        return StreamIndex("o", [keys.by_owner(filter.owner)], filter.created_since, filter.until), False
    if filter.reference:
        name = keys.by_reference(filter.reference)
        return ListIndex("r", [name, name + Keys.OLD]), False
    if filter.phone:
        # Calls with the number as a recipient first, then those with it as the initiator.
        names = [keys.by_number(filter.phone, initiator=role) + end for role in (False, True) for end in ("", keys.OLD)]
        return ListIndex("p", names), False
    if filter.campaign and filter.campaign != NO_VALUE:
        dated = filter.since is not None or filter.until is not None or bool(filter.reason)
        if ended:
            names = [keys.campaign_ended(filter.campaign, label) for label in labels_of(state, filter.disposition)]
            return ListIndex("g", names), not narrow and not dated
        if state == State.QUEUED:
            return ListIndex("h", [keys.campaign_ready(filter.campaign)], moving=True), not narrow and not dated
        if state in ("", State.SUBMITTED):
            return ListIndex("g", [keys.campaign_calls(filter.campaign)]), not narrow and not dated and not state
    dated = filter.since is not None or filter.until is not None
    if ended:
        # A call that ended since then may have been created before; none ends before it is created.
        names = [keys.ended(label) for label in labels_of(state, filter.disposition)]
        return StreamIndex("e", names, filter.created_since, None, filter.reason), not narrow and not dated
    whole = not narrow and not dated and not filter.campaign
    match state:
        case State.SCHEDULED:
            return SortedSetIndex("d", keys.DUE), whole
        case State.SUBMITTING:
            return SortedSetIndex("l", keys.LEASE, downwards=True), False
        case State.SUBMITTED:
            return SortedSetIndex("a", keys.AWAIT, downwards=True), False
        case State.UNCONFIRMED:
            return SortedSetIndex("u", keys.UNCONFIRMED, downwards=True), whole
        case State.QUEUED:
            return (yield from _queued(keys, filter))
    return StreamIndex("i", [keys.INDEX], filter.created_since, filter.until), not narrow and not filter.reason


def _queued(keys: Keys, filter: CallFilter) -> Steps[tuple[CallIndex, bool]]:
    """Queued calls, in the order in which they will go."""
    accounts, live = yield [("SMEMBERS", keys.ACCOUNTS), ("SMEMBERS", keys.CAMPAIGNS_LIVE)]
    names = sorted(text(name) for name in accounts if not filter.account or text(name) == filter.account)
    levels = [(name, priority) for priority in keys.PRIORITY_LETTERS for name in names]
    lines = yield from tenant_lines(keys, levels)
    lists = []
    for level in levels:
        lists += [keys.ready(*level), *(line for place, line in lines if place == level)]
    lists += [keys.campaign_ready(text(id)) for id in sorted(live)]
    return ListIndex("q", lists[:9999], moving=True), False
