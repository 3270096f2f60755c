"""The pure course of one call, as PROVIDER.md draws it: timed steps and a result, without a clock or a socket."""

import zlib
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from .behaviours import Behaviour
from .call_request import CallRequest, Recipient
from .config import Announcements
from .scenario import Scenario, ScenarioPart

Party = Literal["initiator", "recipient", "queue", "ivr", "call"]

# Seconds of life that a number rings, from and to, by what becomes of it. An Asterisk Dial gives up after 30 by custom.
RING: Final = {
    Behaviour.ANSWERS: (3.0, 9.0),
    Behaviour.BUSY: (1.0, 2.5),
    Behaviour.NO_ANSWER: (25.0, 30.0),
    Behaviour.CONGESTION: (0.5, 1.5),
    Behaviour.UNAVAILABLE: (0.5, 2.0),
    Behaviour.CANCELED: (5.0, 15.0),
}
TALK: Final = (8.0, 60.0)
_ANNOUNCEMENT: Final = (3.0, 5.0)

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
    """One entry of a timeline; `after` is in seconds of life from the request."""

    after: float
    party: Party
    number: str | None
    event: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedTry:
    """One number that was rung; times in seconds of life from the request."""

    number: str
    dialstatus: str
    begin: float
    answer: float | None
    end: float


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A whole call: its steps in order, and what its result will say. `taken_by` is the number that was connected."""

    steps: tuple[PlannedStep, ...]
    dialstatus: str
    taken_by: str | None
    answered: float | None
    ended: float
    tries: tuple[PlannedTry, ...]

    @property
    def legs(self) -> int:
        """How many numbers were rung."""
        return sum(step.event == "ringing" for step in self.steps)


@dataclass(slots=True)
class _Playing:
    """The call as it goes: its clock, the steps so far, and where its draws come from."""

    scenario: Scenario
    announcements: Announcements
    draw: Random
    clock: float = 0.0
    steps: list[PlannedStep] = field(default_factory=list)
    tries: list[PlannedTry] = field(default_factory=list)

    def note(self, party: Party, number: str | None, event: str, file: str | None = None) -> None:
        self.steps.append(PlannedStep(self.clock, party, number, event, file))

    def ring(self, party: Party, number: str, part: ScenarioPart) -> Behaviour:
        """Rings a number until it answers or fails, and notes both. A given-up ring has no event of its own."""
        began = self.clock
        self.note(party, number, "ringing")
        self.clock += self.draw.uniform(*RING[part.behaviour]) if part.ring_seconds is None else part.ring_seconds
        if part.behaviour is Behaviour.ANSWERS:
            self.note(party, number, "answered")
        else:
            if part.behaviour is not Behaviour.CANCELED:
                self.note(party, number, part.behaviour.value)
            self.tries.append(PlannedTry(number, DIALSTATUS[part.behaviour], began, None, self.clock))
        return part.behaviour

    def announce(self, party: Party, number: str, file: str | None) -> None:
        if file is not None:
            self.note(party, number, "announced", file)
            self.clock += self.draw.uniform(*_ANNOUNCEMENT)

    def talk(self, party: Party, number: str, part: ScenarioPart) -> CallPlan:
        began = next(step.after for step in reversed(self.steps) if step.event == "ringing")
        self.note(party, number, "connected")
        answered = self.clock
        self.clock += self.draw.uniform(*TALK) if part.talk_seconds is None else part.talk_seconds
        self.tries.append(PlannedTry(number, DIALSTATUS[Behaviour.ANSWERS], began, answered, self.clock))
        return self.end(Behaviour.ANSWERS, number, answered)

    def end(self, how: Behaviour, taken_by: str | None = None, answered: float | None = None) -> CallPlan:
        self.note("call", None, "ended")
        return CallPlan(tuple(self.steps), DIALSTATUS[how], taken_by, answered, self.clock, tuple(self.tries))


def play(order: CallRequest, scenario: Scenario, announcements: Announcements, seed: int = 0) -> CallPlan:
    """The course of an order. The same numbers and the same seed always take the same course."""
    numbers = "/".join([str(seed), order.first, *(recipient.number for recipient in order.recipients)])
    playing = _Playing(scenario, announcements, Random(zlib.crc32(numbers.encode())))
    return _ivr(order, playing) if order.initiator is None else _two_way(order.initiator, order.recipients, playing)


def _ivr(order: CallRequest, playing: _Playing) -> CallPlan:
    number = order.recipients[0].number
    part = playing.scenario.number(number)
    behaviour = playing.ring("ivr", number, part)
    return playing.talk("ivr", number, part) if behaviour is Behaviour.ANSWERS else playing.end(behaviour)


def _two_way(initiator: str, recipients: tuple[Recipient, ...], playing: _Playing) -> CallPlan:
    behaviour = playing.ring("initiator", initiator, playing.scenario.number(initiator))
    if behaviour is not Behaviour.ANSWERS:
        return playing.end(behaviour)
    playing.announce("initiator", initiator, playing.announcements.initiator)
    for left, recipient in zip(range(len(recipients) - 1, -1, -1), recipients, strict=True):
        party: Party = "queue" if recipient.is_queue else "recipient"
        scenario = playing.scenario
        part = scenario.queue(recipient.number) if recipient.is_queue else scenario.number(recipient.number)
        behaviour = playing.ring(party, recipient.number, part)
        if behaviour is Behaviour.ANSWERS:
            playing.announce(party, recipient.number, playing.announcements.recipient)
            return playing.talk(party, recipient.number, part)
        if behaviour is Behaviour.CANCELED:
            # The initiator hung up: there is nobody left to hear an announcement or to be connected.
            break
        file = playing.announcements.next if left else playing.announcements.failed
        playing.announce("initiator", initiator, file)
    return playing.end(behaviour)
