"""Submits one claimed call: arm at the last instant, POST, settle.

Claiming and arming each slot of a rate limit alone costs ten times what a call costs without one. So slots are claimed dozens
at once, and calls whose slots fall into the same tick of Redis' clock start at its end, by one script. arm counts every start
all the same: no second has more than the limit allows, whatever is decided here.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from alodial.errors import StoreUnavailable
from alodial.observability import tracing
from alodial.settings import BURST_SECONDS, Settings
from alodial.store import counters
from alodial.store.call_transitions import SLOTS_SECOND, Armed, Arming, Claimed, Settling, lease_seconds
from alodial_schemas import numbers_of, request_from_body

from .alovoice.client import AloVoiceClient, NotArmed, Submission
from .alovoice.local_trouble import LocalTrouble

log = structlog.get_logger("alodial.submit")

ACCOUNT_BACKOFF = -1.0
"""As a hold: the account pauses 1 s, doubling to 30 s with each pause until a call is taken."""

SETTLE_RETRY = 0.5
"""Seconds between tries to record an outcome while the store is away."""

TIMER_STEP = 0.001
"""Seconds by which a sleep is longer: uvloop's timers have whole milliseconds and end early, and what is left of the last
would be waited for without a pause."""

MAX_SLOT_WAIT = 2.0
"""Seconds: a slot is never a second away unless Redis' clock was set back; then the call goes back to its list."""


LATE = 0.01
"""Seconds: a call whose arm was answered so much later than usual was held up on a busy machine, and its start is counted
anew, once: its POST would leave in another second than the one that has room for it."""

HORIZON = 0.05
"""Seconds ahead that slots are claimed: an urgent call waits at most that long behind bulk calls that are claimed, and a tick for
the next claim."""

FULL_TICK = 100
"""Calls of a tick beyond which it is shorter: with more together a call costs hardly less."""


def seconds_between(rate: float) -> float:
    """Returns the seconds between two slots at ``rate`` calls a second; 0 without a limit."""
    return SLOTS_SECOND / rate / 1_000_000 if rate else 0.0


def tick_length(rate: float, burst: int) -> int:
    """Returns the microseconds of a tick; 0 where each call starts at its own slot.

    A second's slots fill a whole number of ticks, so that no second touches more ticks than hold its calls.
    """
    if not rate:
        return 0
    ticks = math.ceil(max(1 / BURST_SECONDS, rate / min(burst, FULL_TICK)))
    return SLOTS_SECOND // ticks if rate >= 2 * ticks else 0


def lateness(slot: int, rate: float, burst: int) -> float:
    """Returns the seconds after ``slot`` (Redis' clock, microseconds) at which its call starts, with others of its tick."""
    tick = tick_length(rate, burst)
    return -slot % tick / 1_000_000 if tick else 0.0


class TickGate:
    """Lets the calls of a tick start together: the first that waits for its end sets the timer of all."""

    def __init__(self) -> None:
        self._ends: dict[int, asyncio.Event] = {}

    async def wait(self, tick: int, ahead: float) -> None:
        """Waits ``ahead`` seconds for the moment ``tick`` (Redis' clock, microseconds), or as long as whoever came first."""
        end = self._ends.get(tick)
        if end is None:
            end = self._ends[tick] = asyncio.Event()
            asyncio.get_running_loop().call_later(ahead, self._open, tick)
        await end.wait()

    def _open(self, tick: int) -> None:
        self._ends.pop(tick).set()


class ArmTimes:
    """Tells an answer to arm that was held up from one that is as slow as they are, by the way to Redis or by a lasting load."""

    def __init__(self) -> None:
        self._usual = math.inf

    def is_late(self, seconds: float) -> bool:
        """Returns whether an arm that took so long, until its POST may leave, was held up."""
        is_late = seconds > self._usual + LATE
        # At once where one was faster, over some hundred calls where all are slower.
        self._usual = seconds if seconds < self._usual else self._usual + (seconds - self._usual) / 300
        return is_late


@dataclass(frozen=True, slots=True)
class SubmitContext:
    """What :func:`submit` needs for the calls of one account.

    ``refusal`` returns the code of the reason why a call with this body may not be submitted here, or None;
    ``lateness`` how many seconds after its slot a call starts (:func:`lateness`).
    """

    settings: Settings
    client: AloVoiceClient
    arm: Callable[[Arming], Awaitable[Armed]]
    settle: Callable[[Settling], Awaitable[str]]
    refusal: Callable[[Mapping[str, Any]], str | None]
    lateness: Callable[[int], float] = lambda _slot: 0.0
    gate: TickGate = field(default_factory=TickGate)
    arm_times: ArmTimes = field(default_factory=ArmTimes)
    trouble: LocalTrouble = field(default_factory=LocalTrouble)


