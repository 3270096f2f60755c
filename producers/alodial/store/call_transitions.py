"""The transitions of calls as operations: the arguments of each script, and what its answer means.

The headers of the files in ``lua/`` list the arguments by name; the lists here are in their order.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from alodial_schemas import new_ids

from ..settings import AccountSettings, Settings
from .answers import read_row, read_rows, text
from .client import Arg, Operation
from .new_calls import Enqueued as Enqueued  # noqa: PLC0414  # the operation of new calls is one of these
from .new_calls import LateEnqueue as LateEnqueue  # noqa: PLC0414  # as above
from .new_calls import NewCall as NewCall  # noqa: PLC0414  # as above
from .new_calls import enqueue as enqueue  # noqa: PLC0414  # as above

ClaimStatus = Literal["ok", "empty", "cap", "paced", "hold", "stop", "lost", "moved"]
ArmOutcome = Literal["armed", "wait", "lost", "stop", "hold"]
SettleOutcome = Literal["taken", "rejected", "unconfirmed", "retry", "unsent", "auth", "address", "release"]
ApplyOutcome = Literal["completed", "redial", "corrected", "kept", "duplicate", "unknown"]
RedialOutcome = Literal["redial", "already", "late", "over", "unknown"]
CancelOutcome = Literal["canceled", "late", "unknown"]

RESERVE_SECONDS = 180
"""Talk time that a call under way takes of its account's day until its result has the real one."""

POISON_AFTER = 3
"""A call that was a worker's only one when it died between claim and arm, this often, is failed: it kills workers."""


STARTS_SECOND = 1_010_000
"""Microseconds in which no more calls start than a second allows: what leaves in time may be 10 ms late at AloVoice."""

SLOTS_SECOND = 1_020_000
"""Microseconds over which the slots of a second are spread, so that a call which starts late finds room all the same."""


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class Claimed(NamedTuple):
    """A call that one worker may submit at ``slot`` (Redis' clock, microseconds), ``delay`` seconds after the claim.

    The slot of a tick that has begun may be past: then ``delay`` is negative.
    """

    record: str
    id: str
    body: str
    delay: float
    attempt: int
    tries: int
    extid: str
    priority: str
    campaign: str
    reference: str
    slot: int
    token: str
    account: str
    suspect: bool = False
    """A worker died between its claim and its arm: it comes alone, and :func:`confirm` comes first."""


@dataclass(frozen=True, slots=True)
class Claim:
    """``wait`` is in seconds until the next claim may bring something; the statuses are described in ``lua/claim.lua``."""

    status: ClaimStatus
    wait: float
    calls: list[Claimed]


def lease_seconds(settings: Settings) -> float:
    """One whole exchange and 5 s for Redis and the loop; with a sweep every 5 s an orphan is found within 30 s."""
    return settings.provider_timeout + 5


def courtesy(settings: Settings, limits: AccountSettings) -> list[Arg]:
    """Arguments that scripts share: frequency caps, own numbers, the account's daily limits."""
    return [
        ",".join(f"{cap.calls}:{cap.seconds * 1000}" for cap in settings.frequency_caps),
        " ".join(settings.own_numbers),
        limits.daily_calls,
        limits.daily_minutes * 60,
        RESERVE_SECONDS,
    ]


def claim(
    settings: Settings,
    account: str,
    limits: AccountSettings,
    *,
    epoch: str,
    room: int,
    horizon: float,
    attend: float,
    token: str = "",
    tick: int = 0,
) -> Operation[Claim]:
    """Claims up to ``room`` calls whose slot falls due within ``horizon`` seconds, for the worker that calls.

    Where calls start at the ends of ticks, of ``tick`` microseconds, whole ticks are claimed, a long one near its end.
    For ``attend`` seconds new calls wake no other worker of the account; 0 when the worker is about to leave it.
    The same operation run again gives the same calls. With the ``token`` of a claim whose answer never came and a
    ``room`` of 0, what it took goes back to the front of its lists.
    """
    token = token or secrets.token_hex(8)
    args: list[Arg] = [
        epoch,
        account,
        token,
        room,
        round(horizon * 1_000_000),
        _ms(lease_seconds(settings)),
        limits.calls_per_second,
        SLOTS_SECOND,
        limits.max_concurrent_calls,
        _ms(settings.channel_timeout),
        _ms(lease_seconds(settings)),
        _ms(attend),
        *courtesy(settings, limits),
        _ms(settings.unreachable_timeout),
        tick,
    ]

    def read(answer: list[Any]) -> Claim:
        calls = [
            Claimed(
                record=row[0].decode(),
                id=row[1].decode(),
                # Damaged text is refused when the call is submitted; raising here would take its whole batch along.
                body=row[2].decode("utf-8", "replace"),
                delay=int(row[3]) / 1_000_000,
                attempt=int(row[4]),
                tries=int(row[5]),
                extid=row[6].decode(),
                priority=row[7].decode(),
                campaign=row[8].decode(),
                reference=row[9].decode("utf-8", "replace"),
                slot=int(row[10]),
                token=token,
                account=account,
                suspect=bool(int(row[11])),
            )
            for row in answer[2:]
        ]
        return Claim(cast(ClaimStatus, answer[0].decode()), int(answer[1]) / 1_000_000, calls)

    return Operation("claim", args, read)


