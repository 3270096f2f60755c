"""The course of a call that a person plays: the same steps as by itself, each when the person says so."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Final

from .behaviours import Behaviour
from .call_request import CallRequest
from .config import SandboxConfig
from .manual_play import BEHAVIOURS, LineState, ManualAct, ManualCall, ManualLine
from .scenario import ScenarioPart
from .simulation import DIALSTATUS, RING, TALK, CallPlan, Party, PlannedStep, PlannedTry

_FAILED: Final[dict[Behaviour, LineState]] = {
    Behaviour.BUSY: "busy",
    Behaviour.NO_ANSWER: "no_answer",
    Behaviour.CONGESTION: "congestion",
    Behaviour.UNAVAILABLE: "unavailable",
    Behaviour.CANCELED: "canceled",
}


def lines_of(order: CallRequest) -> list[ManualLine]:
    """Every phone and queue of an order, the one that is rung first in front."""
    if order.initiator is None:
        return [ManualLine("ivr", order.recipients[0].number)]
    others = [ManualLine("queue" if one.is_queue else "recipient", one.number) for one in order.recipients]
    return [ManualLine("initiator", order.initiator), *others]


def first_ring(lines: list[ManualLine]) -> CallPlan:
    """A course that has just begun: the first phone rings."""
    lines[0].state = "ringing"
    step = PlannedStep(0.0, lines[0].party, lines[0].number, "ringing")
    return CallPlan((step,), dialstatus="", taken_by=None, answered=None, ended=0.0, tries=())


class ManualFlow:
    """Plays one call and writes its course as it goes. Its clock is life's: real seconds times the speed."""

    def __init__(self, held: ManualCall, config: SandboxConfig) -> None:
        self._held = held
        self._call = held.call
        self._lines = held.lines
        self._config = config
        self._draw = Random(f"{config.seed}/{held.call.key}")
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()

    @property
    def _clock(self) -> float:
        return (self._loop.time() - self._begun) * self._config.speed

    def _note(self, party: Party, number: str | None, event: str, file: str | None = None) -> float:
        """Adds a step that has come to pass; its time."""
        after = self._clock
        course = self._call.course
        self._call.course = replace(course, steps=(*course.steps, PlannedStep(after, party, number, event, file)))
        self._call.played += 1
        return after

    def _tried(self, one: PlannedTry) -> None:
        course = self._call.course
        self._call.course = replace(course, tries=(*course.tries, one))

    def _part(self, line: ManualLine) -> ScenarioPart:
        scenario = self._config.scenario
        return scenario.queue(line.number) if line.party == "queue" else scenario.number(line.number)

    def _real(self, given: float | None, drawn: tuple[float, float]) -> float:
        """Real seconds of a time of life that a scenario gives, else a draw."""
        return (self._draw.uniform(*drawn) if given is None else given) / self._config.speed

    async def play(self) -> None:
        """From the first ring, which is noted already, to the end of the call."""
        first, *others = self._lines
        how = await self._ring(first, began=0.0)
        if how is not Behaviour.ANSWERS:
            return self._end(how)
        if first.party == "ivr":
            return await self._talk(first)
        first.state = "on_line"
        files = self._config.announcements
        self._announce(first, files.initiator)
        for left, line in zip(range(len(others) - 1, -1, -1), others, strict=True):
            how = await self._ring(line, began=self._note(line.party, line.number, "ringing"))
            if how is Behaviour.ANSWERS:
                self._announce(line, files.recipient)
                return await self._talk(line)
            if how is Behaviour.CANCELED:
                break
            self._announce(first, files.next if left else files.failed)
        return self._end(how)

    async def _ring(self, line: ManualLine, began: float) -> Behaviour:
        line.state = "ringing"
        part = self._part(line)
        # Only whoever waits on the line can hang up while another phone rings.
        acts = [act for act in BEHAVIOURS if act is not ManualAct.HANG_UP or line is not self._lines[0]]
        act = await self._held.ask("ringing", acts, natural=self._real(part.ring_seconds, RING[part.behaviour]))
        how = part.behaviour if act is None else BEHAVIOURS[act]
        if how is Behaviour.ANSWERS:
            self._note(line.party, line.number, "answered")
            return how
        line.state = _FAILED[how]
        ended = self._clock if how is Behaviour.CANCELED else self._note(line.party, line.number, how.value)
        self._tried(PlannedTry(line.number, DIALSTATUS[how], began, None, ended))
        return how

    def _announce(self, line: ManualLine, file: str | None) -> None:
        # It takes no time by hand: a person has nothing to do while it plays.
        if file is not None:
            self._note(line.party, line.number, "announced", file)

    async def _talk(self, line: ManualLine) -> None:
        steps = self._call.course.steps
        began = next(step.after for step in reversed(steps) if step.event == "ringing")
        answered = self._note(line.party, line.number, "connected")
        self._lines[0].state = line.state = "talking"
        self._call.course = replace(self._call.course, taken_by=line.number, answered=answered)
        await self._held.ask("talking", (ManualAct.HANG_UP,), natural=self._real(self._part(line).talk_seconds, TALK))
        self._tried(PlannedTry(line.number, DIALSTATUS[Behaviour.ANSWERS], began, answered, self._clock))
        self._end(Behaviour.ANSWERS)

    def _end(self, how: Behaviour) -> None:
        for line in self._lines:
            if line.state in ("on_line", "talking"):
                line.state = "over"
            elif line.state == "waiting":
                line.state = "not_rung"
        ended = self._note("call", None, "ended")
        self._call.course = replace(self._call.course, dialstatus=DIALSTATUS[how], ended=ended)
