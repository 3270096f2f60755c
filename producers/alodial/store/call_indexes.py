"""Where a list of calls is read from: the narrowest of what the scripts write down for a filter.

A source answers rows of ``(extid, place)`` in its order; a place is a text from which it goes on. What it answers is
looked at again in the records: sources may name calls that have changed since, never leave out one that has not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alodial_schemas import ENDS, Disposition, State

from . import keys
from .call_filter import CallFilter
from .sansio import Command, Steps

Row = tuple[str, str]

_STREAM_ID = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_EXTID = re.compile(r"[1-9][0-9]{0,14}")

_APART_MS = 100
"""A script reads the clock, and Redis dates an entry that it writes: some ms may be between them, and a call lie at the
edge. What is read too many is left out by its record."""


class BadCursor(ValueError):
    """A cursor that no page of this list gave out."""


class CallIndex(Protocol):
    @property
    def kind(self) -> str:
        """The first letter of a cursor into it."""

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        """Up to ``count`` rows after a place, "" for the beginning; none at the end. Raises BadCursor."""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class StreamIndex:
    """Newest first, over several streams at once. Two entries of one moment are told apart by their stream's number."""

    kind: str
    names: Sequence[str]
    since: int | None = None
    until: int | None = None
    reason: str = ""

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        at, number = self._place(place)
        first = "-" if self.since is None else str(max(0, self.since - _APART_MS))
        last = "+" if self.until is None else f"({max(0, self.until + _APART_MS)}-0"
        commands: list[Command] = []
        for index, name in enumerate(self.names):
            after = last if not at else at if index < number else f"({at}"
            commands.append(("XREVRANGE", name, after, first, "COUNT", count))
        answers = yield commands
        rows: list[tuple[tuple[int, int, int], str, bool]] = []
        for index, answer in enumerate(answers):
            for position, fields in answer:
                ms, _, seq = _text(position).partition("-")
                wanted = not self.reason or _text(fields.get(b"y", b"")) == self.reason
                rows.append(((int(ms), int(seq), index), _text(fields[b"x"]), wanted))
        rows.sort(key=lambda row: row[0], reverse=True)
        # Those of another reason keep their place and lose their name: nobody looks at their records.
        return [(x if wanted else "", f"{ms}-{seq}.{index}") for (ms, seq, index), x, wanted in rows[:count]]

    def _place(self, place: str) -> tuple[str, int]:
        if not place:
            return "", 0
        at, _, number = place.partition(".")
        if not _STREAM_ID.fullmatch(at) or not number.isdigit() or int(number) >= len(self.names):
            raise BadCursor(place)
        return at, int(number)


@dataclass(frozen=True, slots=True)
class ListIndex:
    """One list after the other, each from its head. ``moving`` says that heads are taken off while we read."""

    kind: str
    names: Sequence[str]
    moving: bool = False

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        index, after = self._place(place)
        while index < len(self.names):
            name, start = self.names[index], 0
            if after:
                (found,) = yield [("LPOS", name, after)]
                if found is not None:
                    start = int(found) + 1
                elif not self.moving:
                    # Redis has forgotten it, and with it every older one.
                    index, after = index + 1, ""
                    continue
            (values,) = yield [("LRANGE", name, start, start + count - 1)]
            if values:
                return [(_text(value), f"{index}.{_text(value)}") for value in values]
            index, after = index + 1, ""
        return []

    def _place(self, place: str) -> tuple[int, str]:
        if not place:
            return 0, ""
        index, _, extid = place.partition(".")
        if not index.isdigit() or len(index) > 4 or int(index) >= len(self.names) or not _EXTID.fullmatch(extid):
            raise BadCursor(place)
        return int(index), extid