def confirm(call: Claimed) -> Operation[bool]:
    """Says that the worker has this suspect: if it dies before arm, the call is to blame. False: somebody else has it."""
    return Operation("confirm", [call.record, call.token], bool)


class Arming(NamedTuple):
    """A claimed call that is about to be submitted: record, token, slot and attempt of :class:`Claimed`.

    A negative ``slot`` is of a call that is armed and was held up: its start, counted at that moment, is counted anew.
    """

    record: str
    token: str
    slot: int
    attempt: int = 1


class Armed(NamedTuple):
    """``wait``: arm again at ``slot``, in ``wait`` seconds; ``lost``: another process or an end took the call.

    Of an armed call ``slot`` is the moment at which its start was counted, 0 where there is no rate limit; 1 where the first
    answer was lost, and the moment with it.
    """

    outcome: ArmOutcome
    wait: float
    slot: int


def arm(
    settings: Settings, limits: AccountSettings, items: Sequence[Arming], *, epoch: str, worker: str
) -> Operation[list[Armed]]:
    """Moves calls from claimed to submitting where the worker still holds them. All items are of one account."""
    args: list[Arg] = [
        epoch,
        worker,
        _ms(lease_seconds(settings)),
        limits.calls_per_second,
        STARTS_SECOND,
        _ms(settings.channel_timeout),
        *courtesy(settings, limits),
    ]
    for item in items:
        args += (item.record, item.token, item.slot)

    def read(answer: list[list[Any]]) -> list[Armed]:
        return [Armed(cast(ArmOutcome, row[0].decode()), int(row[1]) / 1_000_000, int(row[2])) for row in answer]

    return Operation("arm", args, read)


class Settling(NamedTuple):
    """The outcome of one claimed call.

    ``delay`` is in seconds until a retry, ``hold`` for how many the account pauses (below 0: as its own backoff says);
    ``answer`` is AloVoice's as JSON. With its ``attempt`` an outcome counts also where Redis has forgotten that this
    holder claimed the call.
    """

    record: str
    token: str
    outcome: SettleOutcome
    delay: float = 0
    hold: float = 0
    answer: str = ""
    code: str = ""
    attempt: int = 0


def address_mark(settings: Settings, limits: AccountSettings) -> str:
    """Returns a mark of the address and token that calls of an account are sent to; neither can be read from its 32 bits."""
    token = limits.token.get_secret_value() if limits.token else ""
    return hashlib.blake2b(f"{settings.provider_url} {token}".encode(), digest_size=4).hexdigest()


def settle(settings: Settings, limits: AccountSettings, items: Sequence[Settling]) -> Operation[list[str]]:
    """Settles submissions. Returns for each the call's state now, ``kept``, ``auth``, or what opened the breaker:
    ``auth:opened``, ``unsent:opened``, ``address:opened``.
    """
    channel = _ms(settings.channel_timeout) if limits.max_concurrent_calls else 0
    args: list[Arg] = [
        _ms(settings.result_timeout),
        channel,
        settings.max_tries,
        _ms(settings.unconfirmed_redial_delay),
        _ms(settings.unreachable_timeout),
        *courtesy(settings, limits),
        address_mark(settings, limits),
    ]
    for item in items:
        args += (item.record, item.token, item.outcome, _ms(item.delay), _ms(item.hold), item.answer, item.code)
        args += (new_ids()[1] if item.outcome == "unconfirmed" else "", item.attempt)
    return Operation("settle", args, lambda answer: [text(row) for row in answer])


class Applying(NamedTuple):
    """A result for its call: ``result`` is JSON, ``digest`` its fingerprint, ``talk`` the seconds talked.

    ``arrived`` is when it came, Unix ms; 0 for now. More talk than fits between the POST and then is not counted.
    """

    extid: str
    result: str
    digest: str
    disposition: str
    talk: int = 0
    arrived: int = 0


