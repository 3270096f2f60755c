"""The values of the model of the store (``model.py``): rules, limits, calls and accounts."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Self

from alodial.settings import AccountSettings, Settings
from alodial.store.call_transitions import POISON_AFTER, ApplyOutcome, NewCall, lease_seconds
from alodial_schemas import State


class Rules(NamedTuple):
    """The times among the scripts' arguments, ms."""

    lease: int
    result: int
    channel: int
    redial_after: int
    max_tries: int
    patience: int = 86_400_000
    poison: int = POISON_AFTER

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            round(lease_seconds(settings) * 1000),
            round(settings.result_timeout * 1000),
            round(settings.channel_timeout * 1000),
            round(settings.unconfirmed_redial_delay * 1000),
            settings.max_tries,
            round(settings.unreachable_timeout * 1000),
        )


class Limits(NamedTuple):
    """An account's limits; 0 is none."""

    rate: float
    burst: int
    cap: int

    @classmethod
    def of(cls, account: AccountSettings) -> Self:
        return cls(account.calls_per_second, account.burst_calls, account.max_concurrent_calls)


class Seen(NamedTuple):
    """A result that was here: its digest, four digits of the spare it came with, what became of it."""

    digest: str
    nonce: str
    outcome: ApplyOutcome


class Attempt(NamedTuple):
    extid: str
    armed: int | None = None
    disposition: str | None = None
    first: Seen | None = None
    other: Seen | None = None
    answer: str | None = None


def event_id(subject: str, version: int, *content: object) -> str:
    """The id of an event: what it says is part of it."""
    return f"{subject}-{version}-h{hashlib.sha1('|'.join(map(str, content)).encode()).hexdigest()[:8]}"


class Emitted(NamedTuple):
    id: str
    kind: str
    subject: str
    extid: str
    state: str
    disposition: str | None
    attempt: int


@dataclass(slots=True)
class Call:
    """A record. ``token`` is its holder's; ``settled`` is what a holder was told."""

    new: NewCall
    state: State
    attempts: dict[int, Attempt]
    timeline: tuple[tuple[str, int, str], ...] = ()
    shown: str = ""
    """The extid by which its owner knows it."""
    version: int = 0
    attempt: int = 1
    token: str = ""
    tries: int = 0
    crashes: int | None = None
    """None: no suspect. Else how often a worker died that had it alone."""
    refusals: tuple[int, int, int] | None = None
    """Proofs of the token at the last counted refusal, counted refusals, all refusals."""
    alone: str = ""
    """The token of the last worker that said so."""
    settled: tuple[str, str] | None = None
    disposition: str | None = None
    reason: str | None = None
    unknown: tuple[str, int] | None = None
    """Token and number of an attempt that was redialled because nobody knew its outcome."""
    turn: tuple[str, int] | None = None
    """It waits for a later time, and then for its key's turn."""
    counted: int = 1
    """The latest attempt that is counted for its key."""

    @property
    def current(self) -> Attempt:
        return self.attempts[self.attempt]

    def note(self, **changes: object) -> None:
        self.attempts[self.attempt] = self.current._replace(**changes)  # type: ignore[arg-type]  # names of Attempt's fields

    def over(self, ms: int) -> bool:
        """Whether ``expires_at`` has passed by then."""
        return self.new.expires_at != "" and int(self.new.expires_at) <= ms


@dataclass(slots=True)
class Account:
    tat: int = 0
    turn: int = 0
    hold: int = 0
    why: str = ""
    refusals: int = 0
    probe: str = ""
    kind: str = ""
    """Why the breaker is open: "unsent", "address", or "" for the token."""
    taken: bool = False
    """Whether a call was ever taken at the address that the settings name."""
    refused: str = ""
    """The call whose token was refused last, while none was taken since."""
    proofs: int = 0
    unsent: int = 0
    unreached_since: int = 0
    stale: int = 0
    slowed: int = 0
    after_tenants: str = ""
