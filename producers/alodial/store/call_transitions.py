"""The store's operations: what each script is given and what its answer means."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from alodial_schemas import State, new_ids

from ..settings import AccountSettings, Settings
from . import keys
from .client import Arg, Operation

EnqueueOutcome = Literal["created", "same", "conflict"]
ClaimStatus = Literal["ok", "empty", "cap", "paced", "hold", "stop", "lost"]
ArmOutcome = Literal["armed", "wait", "lost", "stop", "hold"]
SettleOutcome = Literal["taken", "rejected", "unconfirmed", "retry", "auth", "release"]
ApplyOutcome = Literal["completed", "redial", "corrected", "kept", "duplicate", "unknown"]
RedialOutcome = Literal["redial", "already", "late", "over", "unknown"]
CancelOutcome = Literal["canceled", "late", "unknown"]

RESERVE_SECONDS = 180
"""Talk time that a call under way holds of its account's day until its result tells the real one."""

POISON_AFTER = 3
"""A call whose worker died this often between claim and arm is given up (FAULTS C14)."""


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class NewCall(NamedTuple):
    """A call as the store takes it in: texts that are ready to be written. Times are Unix milliseconds."""

    extid: str
    id: str
    body: str
    account: str = "default"
    priority: str = "n"
    reference: str = ""
    metadata: str = ""
    not_before: int | str = ""
    expires_at: int | str = ""
    on_unconfirmed: str = ""
    redial: str = ""
    campaign: str = ""
    digest: str = ""
    key: str = ""
    owner: str = ""
    redial_of: str = ""


class Enqueued(NamedTuple):
    outcome: EnqueueOutcome
    extid: str
    id: str
    state: State | None


class LateEnqueue(Exception):
    """Redis came to the request only after its deadline and stored nothing; ``server_ms`` is its clock."""

    def __init__(self, server_ms: int) -> None:
        self.server_ms = server_ms
        super().__init__("stored nothing: the deadline had passed")