class Applied(NamedTuple):
    """What a result did to its call; for the outcome ``unknown`` there is none, and nothing else is set.

    ``talk`` is what counts of its talk seconds.
    """

    outcome: ApplyOutcome
    id: str = ""
    state: str = ""
    account: str = ""
    attempt: int = 0
    record: str = ""
    talk: int = 0


def apply_results(items: Sequence[Applying]) -> Operation[list[Applied]]:
    """Applies results to their calls, found by extid."""
    args: list[Arg] = []
    for item in items:
        args += (item.extid, item.result, item.digest, item.disposition, new_ids()[1], item.talk, item.arrived)

    def read(answer: list[list[Any]]) -> list[Applied]:
        return [Applied("unknown") if row[0] == b"unknown" else read_row(Applied, row) for row in answer]

    return Operation("apply", args, read)


class Canceled(NamedTuple):
    """``late`` when the call is being submitted or has ended; ``state`` is the one that it is in now."""

    outcome: CancelOutcome
    id: str
    state: str
    record: str


def cancel(
    extids: Iterable[str], reason: str = "canceled_by_caller", *, campaign: str = ""
) -> Operation[list[Canceled]]:
    """Cancels calls. With ``campaign`` only those of that campaign; others count as unknown."""
    args: list[Arg] = [campaign]
    for extid in extids:
        args += (extid, reason)
    return Operation("cancel", args, lambda answer: read_rows(Canceled, answer))


class Redialing(NamedTuple):
    """An unconfirmed call and the number of its attempt that was looked at."""

    record: str
    attempt: int


class Redialed(NamedTuple):
    """``already``: that attempt has a later one; ``late``: its outcome is known by now; ``over``: call or campaign ended."""

    outcome: RedialOutcome
    id: str
    state: str
    record: str
    attempt: int


def redial(items: Sequence[Redialing], actor: str) -> Operation[list[Redialed]]:
    """Makes a further attempt of unconfirmed calls; ``actor`` ordered it and is written into the timeline."""
    args: list[Arg] = ["".join(actor.split())[:64]]
    for item in items:
        args += (*item, new_ids()[1])

    return Operation("redial", args, lambda answer: read_rows(Redialed, answer))


class HopperNeed(NamedTuple):
    """A campaign whose hopper runs low: the place of its next row, and how many rows there is room for."""

    campaign: str
    cursor: int
    chunk: int
    offset: int
    room: int


class Pace(NamedTuple):
    """``moved`` calls became ready; ``next_due`` is in seconds from now, None without any; ``accounts`` are to be woken.

    ``step`` is not 0 when Redis' clock is so many seconds off what a pacer saw last. It is ``busy`` when calls are ready or a
    campaign lives; ``workers`` have a heartbeat, silent ones too.
    """

    moved: int
    next_due: float | None
    accounts: list[str]
    hoppers: list[HopperNeed] = []  # noqa: RUF012  # a NamedTuple's default, never changed
    step: float = 0
    busy: bool = False
    workers: int = 0


def pace(hoppers: Mapping[str, int] | None = None, *, limit: int = 500) -> Operation[Pace]:
    """Makes up to ``limit`` calls ready that are due. ``hoppers``: how many calls a hopper should hold, by account."""
    args: list[Arg] = [limit]
    for account, room in (hoppers or {}).items():
        args += (account, room)

    def read(answer: list[Any]) -> Pace:
        return Pace(
            int(answer[0]),
            None if int(answer[1]) < 0 else int(answer[1]) / 1000,
            [text(name) for name in answer[2]],
            read_rows(HopperNeed, answer[3]),
            int(answer[4]) / 1000,
            bool(answer[5]),
            int(answer[6]),
        )

    return Operation("pace", args, read)


class Swept(NamedTuple):
    """A call that the sweep moved; ``action`` is what was done to it."""

    action: str
    id: str
    record: str
    account: str
    attempt: int


def sweep(settings: Settings, *, limit: int = 200) -> Operation[tuple[bool, list[Swept]]]:
    """Recovers calls abandoned by dead workers and ends those whose time is over.

    Moves up to ``limit`` calls. Returns whether there may be more, and the calls moved.
    """
    args: list[Arg] = [
        limit,
        _ms(settings.result_timeout),
        _ms(settings.channel_timeout),
        _ms(settings.unconfirmed_redial_delay),
        POISON_AFTER,
        *(new_ids()[1] for _ in range(limit)),
    ]

    def read(answer: list[Any]) -> tuple[bool, list[Swept]]:
        return int(answer[0]) >= limit, read_rows(Swept, answer[1:])

    return Operation("sweep", args, read)


def resume(account: str = "") -> Operation[None]:
    """Lifts the emergency stop and the pauses and breakers of all accounts, or the pause and breaker of one account."""
    return Operation("resume", [account], lambda _answer: None)
