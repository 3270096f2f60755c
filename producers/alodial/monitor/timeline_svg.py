"""A call's course as shapes: a lane for us and one for each phone, time from left to right. Pure.

Time is not to scale: a wait of a day and a ring of five seconds stand side by side, longer ones wider (by their logarithm).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from .call_timeline import Party, TimelineMoment

LEFT: Final = 150
"""Units of the lanes' names."""

LANE: Final = 46
BAR: Final = 24
TOP: Final = 10
FOOT: Final = 26
WIDTH: Final = 1000
MAX_MOMENTS: Final = 60
"""The last ones of a call that was dialled again and again; the tables have them all."""

CHARACTER: Final = 7.2
"""Width of a letter at 12 units, a little too much."""

CLOCK_ROOM: Final = 78


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A change of state of ours; ``at`` is Unix seconds."""

    at: float
    state: str


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """``label`` is what has room on it, ``title`` all of it. ``number`` is the lane's."""

    x: float
    y: float
    width: float
    kind: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """A moment without a length. ``label`` stands to its right where nothing goes on at that phone after it."""

    x: float
    y: float
    kind: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class TimelineLane:
    """``party`` is ``us`` or whose phone it is."""

    y: float
    party: str
    number: str


@dataclass(frozen=True, slots=True)
class TimelineTick:
    """A line through all lanes; ``label`` is its time of day, "" where there is no room."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    width: float
    height: float
    lanes: list[TimelineLane] = field(default_factory=list)
    bars: list[TimelineBar] = field(default_factory=list)
    marks: list[TimelineMark] = field(default_factory=list)
    ticks: list[TimelineTick] = field(default_factory=list)
    shortened: bool = False


Say = Callable[[str, float | None], str]
"""A bar's words: its kind and its seconds, None while it goes on."""

Clock = Callable[[float], str]

_AFTER: Final = {"answered": "waits", "announced": "announced", "connected": "talk"}
"""What goes on at a phone after an event of its own."""


@dataclass(frozen=True, slots=True)
class _Span:
    begin: float
    end: float
    kind: str
    file: str = ""
    open: bool = False


def spans(moments: Sequence[TimelineMoment], party: Party, number: str, end: float) -> list[_Span]:
    """What went on at one phone, one thing after the other."""
    found: list[_Span] = []
    since, kind, file = 0.0, "", ""
    for one in moments:
        mine = one.party == party and one.number == number
        # When somebody is connected the initiator talks too; the end of the call ends it for all.
        talks = one.event == "connected" and party == "initiator" and kind != ""
        over = one.party == "call" and one.event == "ended"
        # Whoever heard an announcement waits from then on while somebody else is rung.
        waits = one.event == "ringing" and party == "initiator" and not mine and kind in ("announced", "waits")
        if not (mine or talks or over or waits):
            continue
        if kind:
            found.append(_Span(since, one.at, kind, file))
        since, file = one.at, one.file
        if over:
            kind = ""
        elif talks:
            kind = "talk"
        elif waits:
            kind, file = "waits", ""
        else:
            kind = "ringing" if one.event == "ringing" else _AFTER.get(one.event, "")
    if kind:
        found.append(_Span(since, max(since, end), kind, file, open=True))
    return found


def _lanes(moments: Sequence[TimelineMoment]) -> list[tuple[Party, str]]:
    found: list[tuple[Party, str]] = []
    for one in moments:
        if one.party != "call" and (one.party, one.number) not in found:
            found.append((one.party, one.number))
    return sorted(found, key=lambda lane: lane[0] != "initiator")


class _Axis:
    """Where a time stands. Between two neighbours the room grows with the logarithm of the time between them."""

    def __init__(self, times: Sequence[float]) -> None:
        self._times = sorted(set(times))
        rooms = [22 + 34 * math.log10(1 + 10 * (b - a)) for a, b in zip(self._times, self._times[1:], strict=False)]
        whole = sum(rooms) or 1.0
        stretch = max(1.0, (WIDTH - LEFT - 20) / whole)
        self._places = [float(LEFT)]
        for room in rooms:
            self._places.append(self._places[-1] + room * stretch)
        self.end = self._places[-1] if rooms else LEFT + 200.0

    def __call__(self, at: float) -> float:
        last = 0
        for index, time in enumerate(self._times):
            if time > at:
                break
            last = index
        if last + 1 >= len(self._times) or at <= self._times[last]:
            return round(self._places[last], 1)
        share = (at - self._times[last]) / (self._times[last + 1] - self._times[last])
        return round(self._places[last] + share * (self._places[last + 1] - self._places[last]), 1)

    @property
    def places(self) -> list[tuple[float, float]]:
        return list(zip(self._times, self._places, strict=True))