@dataclass(frozen=True, slots=True)
class SortedSetIndex:
    """A sorted set by its score, upwards or downwards."""

    kind: str
    name: str
    downwards: bool = False

    def read(self, place: str, count: int) -> Steps[list[Row]]:
        start = 0
        if place:
            score, _, extid = place.partition(".")
            if not score.isdigit() or len(score) > 18 or not _EXTID.fullmatch(extid):
                raise BadCursor(place)
            rank, before = yield [
                ("ZREVRANK" if self.downwards else "ZRANK", self.name, extid),
                ("ZCOUNT", self.name, f"({score}", "+inf")
                if self.downwards
                else ("ZCOUNT", self.name, "-inf", f"({score}"),
            ]
            # Gone since: on from where its score would stand.
            start = int(before) if rank is None else int(rank) + 1
        command = "ZREVRANGE" if self.downwards else "ZRANGE"
        (members,) = yield [(command, self.name, start, start + count - 1)]
        if not members:
            return []
        scores = yield [("ZSCORE", self.name, member) for member in members]
        return [
            (_text(member), f"{int(float(score))}.{_text(member)}")
            for member, score in zip(members, scores, strict=True)
            if score is not None
        ]


def _labels(state: str, disposition: str) -> list[str]:
    """Under which names calls of an end are listed."""
    if disposition and state in ("", State.COMPLETED):
        return [f"completed:{disposition}"]
    if state == State.COMPLETED:
        return [f"completed:{name}" for name in sorted(Disposition)]
    return [state]


def index_for(wanted: CallFilter) -> Steps[tuple[CallIndex, bool]]:
    """The narrowest source, and whether everything that it names is meant."""
    state, ended = wanted.state, wanted.state in ENDS or bool(wanted.disposition and not wanted.state)
    narrow = bool(wanted.account or wanted.owner)
    if wanted.reference:
        return ListIndex("r", [keys.by_reference(wanted.reference)]), False
    if wanted.phone:
        # Those whom it rang as a recipient first, then those that it asked for.
        return ListIndex("p", [keys.by_number(wanted.phone, initiator=role) for role in (False, True)]), False
    if wanted.campaign:
        dated = wanted.since is not None or wanted.until is not None or bool(wanted.reason)
        if ended:
            names = [keys.campaign_ended(wanted.campaign, label) for label in _labels(state, wanted.disposition)]
            return ListIndex("g", names), not narrow and not dated
        if state == State.QUEUED:
            return ListIndex("h", [keys.campaign_ready(wanted.campaign)], moving=True), not narrow and not dated
        if state in ("", State.SUBMITTED):
            return ListIndex("g", [keys.campaign_calls(wanted.campaign)]), not narrow and not dated and not state
    if wanted.owner and not ended and state in ("", State.SUBMITTED, State.QUEUED, State.SCHEDULED):
        return StreamIndex("o", [keys.by_owner(wanted.owner)], wanted.since, wanted.until), False
    dated = wanted.since is not None or wanted.until is not None
    if ended:
        # Who ended since then may have been made before it; nobody ends before he is made.
        names = [keys.ended(label) for label in _labels(state, wanted.disposition)]
        return StreamIndex("e", names, wanted.since, None, wanted.reason), not narrow and not dated
    match state:
        case State.SCHEDULED:
            return SortedSetIndex("d", keys.DUE), not narrow and not dated and not wanted.campaign
        case State.SUBMITTING:
            return SortedSetIndex("l", keys.LEASE, downwards=True), False
        case State.SUBMITTED:
            return SortedSetIndex("a", keys.AWAIT, downwards=True), False
        case State.UNCONFIRMED:
            return SortedSetIndex(
                "u", keys.UNCONFIRMED, downwards=True
            ), not narrow and not dated and not wanted.campaign
        case State.QUEUED:
            return (yield from _waiting(wanted))
    return StreamIndex("i", [keys.INDEX], wanted.since, wanted.until), not narrow and not wanted.reason


def _waiting(wanted: CallFilter) -> Steps[tuple[CallIndex, bool]]:
    """What is queued, in the order in which it will go."""
    accounts, live = yield [("SMEMBERS", keys.ACCOUNTS), ("SMEMBERS", keys.CAMPAIGNS_LIVE)]
    names = sorted(_text(name) for name in accounts if not wanted.account or _text(name) == wanted.account)
    lists = [keys.ready(name, priority) for priority in keys.PRIORITY_LETTERS for name in names]
    lists += [keys.campaign_ready(_text(id)) for id in sorted(live)]
    return ListIndex("q", lists[:9999], moving=True), False
