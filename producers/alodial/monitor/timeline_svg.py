"""Lays out a call's timeline as shapes of an SVG: a lane for Alodial and one for each phone, time from left to right. Pure.

Time is not to scale: a wait of a day stands beside a ring of five seconds, so widths grow with the logarithm of the time.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ..calls.call_timeline import Party, TimelineMoment

LEFT: Final = 150
"""Units for the names of the lanes."""

LANE: Final = 46
TOP: Final = 10
FOOT: Final = 26
WIDTH: Final = 1000
MAX_MOMENTS: Final = 60
"""Only the last moments of a call that was dialled again and again are drawn; the tables below have all of them."""

CHARACTER: Final = 7.2
"""Width of a letter at 12 units, rounded up."""

CLOCK_WIDTH: Final = 78


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A change of the call's state; ``at`` is Unix seconds."""

    at: float
    state: str


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """``label`` is the text that fits on the bar, ``title`` the whole text."""

    x: float
    y: float
    width: float
    kind: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """A moment. ``label`` stands to its right where nothing follows at that phone."""

    x: float
    y: float
    kind: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class TimelineLane:
    """``party`` is ``us`` for Alodial's own lane."""

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
    """``shortened`` when earlier moments are left out."""

    width: float
    height: float
    lanes: list[TimelineLane] = field(default_factory=list)
    bars: list[TimelineBar] = field(default_factory=list)
    marks: list[TimelineMark] = field(default_factory=list)
    ticks: list[TimelineTick] = field(default_factory=list)
    shortened: bool = False


Label = Callable[[str, float | None], str]
"""The text of a bar or mark, from its kind and its seconds; None while it goes on."""

Clock = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class PhoneSpan:
    """Ringing or talking at one phone, in Unix seconds; ``open`` while it goes on."""

    begin: float
    end: float
    kind: str
    open: bool = False


def phone_spans(moments: Sequence[TimelineMoment], party: Party, number: str, end: float) -> list[PhoneSpan]:
    """What went on at one phone, in order. ``end`` closes what still goes on."""
    spans: list[PhoneSpan] = []
    since, kind = 0.0, ""
    for moment in moments:
        own = moment.party == party and moment.number == number
        # The initiator talks once anybody is connected; the end of the call ends it for all.
        talks = moment.event == "connected" and (own or (party == "initiator" and kind != ""))
        over = moment.party == "call" and moment.event == "ended"
        if not (own or talks or over):
            continue
        if kind:
            spans.append(PhoneSpan(since, moment.at, kind))
        since = moment.at
        kind = "talk" if talks else "ringing" if moment.event == "ringing" else ""
    if kind:
        spans.append(PhoneSpan(since, max(since, end), kind, open=True))
    return spans


def _phones(moments: Sequence[TimelineMoment]) -> list[tuple[Party, str]]:
    """The phones in the order in which they rang, the initiator's first."""
    phones = dict.fromkeys((moment.party, moment.number) for moment in moments if moment.party != "call")
    return sorted(phones, key=lambda phone: phone[0] != "initiator")


class _Axis:
    """Maps a time to its x. The room between two neighbours grows with the logarithm of the time between them."""

    def __init__(self, times: Sequence[float]) -> None:
        self._times = sorted(set(times))
        rooms = [22 + 34 * math.log10(1 + 10 * (b - a)) for a, b in pairwise(self._times)]
        stretch = max(1.0, (WIDTH - LEFT - 20) / (sum(rooms) or 1.0))
        self._places = [float(LEFT)]
        for room in rooms:
            self._places.append(self._places[-1] + room * stretch)
        self.end = self._places[-1] if rooms else LEFT + 200.0

    def __call__(self, at: float) -> float:
        last = max(0, bisect_right(self._times, at) - 1)
        if last + 1 >= len(self._times) or at <= self._times[last]:
            return round(self._places[last], 1)
        share = (at - self._times[last]) / (self._times[last + 1] - self._times[last])
        return round(self._places[last] + share * (self._places[last + 1] - self._places[last]), 1)

    def ticks(self, own: set[float], clock: Clock) -> list[TimelineTick]:
        """A tick for each time of Alodial's ``own`` lane and for each other time that has room for a clock."""
        ticks: list[TimelineTick] = []
        free = 0.0
        for at, place in zip(self._times, self._places, strict=True):
            label = ""
            if place >= free:
                label, free = clock(at), place + CLOCK_WIDTH
            if label or at in own:
                ticks.append(TimelineTick(round(place, 1), label))
        return ticks


def _fits(text: str, width: float) -> str:
    return text if len(text) * CHARACTER + 10 <= width else ""


def draw_timeline(
    changes: Sequence[StateSpan],
    moments: Sequence[TimelineMoment],
    now: float,
    *,
    over: bool,
    label: Label,
    clock: Clock,
) -> Timeline:
    """The picture of a call. ``over`` when it has ended; else its last state goes on until ``now``, Unix seconds."""
    times = sorted({change.at for change in changes} | {moment.at for moment in moments})
    shortened = len(times) > MAX_MOMENTS
    if shortened:
        times = times[-MAX_MOMENTS:]
        first = times[0]
        # The state that the call was in when the picture begins.
        before = [StateSpan(first, change.state) for change in changes if change.at < first]
        changes = before[-1:] + [change for change in changes if change.at >= first]
        moments = [moment for moment in moments if moment.at >= first]
    end = times[-1] if over and times else max([now, *times])
    axis = _Axis([*times, end])
    # The last state of a call that is over has no length, so it gets room for its name.
    tail = max(60.0, len(label(f"state.{changes[-1].state}", None)) * CHARACTER + 12) if over and changes else 0.0
    phones = _phones(moments)
    lanes = [TimelineLane(TOP, "us", "")]
    bars, marks = _state_bars(changes, axis, end, tail, label), []
    for party, number in phones:
        lane = TimelineLane(TOP + LANE * len(lanes), party, number)
        lanes.append(lane)
        for span in phone_spans(moments, party, number, end):
            x, width = axis(span.begin), max(3.0, axis(span.end) - axis(span.begin))
            title = label(span.kind, None if span.open else span.end - span.begin)
            bars.append(TimelineBar(x, lane.y, width, span.kind, title, _fits(title, width)))
        for moment in moments:
            if (moment.party, moment.number) == (party, number) and moment.event != "ringing":
                title = label(f"event.{moment.event}", None)
                beside = "" if moment.event == "connected" else title
                marks.append(TimelineMark(axis(moment.at), lane.y, moment.event, title, beside))
    return Timeline(
        round(axis.end + max(tail + 20, CLOCK_WIDTH)),
        TOP + LANE * len(lanes) + FOOT,
        lanes,
        bars,
        marks,
        axis.ticks({change.at for change in changes}, clock),
        shortened,
    )


def _state_bars(changes: Sequence[StateSpan], axis: _Axis, end: float, tail: float, label: Label) -> list[TimelineBar]:
    bars = []
    for index, change in enumerate(changes):
        last = index + 1 == len(changes)
        until = end if last else changes[index + 1].at
        x = axis(change.at)
        width = max(3.0, axis(until) - x + (tail if last else 0.0))
        name = label(f"state.{change.state}", None)
        title = name if last else label(f"state.{change.state}", until - change.at)
        bars.append(
            TimelineBar(x, TOP, width, f"state-{change.state}", title, _fits(title, width) or _fits(name, width))
        )
    return bars