def _fits(text: str, width: float) -> str:
    return text if len(text) * CHARACTER + 10 <= width else ""


def draw_timeline(
    changes: Sequence[StateSpan], moments: Sequence[TimelineMoment], now: float, *, over: bool, say: Say, clock: Clock
) -> Timeline:
    """The picture of a call. ``over`` says that it has ended; else its last state goes on until ``now``."""
    times = sorted({one.at for one in changes} | {one.at for one in moments})
    shortened = len(times) > MAX_MOMENTS
    if shortened:
        first = times[-MAX_MOMENTS]
        earlier = [one for one in changes if one.at < first]
        # The state that it was in when the picture begins.
        changes = [StateSpan(first, one.state) for one in earlier[-1:]] + [one for one in changes if one.at >= first]
        moments = [one for one in moments if one.at >= first]
        times = times[-MAX_MOMENTS:]
    end = times[-1] if over and times else max([now, *times])
    axis = _Axis([*times, end])
    # An end lasts: it gets some room of its own. What goes on has a clock at its end.
    tail = max(60.0, len(say(f"state.{changes[-1].state}", None)) * CHARACTER + 12) if over and changes else 0.0
    rows = _lanes(moments)
    lanes = [TimelineLane(TOP, "us", ""), *(TimelineLane(TOP + LANE * (i + 1), *row) for i, row in enumerate(rows))]
    bars, marks = _ours(changes, axis, end, tail, over=over, say=say), []
    for lane, (party, number) in zip(lanes[1:], rows, strict=True):
        for span in spans(moments, party, number, end):
            x, width = axis(span.begin), max(3.0, axis(span.end) - axis(span.begin))
            words = say(span.kind, None if span.open else span.end - span.begin)
            title = f"{words} · {span.file}" if span.file else words
            bars.append(TimelineBar(x, lane.y, width, span.kind, title, _fits(words, width)))
        marks += [
            _mark(one, axis(one.at), lane.y, say)
            for one in moments
            if (one.party, one.number) == (party, number) and one.event not in ("ringing", "announced")
        ]
    height = TOP + LANE * len(lanes) + FOOT
    return Timeline(
        round(axis.end + max(tail + 20, CLOCK_ROOM)),
        height,
        lanes,
        bars,
        marks,
        _ticks(axis, {one.at for one in changes}, clock),
        shortened,
    )


def _mark(one: TimelineMoment, x: float, y: float, say: Say) -> TimelineMark:
    words = say(f"event.{one.event}", None)
    return TimelineMark(x, y, one.event, words, "" if one.event in _AFTER else words)


def _ours(
    changes: Sequence[StateSpan], axis: _Axis, end: float, tail: float, *, over: bool, say: Say
) -> list[TimelineBar]:
    found = []
    for index, one in enumerate(changes):
        last = index + 1 == len(changes)
        until = end if last else changes[index + 1].at
        x = axis(one.at)
        width = max(3.0, axis(until) - x + (tail if last and over else 0.0))
        lasted = None if last else until - one.at
        words = say(f"state.{one.state}", lasted)
        found.append(
            TimelineBar(
                x,
                TOP,
                width,
                f"state-{one.state}",
                words,
                _fits(words, width) or _fits(say(f"state.{one.state}", None), width),
            )
        )
    return found


def _ticks(axis: _Axis, ours: set[float], clock: Clock) -> list[TimelineTick]:
    found: list[TimelineTick] = []
    free = 0.0
    for at, place in axis.places:
        label = ""
        if place >= free:
            label, free = clock(at), place + CLOCK_ROOM
        if label or at in ours:
            found.append(TimelineTick(round(place, 1), label))
    return found
