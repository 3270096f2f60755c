"""The course of one call: which numbers ring in which order, what they hear, and how it ends. No clock, no socket."""

import zlib
from collections.abc import Generator
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, NamedTuple

from .behaviours import Behaviour
from .call_request import CallRequest
from .config import Announcements
from .scenario import Scenario, ScenarioPart

Party = Literal["initiator", "recipient", "queue", "ivr", "call"]

# Simulated seconds that a number rings, from and to, by its behaviour. By custom an Asterisk Dial gives up after 30.
RING: Final = {
    Behaviour.ANSWERS: (3.0, 9.0),
    Behaviour.BUSY: (1.0, 2.5),
    Behaviour.NO_ANSWER: (25.0, 30.0),
    Behaviour.CONGESTION: (0.5, 1.5),
    Behaviour.UNAVAILABLE: (0.5, 2.0),
    Behaviour.CANCELED: (5.0, 15.0),
}
TALK: Final = (8.0, 60.0)
ANNOUNCEMENT: Final = (3.0, 5.0)

DIALSTATUS: Final = {
    Behaviour.ANSWERS: "ANSWER",
    Behaviour.BUSY: "BUSY",
    Behaviour.NO_ANSWER: "NOANSWER",
    Behaviour.CONGESTION: "CONGESTION",
    Behaviour.UNAVAILABLE: "CHANUNAVAIL",
    Behaviour.CANCELED: "CANCEL",
}


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """An entry of a timeline; `after` is in simulated seconds from the request."""

    after: float
    party: Party
    number: str | None
    event: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedTry:
    """A number that rang; times in simulated seconds from the request."""

    number: str
    dialstatus: str
    begin: float
    answer: float | None
    end: float


@dataclass(slots=True)
class CallLeg:
    """A phone or queue of a call. `state` is waiting, ringing, on_line, talking, over, not_rung or a failed Behaviour."""

    party: Party
    number: str
    state: str = "waiting"
    rang_at: float = 0.0


class Pause(NamedTuple):
    """Time that passes in a call while `leg` rings, hears an announcement or talks.

    `fixed` is its length in simulated seconds as the scenario has it; None: it is drawn from `span`.
    """

    stage: Literal["ringing", "announcing", "talking"]
    leg: CallLeg
    fixed: float | None
    span: tuple[float, float]

    def length(self, draw: Random) -> float:
        """Simulated seconds."""
        return draw.uniform(*self.span) if self.fixed is None else self.fixed


Course = Generator[Pause, Behaviour | None, None]


@dataclass(slots=True)
class CallPlan:
    """A call: its legs in the order in which they ring, its steps so far, and what its result will say.

    `clock` is in simulated seconds from the request; whoever runs the course advances it. `taken_by` is the number that
    was connected.
    """

    legs: list[CallLeg]
    steps: list[PlannedStep] = field(default_factory=list)
    tries: list[PlannedTry] = field(default_factory=list)
    clock: float = 0.0
    dialstatus: str = ""
    taken_by: str | None = None
    answered: float | None = None
    ended: float = 0.0

    @property
    def rung(self) -> int:
        """How many numbers rang."""
        return sum(step.event == "ringing" for step in self.steps)

    def course(self, scenario: Scenario, announcements: Announcements) -> Course:
        """Runs the call: notes its steps and yields each Pause. Send the Behaviour that ends a ring, or None for the
        scenario's own."""
        first, *others = self.legs
        behaviour = yield from self._ring(first, scenario)
        if behaviour is not Behaviour.ANSWERS:
            return self._end(behaviour)
        if first.party == "ivr":
            return (yield from self._talk(first, scenario))
        yield from self._announce(first, announcements.initiator)
        for left, leg in zip(range(len(others) - 1, -1, -1), others, strict=True):
            behaviour = yield from self._ring(leg, scenario)
            if behaviour is Behaviour.ANSWERS:
                yield from self._announce(leg, announcements.recipient)
                return (yield from self._talk(leg, scenario))
            if behaviour is Behaviour.CANCELED:
                # The initiator hung up: nobody is left to hear an announcement or to be connected.
                break
            yield from self._announce(first, announcements.next if left else announcements.failed)
        return self._end(behaviour)

    def _note(self, leg: CallLeg, event: str, file: str | None = None) -> None:
        self.steps.append(PlannedStep(self.clock, leg.party, leg.number, event, file))

    def _ring(self, leg: CallLeg, scenario: Scenario) -> Generator[Pause, Behaviour | None, Behaviour]:
        leg.state, leg.rang_at = "ringing", self.clock
        self._note(leg, "ringing")
        part = _part(leg, scenario)
        behaviour = (yield Pause("ringing", leg, part.ring_seconds, RING[part.behaviour])) or part.behaviour
        if behaviour is Behaviour.ANSWERS:
            leg.state = "on_line"
            self._note(leg, "answered")
            return behaviour
        leg.state = behaviour.value
        # A ring that was given up has no event of its own.
        if behaviour is not Behaviour.CANCELED:
            self._note(leg, behaviour.value)
        self.tries.append(PlannedTry(leg.number, DIALSTATUS[behaviour], leg.rang_at, None, self.clock))
        return behaviour

    def _announce(self, leg: CallLeg, file: str | None) -> Course:
        if file is not None:
            self._note(leg, "announced", file)
            yield Pause("announcing", leg, None, ANNOUNCEMENT)

    def _talk(self, leg: CallLeg, scenario: Scenario) -> Course:
        self._note(leg, "connected")
        self.legs[0].state = leg.state = "talking"
        self.taken_by, self.answered = leg.number, self.clock
        yield Pause("talking", leg, _part(leg, scenario).talk_seconds, TALK)
        self.tries.append(PlannedTry(leg.number, DIALSTATUS[Behaviour.ANSWERS], leg.rang_at, self.answered, self.clock))
        self._end(Behaviour.ANSWERS)

    def _end(self, behaviour: Behaviour) -> None:
        for leg in self.legs:
            if leg.state in ("on_line", "talking"):
                leg.state = "over"
            elif leg.state == "waiting":
                leg.state = "not_rung"
        self.steps.append(PlannedStep(self.clock, "call", None, "ended"))
        self.dialstatus, self.ended = DIALSTATUS[behaviour], self.clock


def plan_of(request: CallRequest) -> CallPlan:
    """A plan whose call has not begun."""
    if request.initiator is None:
        return CallPlan([CallLeg("ivr", request.recipients[0].number)])
    others = [CallLeg("queue" if entry.is_queue else "recipient", entry.number) for entry in request.recipients]
    return CallPlan([CallLeg("initiator", request.initiator), *others])


def simulate(request: CallRequest, scenario: Scenario, announcements: Announcements, seed: int = 0) -> CallPlan:
    """The whole plan of a call that plays automatically. The same numbers and seed give the same plan."""
    numbers = "/".join([str(seed), request.first, *(recipient.number for recipient in request.recipients)])
    draw = Random(zlib.crc32(numbers.encode()))
    plan = plan_of(request)
    for pause in plan.course(scenario, announcements):
        plan.clock += pause.length(draw)
    return plan


def _part(leg: CallLeg, scenario: Scenario) -> ScenarioPart:
    return scenario.queue(leg.number) if leg.party == "queue" else scenario.number(leg.number)
