"""Takes orders, rings their phones in the time they need, and reports what became of them."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random

import structlog

from alodial_schemas.phones import mask_phone

from .behaviours import ONCE, REFUSALS, Trouble
from .call_request import CallRequest
from .callbacks import CallbackSender
from .config import SandboxConfig
from .ledger import Ledger, LedgerCall
from .manual_flow import ManualFlow, first_ring, lines_of
from .manual_play import SENDS, Fate, ManualAct, ManualCall, ManualPlay
from .result import UNSEEN_STATUS, conflicting, encode, result_of, unreadable
from .simulation import play

log = structlog.get_logger(__name__)

# Seconds of life that the result of a `late` call lies about.
_LATE = 600.0
# Sleeping costs more than it gives below this.
_SHORTEST_SLEEP = 0.0005


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that rings. `reported` is set once its result was first tried, or when there is none to report."""

    call: LedgerCall
    reported: asyncio.Event


class Switchboard:
    """The sandbox's exchange. It keeps no idempotency: every `ring` rings the phones again."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.ledger = Ledger(config.max_calls, config.ledger)
        self.callbacks = CallbackSender(config, self.ledger.callbacks)
        self.hands = ManualPlay(config.hand_seconds, on=config.by_hand)
        self._tasks: set[asyncio.Task[None]] = set()
        # Ids of a restarted sandbox do not repeat those before, unless it rang more than a thousand legs a second.
        self._next_id = int(time.time()) * 1000

    async def close(self) -> None:
        """Ends the calls in progress without a result."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.callbacks.close()
        self.ledger.close()

    def troubles(self, order: CallRequest) -> frozenset[Trouble]:
        """What this POST meets: its magic ending or scenario, and the faults drawn for this POST of this extid."""
        key = order.extid or order.first
        nth = self.ledger.count_post(key)
        first = order.recipients[0]
        scenario = self.config.scenario
        part = scenario.queue(first.number) if first.is_queue else scenario.number(first.number)
        met = part.trouble if nth == 1 else part.trouble - ONCE
        if self.config.faults:
            # Seeded by the POST and not by its turn, so that a race between POSTs does not change who meets what.
            draw = Random(f"{self.config.seed}/{key}/{nth}")
            met |= {trouble for trouble in Trouble if draw.random() < self.config.faults.get(trouble, 0.0)}
        if met & REFUSALS:
            # Nothing rings, so the rest of them cannot come about.
            met &= REFUSALS
        for trouble in met:
            self.ledger.troubles[trouble.value] += 1
        return met

    def ring(self, order: CallRequest, troubles: frozenset[Trouble], wall: float, base_url: str) -> Taken:
        """Rings the first phone at once and plays the rest of the call by itself."""
        config = self.config
        # An early result needs a call that is over before its POST is answered, so no hand plays it.
        early = Trouble.EARLY in troubles
        by_hand = self.hands.free and not early
        lines = lines_of(order) if by_hand else []
        course = first_ring(lines) if by_hand else play(order, config.scenario, config.announcements, config.seed)
        scale = 0.0 if early else 1.0 / config.speed
        call_id = self._next_id
        self._next_id += len(lines) if by_hand else course.legs
        call = LedgerCall(call_id, order.extid or str(call_id), order, course, wall, scale, played=1)
        self.ledger.begin(call)
        taken = Taken(call, asyncio.Event())
        if by_hand:
            self._start(self._play_by_hand(taken, self.hands.take(call, lines), troubles, base_url))
        else:
            self._start(self._play(taken, troubles, base_url))
        return taken

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, taken: Taken, troubles: frozenset[Trouble], base_url: str) -> None:
        call = taken.call
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            for step in call.course.steps[1:]:
                left = begun + step.after * call.seconds_a_step - loop.time()
                if left > _SHORTEST_SLEEP:
                    await asyncio.sleep(left)
                call.played += 1
            _log_end(call, troubles)
            if Trouble.LATE in troubles:
                await asyncio.sleep(_LATE / self.config.speed)
            await self._report(taken, troubles, base_url)
        finally:
            taken.reported.set()
            self.ledger.finish(call)

    async def _play_by_hand(self, taken: Taken, held: ManualCall, troubles: frozenset[Trouble], base_url: str) -> None:
        try:
            await ManualFlow(held, self.config).play()
            _log_end(taken.call, troubles)
            act = await held.ask("ended", SENDS, natural=0.0)
            if act is ManualAct.SEND_LATE or (act is None and Trouble.LATE in troubles):
                late = _LATE / self.config.speed
                sooner = [one for one in SENDS if one is not ManualAct.SEND_LATE]
                act = await held.ask("late", sooner, natural=late, patience=late) or act
            held.sent = act
            held.enter("reporting")
            held.fate = await self._report(taken, troubles if act is None else SENDS[act], base_url)
        finally:
            self.hands.put_down(held)
            taken.reported.set()
            self.ledger.finish(taken.call)

    async def _report(self, taken: Taken, troubles: frozenset[Trouble], base_url: str) -> Fate:
        if Trouble.NO_CALLBACK in troubles:
            return "never"
        config, extid = self.config, taken.call.key
        result = result_of(taken.call, base_url)
        if Trouble.UNSEEN_STATUS in troubles:
            result["dialstatus"] = UNSEEN_STATUS
        if Trouble.UNREADABLE in troubles:
            written = unreadable(result)
        else:
            written = encode(result, config.callback_encoding, config.callback_spelling)
        delivered = await self.callbacks.deliver(*written, extid, taken.reported)
        if Trouble.DOUBLE in troubles:
            await self.callbacks.deliver(*written, extid)
        if Trouble.CONFLICT in troubles:
            other = encode(conflicting(result), config.callback_encoding, config.callback_spelling)
            await self.callbacks.deliver(*other, extid)
        if config.callback_url is None:
            return "nowhere"
        return "delivered" if delivered else "given_up"


def _log_end(call: LedgerCall, troubles: frozenset[Trouble]) -> None:
    log.info(
        "sandbox.call_ended",
        extid=call.key,
        first=mask_phone(call.order.first),
        dialstatus=call.course.dialstatus,
        troubles=sorted(trouble.value for trouble in troubles),
    )
