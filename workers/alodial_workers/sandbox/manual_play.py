"""Calls whose phones a person plays: which acts are possible now, and how long to wait before automatic play resumes."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from random import Random
from typing import Final, Literal

from .behaviours import Behaviour, Trouble
from .config import SandboxConfig
from .ledger import LedgerCall
from .simulation import Pause

Stage = Literal["ringing", "talking", "ended", "late", "reporting", "done"]
Delivery = Literal["delivered", "given_up", "never", "nowhere"]

# A person plays no more phones at a time. Further calls play automatically, so that a campaign does not jam.
MAX_HELD: Final = 20
_MAX_RECENT: Final = 10


class ManualAct(StrEnum):
    """What a person can do with a phone, and with the result of a call that is over."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CONGESTION = "congestion"
    UNAVAILABLE = "unavailable"
    HANG_UP = "hang_up"
    SEND = "send"
    SEND_TWICE = "send_twice"
    SEND_LATE = "send_late"
    SEND_NEVER = "send_never"
    SEND_GARBLED = "send_garbled"


# What an act makes of a phone that rings.
_BEHAVIOURS: Final = {
    ManualAct.ANSWER: Behaviour.ANSWERS,
    ManualAct.BUSY: Behaviour.BUSY,
    ManualAct.NO_ANSWER: Behaviour.NO_ANSWER,
    ManualAct.CONGESTION: Behaviour.CONGESTION,
    ManualAct.UNAVAILABLE: Behaviour.UNAVAILABLE,
    ManualAct.HANG_UP: Behaviour.CANCELED,
}

# The troubles that each choice for a result stands for.
SENDS: Final[dict[ManualAct, frozenset[Trouble]]] = {
    ManualAct.SEND: frozenset(),
    ManualAct.SEND_TWICE: frozenset({Trouble.DOUBLE}),
    ManualAct.SEND_LATE: frozenset(),
    ManualAct.SEND_NEVER: frozenset({Trouble.NO_CALLBACK}),
    ManualAct.SEND_GARBLED: frozenset({Trouble.UNREADABLE}),
}


class ManualCall:
    """A call that a person plays.

    `turn` grows with each stage, so that an act meant for one stage cannot hit the next. `alone`: nobody acted in time,
    and the call plays automatically until somebody acts again. `sent` and `delivery`: what became of its result.
    """

    def __init__(self, manual: "ManualPlay", call: LedgerCall, config: SandboxConfig) -> None:
        self.call = call
        self._config = config
        self._course = call.plan.course(config.scenario, config.announcements)
        self._pause = next(self._course)
        self.stage: Stage = "ringing"
        self.turn = 0
        self.acts: frozenset[ManualAct] = frozenset()
        self.since = call.begun
        self.until: float | None = None
        self.alone = False
        self.sent: ManualAct | None = None
        self.delivery: Delivery | None = None
        self._manual = manual
        self._waiting: asyncio.Future[ManualAct | None] | None = None

    async def play(self) -> None:
        """Plays the call, whose first phone rings already, to its end. Its clock is real seconds times the speed."""
        plan, loop, speed = self.call.plan, asyncio.get_running_loop(), self._config.speed
        draw, begun = Random(f"{self._config.seed}/{self.call.key}"), loop.time()
        while True:
            pause, behaviour = self._pause, None
            # An announcement takes no time: a person has nothing to do while it plays.
            if pause.stage != "announcing":
                act = await self.wait(pause.stage, _acts(pause, self.call), natural=pause.length(draw) / speed)
                behaviour = None if act is None else _BEHAVIOURS[act]
                plan.clock = (loop.time() - begun) * speed
            try:
                self._pause = self._course.send(behaviour)
            except StopIteration:
                return
            finally:
                self.call.played = len(plan.steps)

    def enter(self, stage: Stage, acts: Iterable[ManualAct] = (), seconds: float | None = None) -> None:
        """Begins a stage; automatic play resumes after `seconds` real ones."""
        self.stage, self.acts = stage, frozenset(acts)
        self.turn += 1
        self.since = time.time()
        self.until = None if seconds is None else self.since + seconds

    async def wait(
        self, stage: Stage, acts: Iterable[ManualAct], *, natural: float, patience: float | None = None
    ) -> ManualAct | None:
        """The act that somebody does; None when automatic play resumes. Times are real seconds: `natural` for a call
        that is alone, else `patience`, by default the sandbox's `hand_seconds`."""
        seconds = natural if self.alone else self._manual.seconds if patience is None else patience
        self.enter(stage, acts, seconds)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                act = await self._waiting
        except TimeoutError:
            act = None
        finally:
            self._waiting = None
        self.alone = act is None or not self._manual.on
        return act

    async def act(self, act: ManualAct, turn: int | None = None) -> bool:
        """Does an act and waits until the call has moved on. False if `turn` is over or the act is not possible in it."""
        if self._waiting is None or self._waiting.done() or act not in self.acts or turn not in (None, self.turn):
            return False
        before = self.turn
        self._waiting.set_result(act)
        # The call moves on in its own task.
        for _ in range(10):
            if self.turn != before:
                break
            await asyncio.sleep(0)
        return True

    def let_go(self) -> None:
        """Resumes automatic play now. A late result stays late."""
        if self._waiting is not None and not self._waiting.done() and self.stage != "late":
            self._waiting.set_result(None)


def _acts(pause: Pause, call: LedgerCall) -> list[ManualAct]:
    if pause.stage == "talking":
        return [ManualAct.HANG_UP]
    # Only a person who is on the line can hang up while another phone rings.
    return [act for act in _BEHAVIOURS if act is not ManualAct.HANG_UP or pause.leg is not call.plan.legs[0]]


class ManualPlay:
    """The calls that a person plays, and whether new ones join them. `seconds`: real ones to wait for an act."""

    def __init__(self, seconds: float, *, on: bool) -> None:
        self.on = on
        self.seconds = seconds
        self._held: dict[int, ManualCall] = {}
        self._recent: deque[ManualCall] = deque(maxlen=_MAX_RECENT)

    @property
    def free(self) -> bool:
        """Whether the next call is played by hand."""
        return self.on and len(self._held) < MAX_HELD

    def take(self, call: LedgerCall, config: SandboxConfig) -> ManualCall:
        """Adds a call, whose first phone begins to ring."""
        held = self._held[call.id] = ManualCall(self, call, config)
        return held

    def release(self, held: ManualCall) -> None:
        """Moves a call whose result is delivered or not to the recent ones."""
        held.enter("done")
        del self._held[held.call.id]
        self._recent.append(held)

    def switch(self, *, on: bool) -> None:
        """Switches manual play on or off. Off, the held calls play on automatically at once."""
        self.on = on
        if not on:
            for held in self._held.values():
                held.let_go()

    def find(self, key: str, call_id: int | None = None) -> ManualCall | None:
        """The held call of an extid: the oldest, or the one of that id."""
        matches = (held for held in self._held.values() if held.call.key == key and call_id in (None, held.call.id))
        return next(matches, None)

    @property
    def held(self) -> list[ManualCall]:
        """Oldest first."""
        return list(self._held.values())

    @property
    def recent(self) -> list[ManualCall]:
        """The last calls that are over, newest first."""
        return list(reversed(self._recent))