def enqueue(
    calls: Sequence[NewCall], settings: Settings, *, deadline: int = 0
) -> Operation[tuple[list[str], list[Enqueued]]]:
    """Stores calls, each once. Answers the accounts to ring and one row for each call.

    ``deadline`` is Unix ms by Redis' clock, 0 for none; after it the answer is read as LateEnqueue.
    """
    args: list[Arg] = [_ms(settings.idempotency_retention), deadline]
    for call in calls:
        args += call
        args.append(keys.buckets(call.body, call.reference))

    def read(answer: Any) -> tuple[list[str], list[Enqueued]]:
        if isinstance(answer, int):
            raise LateEnqueue(answer)
        rows = []
        for call, row in zip(calls, answer[1:], strict=True):
            if row == 1:
                rows.append(Enqueued("created", call.extid, call.id, State.QUEUED))
            elif row == 2:
                rows.append(Enqueued("created", call.extid, call.id, State.SCHEDULED))
            else:
                outcome, extid, call_id, state = (_text(part) for part in row)
                rows.append(Enqueued(cast(EnqueueOutcome, outcome), extid, call_id, State(state) if state else None))
        return [_text(name) for name in answer[0]], rows

    return Operation("enqueue", args, read)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call that one worker may submit at ``slot`` (Redis' clock, microseconds), ``delay`` seconds after the claim."""

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


@dataclass(frozen=True, slots=True)
class Claim:
    status: ClaimStatus
    wait: float
    calls: list[Claimed]


def lease_seconds(settings: Settings) -> float:
    """One whole exchange and 5 s for Redis and the loop; with a sweep every 5 s an orphan is found within 30 s."""
    return settings.provider_timeout + 5


def _courtesy(settings: Settings, limits: AccountSettings) -> list[Arg]:
    """What claim and arm both ask of every call: caps for a number, own numbers, the account's day."""
    return [
        ",".join(f"{cap.calls}:{cap.seconds * 1000}" for cap in settings.frequency_caps),
        " ".join(settings.own_numbers),
        limits.daily_calls,
        limits.daily_minutes * 60,
        RESERVE_SECONDS,
    ]


def claim(
    settings: Settings, account: str, limits: AccountSettings, *, epoch: str, room: int, horizon: float, attend: float
) -> Operation[Claim]:
    """Takes up to ``room`` calls whose slot falls due within ``horizon`` seconds; ``attend`` 0 says that the worker leaves."""
    token = secrets.token_hex(8)
    args: list[Arg] = [
        epoch,
        account,
        token,
        room,
        round(horizon * 1_000_000),
        _ms(lease_seconds(settings)),
        limits.calls_per_second,
        limits.burst_calls,
        limits.max_concurrent_calls,
        _ms(settings.channel_timeout),
        _ms(lease_seconds(settings)),
        _ms(attend),
        *_courtesy(settings, limits),
    ]

    def read(answer: list[Any]) -> Claim:
        calls = [
            Claimed(
                record=row[0].decode(),
                id=row[1].decode(),
                body=row[2].decode(),
                delay=max(0, int(row[3])) / 1_000_000,
                attempt=int(row[4]),
                tries=int(row[5]),
                extid=row[6].decode(),
                priority=row[7].decode(),
                campaign=row[8].decode(),
                reference=row[9].decode(),
                slot=int(row[10]),
                token=token,
                account=account,
            )
            for row in answer[2:]
        ]
        return Claim(cast(ClaimStatus, answer[0].decode()), int(answer[1]) / 1_000_000, calls)

    return Operation("claim", args, read)


class Arming(NamedTuple):
    record: str
    token: str
    slot: int


class Armed(NamedTuple):
    outcome: ArmOutcome
    wait: float
    slot: int


def arm(
    settings: Settings, limits: AccountSettings, items: Sequence[Arming], *, epoch: str, worker: str
) -> Operation[list[Armed]]:
    """From claimed to submitting for those who still hold their calls. All items are of one account."""
    args: list[Arg] = [
        epoch,
        worker,
        _ms(lease_seconds(settings)),
        limits.calls_per_second,
        limits.burst_calls,
        _ms(settings.channel_timeout),
        *_courtesy(settings, limits),
    ]
    for item in items:
        args += item

    def read(answer: list[list[Any]]) -> list[Armed]:
        return [Armed(cast(ArmOutcome, row[0].decode()), int(row[1]) / 1_000_000, int(row[2])) for row in answer]

    return Operation("arm", args, read)


class Settling(NamedTuple):
    """What became of one claimed call. ``delay`` and ``hold`` in seconds; ``answer`` is JSON text or empty."""

    record: str
    token: str
    outcome: SettleOutcome
    delay: float = 0
    hold: float = 0
    answer: str = ""
    code: str = ""


def settle(settings: Settings, limits: AccountSettings, items: Sequence[Settling]) -> Operation[list[str]]:
    """Answers for each the state that it is in now, ``kept``, ``auth`` or ``auth:opened``."""
    channel = _ms(settings.channel_timeout) if limits.max_concurrent_calls else 0
    args: list[Arg] = [
        _ms(settings.result_timeout),
        channel,
        settings.max_tries,
        _ms(settings.unconfirmed_redial_delay),
    ]
    for item in items:
        args += (item.record, item.token, item.outcome, _ms(item.delay), _ms(item.hold), item.answer, item.code)
        args.append(new_ids()[1] if item.outcome == "unconfirmed" else "")
    return Operation("settle", args, lambda answer: [_text(row) for row in answer])


class Applying(NamedTuple):
    extid: str
    result: str
    digest: str
    disposition: str
    talk: int = 0
    """Seconds that were talked."""


class Applied(NamedTuple):
    outcome: ApplyOutcome
    id: str
    state: str
    account: str
    attempt: int
    record: str


def apply_results(items: Sequence[Applying]) -> Operation[list[Applied]]:
    """Gives results to their calls by extid."""
    args: list[Arg] = []
    for item in items:
        args += (item.extid, item.result, item.digest, item.disposition, new_ids()[1], item.talk)

    def read(answer: list[list[Any]]) -> list[Applied]:
        return [
            Applied("unknown", "", "", "", 0, "")
            if row[0] == b"unknown"
            else Applied(
                cast(ApplyOutcome, _text(row[0])),
                _text(row[1]),
                _text(row[2]),
                _text(row[3]),
                int(row[4]),
                _text(row[5]),
            )
            for row in answer
        ]

    return Operation("apply", args, read)


class Canceled(NamedTuple):
    outcome: CancelOutcome
    id: str
    state: str
    record: str


def cancel(
    extids: Iterable[str], reason: str = "canceled_by_caller", *, campaign: str = ""
) -> Operation[list[Canceled]]:
    """With ``campaign`` only calls of that campaign are touched; others are answered as unknown."""
    args: list[Arg] = [campaign]
    for extid in extids:
        args += (extid, reason)
    return Operation(
        "cancel",
        args,
        lambda answer: [
            Canceled(cast(CancelOutcome, _text(r[0])), _text(r[1]), _text(r[2]), _text(r[3])) for r in answer
        ],
    )


class Redialing(NamedTuple):
    record: str
    attempt: int


class Redialed(NamedTuple):
    outcome: RedialOutcome
    id: str
    state: str
    record: str
    attempt: int


def redial(items: Sequence[Redialing], actor: str) -> Operation[list[Redialed]]:
    """A further attempt for unconfirmed calls, because ``actor`` (a name without spaces) says so."""
    args: list[Arg] = ["".join(actor.split())[:64]]
    for item in items:
        args += (*item, new_ids()[1])

    def read(answer: list[list[Any]]) -> list[Redialed]:
        return [
            Redialed(cast(RedialOutcome, _text(row[0])), _text(row[1]), _text(row[2]), _text(row[3]), int(row[4]))
            for row in answer
        ]

    return Operation("redial", args, read)


class HopperNeed(NamedTuple):
    """A campaign whose hopper runs low: where its rows go on, and how many there is room for."""

    campaign: str
    cursor: int
    chunk: int
    offset: int
    room: int


class Pace(NamedTuple):
    moved: int
    next_due: float | None
    ring: list[str]
    hoppers: list[HopperNeed] = []  # noqa: RUF012  # a NamedTuple's default, never changed


def pace(hoppers: Mapping[str, int] | None = None, *, limit: int = 500) -> Operation[Pace]:
    """Moves what is due; ``next_due`` in seconds from now. ``hoppers``: how many calls one should hold, by account."""
    args: list[Arg] = [limit]
    for account, room in (hoppers or {}).items():
        args += (account, room)

    def read(answer: list[Any]) -> Pace:
        return Pace(
            int(answer[0]),
            None if int(answer[1]) < 0 else int(answer[1]) / 1000,
            [_text(name) for name in answer[2]],
            [HopperNeed(_text(row[0]), *(int(part) for part in row[1:])) for row in answer[3]],
        )

    return Operation("pace", args, read)


class Swept(NamedTuple):
    action: str
    id: str
    record: str
    account: str
    attempt: int


def sweep(settings: Settings, *, limit: int = 200) -> Operation[tuple[bool, list[Swept]]]:
    """Moves what nobody will move any more. Answers whether there may be more, and what was done."""
    args: list[Arg] = [
        limit,
        _ms(settings.result_timeout),
        _ms(settings.channel_timeout),
        _ms(settings.unconfirmed_redial_delay),
        POISON_AFTER,
        *(new_ids()[1] for _ in range(limit)),
    ]

    def read(answer: list[Any]) -> tuple[bool, list[Swept]]:
        rows = [Swept(_text(r[0]), _text(r[1]), _text(r[2]), _text(r[3]), int(r[4])) for r in answer[1:]]
        return int(answer[0]) >= limit, rows

    return Operation("sweep", args, read)


def resume(account: str = "") -> Operation[None]:
    """Lifts the emergency stop and the pauses and breakers of all accounts, or those of one account only."""
    return Operation("resume", [account], lambda _answer: None)


class Trimmed(NamedTuple):
    """``held`` says that a group which has not read yet stands in the way."""

    removed: int
    length: int
    held: bool


def trim(keep: int, step: int = 1000) -> Operation[Trimmed]:
    """Shortens the event stream by at most ``step`` towards ``keep``, never past what a group has not read."""
    return Operation("trim", [keep, step], lambda answer: Trimmed(int(answer[0]), int(answer[1]), bool(answer[2])))
