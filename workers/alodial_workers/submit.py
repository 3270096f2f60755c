"""Submits one claimed call: arm at the last instant, POST, settle. A plain function given its collaborators."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from alodial.errors import StoreUnavailable
from alodial.observability import tracing
from alodial.settings import Settings
from alodial.store import counters
from alodial.store.call_transitions import Armed, Arming, Claimed, Settling, lease_seconds

from .alovoice.client import AloVoiceClient, NotArmed, Submission

log = structlog.get_logger("alodial.submit")

ArmOne = Callable[[Arming], Awaitable[Armed]]
SettleOne = Callable[[Settling], Awaitable[str]]

SETTLE_RETRY = 0.5
"""Seconds between tries to record an outcome while the store is away."""


class Policy(Protocol):
    """Whether this installation may ring the numbers of a call; the code of the refusal or None."""

    def __call__(self, body: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What :func:`submit` works with."""

    settings: Settings
    client: AloVoiceClient
    arm: ArmOne
    settle: SettleOne
    refuses: Policy


def retry_delay(tries: int, base: float, longest: float, rng: Callable[[], float] = random.random) -> float:
    """Seconds before try ``tries`` + 1: doubles from ``base`` to ``longest``, half of it jitter."""
    ceiling = min(longest, base * 2.0 ** min(tries, 30))
    return ceiling * (0.5 + 0.5 * rng())


async def arm_at_slot(call: Claimed, claimed_at: float, work: Collaborators) -> None:
    """Waits for the call's slot and arms the call, the last step before its first byte leaves.

    Raises NotArmed when the call may not be submitted: the store refuses it or is away, or the answer came so late
    that the lease may have run out.
    """
    loop = asyncio.get_running_loop()
    slot = call.slot
    await asyncio.sleep(max(0.0, call.delay - (loop.time() - claimed_at)))
    while True:
        requested_at = loop.time()
        try:
            armed = await work.arm(Arming(call.record, call.token, slot))
        except StoreUnavailable:
            raise NotArmed("store_unavailable") from None
        if armed.outcome == "armed":
            if loop.time() - requested_at < lease_seconds(work.settings):
                return
            # The process was frozen while the answer waited (a paused machine): the lease may have run out.
            raise NotArmed("woke_late")
        if armed.outcome != "wait":
            raise NotArmed(armed.outcome)
        slot = armed.slot
        await asyncio.sleep(armed.wait)


async def submit(call: Claimed, claimed_at: float, work: Collaborators) -> str:
    """Takes a claimed call to its next state and answers it. ``claimed_at`` is the loop's time of the claim's answer.

    Never raises for AloVoice's sake. While the store is away the outcome is held and tried again.
    """
    if code := work.refuses(call.body):
        state = await _settled(Settling(call.record, call.token, "rejected", answer="{}", code=code), work)
        log.warning("call.rejected", **_ids(call), code=code)
        return state
    try:
        submission = await work.client.submit(
            call.account, call.body, call.extid, before_first_byte=partial(arm_at_slot, call, claimed_at, work)
        )
    except NotArmed as exc:
        if exc.reason == "lost":
            log.info("call.withdrawn", **_ids(call))
            return "lost"
        return await _settled(Settling(call.record, call.token, "release", code=exc.reason), work)
    counters.here.observe(counters.POSTS, submission.elapsed, call.account, submission.verdict.outcome)
    settling = outcome_of(submission, call, work.settings)
    state = await _settled(settling, work)
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


def outcome_of(submission: Submission, call: Claimed, settings: Settings) -> Settling:
    """What the store is told about a submission."""
    verdict = submission.verdict
    delay = hold = 0.0
    if verdict.outcome == "retry":
        delay = retry_delay(call.tries, settings.retry_base, settings.retry_max)
        if verdict.pause is not None:
            # Retry-After is for the account; without a usable one the backoff stands in. A fifth of it is jitter for the call.
            hold = verdict.pause or delay
            delay = max(delay, hold * (1 + 0.2 * random.random()))
    return Settling(call.record, call.token, verdict.outcome, delay, hold, submission.answer_json(), verdict.code)


async def _settled(settling: Settling, work: Collaborators) -> str:
    told = False
    while True:
        try:
            return await work.settle(settling)
        except StoreUnavailable:
            if not told:
                log.error(
                    "settle.store_unavailable", record=settling.record, outcome=settling.outcome, code=settling.code
                )
                told = True
            await asyncio.sleep(SETTLE_RETRY)


def _ids(call: Claimed) -> dict[str, str | int]:
    ids: dict[str, str | int] = {
        "call_id": call.id,
        "extid": call.extid,
        "account": call.account,
        "attempt": call.attempt,
    }
    if call.campaign:
        ids["campaign"] = call.campaign
    return ids


def _report(call: Claimed, submission: Submission, settling: Settling, state: str) -> None:
    """One line for what came of it."""
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
