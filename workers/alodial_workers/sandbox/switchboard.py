"""Places requested calls: lets their phones ring in the time they need, and POSTs their results."""

import asyncio
import time
from collections.abc import Coroutine
from random import Random

import structlog
from starlette.requests import Request

from alodial_schemas.phones import mask_phone

from .behaviours import ONCE, REFUSALS, Trouble
from .call_request import CallRequest
from .callbacks import CallbackSender
from .cassette import Cassette, played
from .config import SandboxConfig
from .ledger import Ledger, LedgerCall
from .manual_play import SENDS, Delivery, ManualAct, ManualCall, ManualPlay
from .result import UNSEEN_STATUS, conflicting, encode, result_of, unreadable
from .simulation import plan_of, simulate

log = structlog.get_logger(__name__)

# Simulated seconds by which the result of a `late` call is late.
_LATE = 600.0
# Real seconds; a shorter sleep costs more than it is worth.
_SHORTEST_SLEEP = 0.0005


class Switchboard:
    """The sandbox's exchange. It keeps no idempotency: every `ring` rings the phones again."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.ledger = Ledger(config.max_calls, config.ledger)
        self.callbacks = CallbackSender(config, self.ledger.callbacks)
        self.manual = ManualPlay(config.hand_seconds, on=config.by_hand)
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

    def troubles(self, request: CallRequest) -> frozenset[Trouble]:
        """What this POST meets: its magic ending or scenario, and the faults drawn for this POST of this extid."""
        key = request.extid or request.first
        nth = self.ledger.count_post(key)
        first = request.recipients[0]
        scenario = self.config.scenario
        part = scenario.queue(first.number) if first.is_queue else scenario.number(first.number)
        met = part.trouble if nth == 1 else part.trouble - ONCE
        if self.config.faults:
            # Seeded by the extid and the POST's count, so that a race between POSTs changes no draw.
            draw = Random(f"{self.config.seed}/{key}/{nth}")
            met |= {trouble for trouble in Trouble if draw.random() < self.config.faults.get(trouble, 0.0)}
        if met & REFUSALS:
            # Nothing rings, so no other trouble can come about.
            met &= REFUSALS
        for trouble in met:
            self.ledger.troubles[trouble.value] += 1
        return met

    def ring(
        self, request: CallRequest, troubles: frozenset[Trouble], wall: float, base_url: str
    ) -> tuple[LedgerCall, asyncio.Event]:
        """Rings the first phone at once and plays the rest of the call in the background. `wall` is Unix seconds.

        The event is set after the first try to deliver the call's result, or when there is no result to deliver.
        """
        config = self.config
        # An early result needs a call that is over before its POST is answered, so nobody can play it.
        early = Trouble.EARLY in troubles
        if manual := self.manual.free and not early:
            plan = plan_of(request)
        else:
            plan = simulate(request, config.scenario, config.announcements, config.seed)
        scale = 0.0 if early else 1.0 / config.speed
        call_id = self._next_id
        self._next_id += len(plan.legs) if manual else plan.rung
        call = LedgerCall(call_id, request.extid or str(call_id), request, plan, wall, scale, played=1)
        self.ledger.begin(call)
        reported = asyncio.Event()
        if manual:
            self._start(self._play_manually(self.manual.take(call, config), reported, troubles, base_url))
        else:
            self._start(self._play(call, reported, troubles, base_url))
        return call, reported

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(
        self, call: LedgerCall, reported: asyncio.Event, troubles: frozenset[Trouble], base_url: str
    ) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            for step in call.plan.steps[1:]:
                left = begun + step.after * call.time_scale - loop.time()
                if left > _SHORTEST_SLEEP:
                    await asyncio.sleep(left)
                call.played += 1
            self.ledger.hang_up(call)
            _log_end(call, troubles)
            if Trouble.LATE in troubles:
                await asyncio.sleep(_LATE / self.config.speed)
            await self._report(call, reported, troubles, base_url)
        finally:
            reported.set()
            self.ledger.finish(call)

    async def _play_manually(
        self, held: ManualCall, reported: asyncio.Event, troubles: frozenset[Trouble], base_url: str
    ) -> None:
        try:
            await held.play()
            self.ledger.hang_up(held.call)
            _log_end(held.call, troubles)
            act = await held.wait("ended", SENDS, natural=0.0)
            if act is ManualAct.SEND_LATE or (act is None and Trouble.LATE in troubles):
                late = _LATE / self.config.speed
                sooner = [other for other in SENDS if other is not ManualAct.SEND_LATE]
                act = await held.wait("late", sooner, natural=late, patience=late) or act
            held.sent = act
            held.enter("reporting")
            troubles = troubles if act is None else SENDS[act]
            held.delivery = await self._report(held.call, reported, troubles, base_url)
        finally:
            self.manual.release(held)
            reported.set()
            self.ledger.finish(held.call)

    async def _report(
        self, call: LedgerCall, reported: asyncio.Event, troubles: frozenset[Trouble], base_url: str
    ) -> Delivery:
        if Trouble.NO_CALLBACK in troubles:
            return "never"
        config, extid = self.config, call.key
        if config.cassette is not None:
            return await self._send_recorded(config.cassette, call, reported)
        result = result_of(call, base_url)
        if Trouble.UNSEEN_STATUS in troubles:
            result["dialstatus"] = UNSEEN_STATUS
        if Trouble.UNREADABLE in troubles:
            written = unreadable(result)
        else:
            written = encode(result, config.callback_encoding, config.callback_spelling)
        delivered = await self.callbacks.deliver(*written, extid, reported)
        if Trouble.DOUBLE in troubles:
            await self.callbacks.deliver(*written, extid)
        if Trouble.CONFLICT in troubles:
            other = encode(conflicting(result), config.callback_encoding, config.callback_spelling)
            await self.callbacks.deliver(*other, extid)
        if config.callback_url is None:
            return "nowhere"
        return "delivered" if delivered else "given_up"

    async def _send_recorded(self, cassette: Cassette, call: LedgerCall, reported: asyncio.Event) -> Delivery:
        """Sends the results of a cassette in their order, with the number and extid of this call."""
        delivered = bool(cassette.callbacks)
        for recorded in cassette.callbacks:
            body = played(recorded.body, call.request.first, call.request.extid or "").encode()
            delivered = await self.callbacks.deliver(recorded.content_type, body, call.key, reported) and delivered
        if not cassette.callbacks:
            return "never"
        if self.config.callback_url is None:
            return "nowhere"
        return "delivered" if delivered else "given_up"


def switchboard_of(request: Request) -> Switchboard:
    """The switchboard of the application that serves a request."""
    switchboard: Switchboard = request.app.state.switchboard
    return switchboard


def _log_end(call: LedgerCall, troubles: frozenset[Trouble]) -> None:
    log.info(
        "sandbox.call_ended",
        extid=call.key,
        first=mask_phone(call.request.first),
        dialstatus=call.plan.dialstatus,
        troubles=sorted(trouble.value for trouble in troubles),
    )
