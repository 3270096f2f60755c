"""Calls that a person plays: what each waits for, and how long before life goes on without them."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from .behaviours import Behaviour, Trouble
from .ledger import LedgerCall
from .simulation import Party

Stage = Literal["ringing", "talking", "ended", "late", "reporting", "done"]
LineState = Literal[
    "waiting", "ringing", "on_line", "talking", "over", "not_rung", "busy", "no_answer", "congestion", "unavailable", "canceled"
]  # fmt: skip
Fate = Literal["delivered", "given_up", "never", "nowhere"]

MAX_HELD: Final = 20
"""Calls in hand at a time: nobody plays more phones. Those beyond play themselves, so that a campaign does not jam."""
MAX_RECENT: Final = 10


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


BEHAVIOURS: Final = {
    ManualAct.ANSWER: Behaviour.ANSWERS,
    ManualAct.BUSY: Behaviour.BUSY,
    ManualAct.NO_ANSWER: Behaviour.NO_ANSWER,
    ManualAct.CONGESTION: Behaviour.CONGESTION,
    ManualAct.UNAVAILABLE: Behaviour.UNAVAILABLE,
    ManualAct.HANG_UP: Behaviour.CANCELED,
}
"""What an act makes of a phone that rings."""

SENDS: Final[dict[ManualAct, frozenset[Trouble]]] = {
    ManualAct.SEND: frozenset(),
    ManualAct.SEND_TWICE: frozenset({Trouble.DOUBLE}),
    ManualAct.SEND_LATE: frozenset(),
    ManualAct.SEND_NEVER: frozenset({Trouble.NO_CALLBACK}),
    ManualAct.SEND_GARBLED: frozenset({Trouble.UNREADABLE}),
}
"""The troubles that each choice stands for."""


@dataclass(slots=True)
class ManualLine:
    """One phone or queue of a call, in the order in which they are rung."""

    party: Party
    number: str
    state: LineState = "waiting"


class ManualCall:
    """A call in hand. ``turn`` grows with each stage, so that an act meant for one cannot hit the next.

    ``alone`` is a call that nobody acted on in time: it goes on at life's pace until somebody acts again.
    """

    def __init__(self, hands: "ManualPlay", call: LedgerCall, lines: list[ManualLine]) -> None:
        self.call = call
        self.lines = lines
        self.stage: Stage = "ringing"
        self.turn = 0
        self.acts: frozenset[ManualAct] = frozenset()
        self.since = call.begun
        self.until: float | None = None
        self.alone = False
        self.sent: ManualAct | None = None
        self.fate: Fate | None = None
        self._hands = hands
        self._waiting: asyncio.Future[ManualAct | None] | None = None

    def enter(self, stage: Stage, acts: Iterable[ManualAct] = (), seconds: float | None = None) -> None:
        """Begins a stage; ``seconds`` are real ones until life goes on."""
        self.stage, self.acts = stage, frozenset(acts)
        self.turn += 1
        self.since = time.time()
        self.until = None if seconds is None else self.since + seconds

    async def ask(
        self, stage: Stage, acts: Iterable[ManualAct], *, natural: float, patience: float | None = None
    ) -> ManualAct | None:
        """What the person does; None if life is to go on. A call alone waits ``natural`` real seconds, another one
        ``patience``, or as long as the sandbox was told to wait for a hand."""
        seconds = natural if self.alone else self._hands.seconds if patience is None else patience
        self.enter(stage, acts, seconds)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                act = await self._waiting
        except TimeoutError:
            act = None
        finally:
            self._waiting = None
        self.alone = act is None or not self._hands.on
        return act

    def act(self, act: ManualAct, turn: int | None = None) -> bool:
        """Whether it could be done: this is still that turn, and the act belongs to it."""
        if self._waiting is None or self._waiting.done() or act not in self.acts or turn not in (None, self.turn):
            return False
        self._waiting.set_result(act)
        return True

    def let_go(self) -> None:
        """Life goes on now. A late result stays late."""
        if self._waiting is not None and not self._waiting.done() and self.stage != "late":
            self._waiting.set_result(None)


class ManualPlay:
    """The calls in hand, and whether new ones come into hand. ``seconds`` are real ones."""

    def __init__(self, seconds: float, *, on: bool) -> None:
        self.on = on
        self.seconds = seconds
        self._held: dict[int, ManualCall] = {}
        self._recent: deque[ManualCall] = deque(maxlen=MAX_RECENT)

    @property
    def free(self) -> bool:
        """Whether the next call comes into hand."""
        return self.on and len(self._held) < MAX_HELD

    def take(self, call: LedgerCall, lines: list[ManualLine]) -> ManualCall:
        held = ManualCall(self, call, lines)
        self._held[call.id] = held
        return held

    def put_down(self, held: ManualCall) -> None:
        """The call is over, and its result delivered or not."""
        held.enter("done")
        del self._held[held.call.id]
        self._recent.append(held)

    def switch(self, *, on: bool) -> None:
        """Off, life goes on at once with what is in hand."""
        self.on = on
        if not on:
            for held in self._held.values():
                held.let_go()

    def find(self, key: str, call_id: int | None = None) -> ManualCall | None:
        """The call in hand of an extid: the oldest, or the one of that id."""
        for held in self._held.values():
            if held.call.key == key and call_id in (None, held.call.id):
                return held
        return None

    @property
    def held(self) -> list[ManualCall]:
        """Oldest first."""
        return list(self._held.values())

    @property
    def recent(self) -> list[ManualCall]:
        """Those that are over, newest first."""
        return list(reversed(self._recent))