def refusal(allowed: tuple[str, ...], body: Mapping[str, Any]) -> str | None:
    """Checks the allowlist again right before the call: a record may be in Redis without the API's checks."""
    if not allowed:
        return None
    try:
        numbers = numbers_of(body)
    except ValueError:
        return "record_unreadable"
    return None if all(number.startswith(allowed) for number in numbers) else "phone_not_allowed"


def retry_delay(tries: int, base: float, maximum: float, rng: Callable[[], float] = random.random) -> float:
    """Returns the seconds before try ``tries`` + 1: they double from ``base`` to ``maximum``, half of it is jitter."""
    ceiling = min(maximum, base * 2.0 ** min(tries, 30))
    return ceiling * (0.5 + 0.5 * rng())


async def arm_at_slot(call: Claimed, claimed_at: float, context: SubmitContext) -> None:
    """Waits for the call's slot and arms the call, the last step before its first byte leaves.

    Raises NotArmed when the call may not be submitted: the store refuses it or is away, or the answer came so late
    that the lease may have run out.
    """
    loop = asyncio.get_running_loop()
    slot = call.slot
    # An urgent call waits for no others, nor does one that finds the rate free. Not even sleep(0): it costs a turn of the loop.
    late = context.lateness(slot) if call.delay and call.priority != "urgent" else 0.0
    if (ahead := call.delay + late - (loop.time() - claimed_at)) > MAX_SLOT_WAIT:
        raise NotArmed("slot_far")
    if ahead > 0:
        await context.gate.wait(slot + round(late * 1_000_000), ahead)
    armed_since: float | None = None
    while True:
        requested_at = loop.time()
        try:
            armed = await context.arm(Arming(call.record, call.token, slot, call.attempt))
        except StoreUnavailable:
            raise NotArmed("store_unavailable") from None
        if armed.outcome == "armed":
            now = loop.time()
            is_first, armed_since = armed_since is None, armed_since or requested_at
            if now - armed_since >= lease_seconds(context.settings):
                # The process was frozen while the answer waited (a paused machine): the lease may have run out.
                raise NotArmed("woke_late")
            if not (context.arm_times.is_late(now - requested_at) and is_first and armed.slot):
                return
            slot = -armed.slot
            continue
        if armed.outcome == "lost" and armed_since:
            # The lease ran out before it was counted anew. It has not left, which settle says even where the sweeper was first.
            raise NotArmed("woke_late")
        if armed.outcome != "wait":
            raise NotArmed(armed.outcome)
        if armed.wait > MAX_SLOT_WAIT:
            raise NotArmed("slot_far")
        slot = -1 if armed_since else armed.slot
        await asyncio.sleep(armed.wait + TIMER_STEP)


async def submit(call: Claimed, claimed_at: float, context: SubmitContext) -> str:
    """Submits a claimed call, records the outcome and returns the call's new state.

    ``claimed_at`` is the loop's time when the claim was answered. Never raises for anything that AloVoice does. While
    the store is away the outcome is kept and its recording is tried again.
    """
    try:
        body = request_from_body(call.body)
        code = context.refusal(body)
    except (ValueError, RecursionError):
        # Somebody wrote it straight into Redis, or it was damaged there.
        body, code = {}, "record_unreadable"
    if code:
        state = await _settled(Settling(call.record, call.token, "rejected", answer="{}", code=code), context)
        log.warning("call.rejected", **_ids(call), code=code)
        return state
    try:
        submission = await context.client.submit(
            call.account, body, call.extid, before_first_byte=partial(arm_at_slot, call, claimed_at, context)
        )
    except NotArmed as exc:
        if exc.reason == "lost":
            log.info("call.withdrawn", **_ids(call))
            return "lost"
        return await release(call, exc.reason, context)
    counters.process_counters.observe(counters.POSTS, submission.elapsed, call.account, submission.verdict.outcome)
    if submission.verdict.outcome == "local":
        context.trouble.note(submission.verdict.code)
    else:
        context.trouble.passed()
    settling = outcome_of(submission, call, context.settings)
    state = await _settled(settling, context)
    tracing.record(
        "alodial.submit",
        call.id,
        submission.elapsed,
        account=call.account,
        attempt=call.attempt,
        outcome=submission.verdict.outcome,
        state=state,
    )
    _report(call, submission, settling, state)
    return state


async def release(call: Claimed, code: str, context: SubmitContext) -> str:
    """Gives a claimed call back unsent, and returns its state."""
    return await _settled(Settling(call.record, call.token, "release", code=code), context)


def outcome_of(submission: Submission, call: Claimed, settings: Settings) -> Settling:
    """Returns what the store records about a submission: its outcome, and for a retry when and whether the account waits."""
    verdict = submission.verdict
    delay = hold = 0.0
    if verdict.outcome == "retry":
        delay = retry_delay(call.tries, settings.retry_base, settings.retry_max)
        if verdict.pause is not None:
            # Retry-After is for the account; without a usable value the account has a backoff of its own. A fifth of the time
            # is the call's jitter.
            hold = verdict.pause or ACCOUNT_BACKOFF
            delay = max(delay, hold * (1 + 0.2 * random.random()))
    elif verdict.outcome == "unsent":
        delay = retry_delay(0, settings.retry_base, settings.retry_max)
    # A local error is no fault of AloVoice's nor of the call's: it goes back to its place, for any worker.
    outcome = "release" if verdict.outcome == "local" else verdict.outcome
    answer = submission.answer_json()
    return Settling(call.record, call.token, outcome, delay, hold, answer, verdict.code, call.attempt)


async def _settled(settling: Settling, context: SubmitContext) -> str:
    logged = False
    while True:
        try:
            return await context.settle(settling)
        except StoreUnavailable:
            if not logged:
                log.error(
                    "settle.store_unavailable", record=settling.record, outcome=settling.outcome, code=settling.code
                )
                logged = True
            await asyncio.sleep(SETTLE_RETRY)


def _ids(call: Claimed) -> dict[str, str | int]:
    campaign = {"campaign": call.campaign} if call.campaign else {}
    return {"call_id": call.id, "extid": call.extid, "account": call.account, "attempt": call.attempt, **campaign}


def _report(call: Claimed, submission: Submission, settling: Settling, state: str) -> None:
    """Logs the outcome."""
    ms = round(submission.elapsed * 1000)
    code, status = submission.verdict.code, submission.verdict.status
    match state:
        case "submitted":
            log.info("call.submitted", **_ids(call), status=status, ms=ms)
        case "kept":
            log.info("call.answer_kept", **_ids(call), status=status, code=code, ms=ms)
        case "scheduled" if settling.outcome == "retry":
            log.warning(
                "call.retry_scheduled",
                **_ids(call),
                status=status,
                code=code,
                delay=round(settling.delay, 3),
                tries=call.tries + 1,
            )
        case "scheduled" | "queued" if settling.outcome in ("unsent", "release"):
            log.warning("call.not_sent", **_ids(call), code=code)
        case "unsent:opened":
            log.error(
                "account.breaker_opened",
                **_ids(call),
                code=code,
                hint="AloVoice cannot be reached; its calls wait, and go on by themselves",
            )
        case "address:opened":
            log.error(
                "account.breaker_opened",
                **_ids(call),
                status=status,
                code=code,
                hint="no call was ever taken at ALODIAL_PROVIDER_URL with this token: correct it; the calls wait for that",
            )
        case "scheduled" if settling.outcome == "address":
            log.warning("call.address_refused", **_ids(call), status=status)
        case "scheduled":
            log.warning("call.redial_scheduled", **_ids(call), status=status, code=code)
        case "auth:opened":
            log.error(
                "account.breaker_opened",
                **_ids(call),
                status=status,
                hint="check the account's token, then: alodial resume",
            )
        case "auth":
            log.warning("account.token_refused", **_ids(call), status=status)
        case "rejected":
            log.warning("call.rejected", **_ids(call), status=status, code=code, ms=ms)
        case "unconfirmed":
            log.warning("call.unconfirmed", **_ids(call), status=status, code=code, ms=ms)
        case "failed":
            log.warning("call.failed", **_ids(call), status=status, code=code, tries=call.tries + 1)
        case other:
            log.error("call.unexpected_state", **_ids(call), state=other, status=status, code=code)
