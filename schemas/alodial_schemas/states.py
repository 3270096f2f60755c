"""A call's states and, as data, every move between them. The drawing in docs/states.md is made from this table."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """The states of a call, in the order of its life."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    UNCONFIRMED = "unconfirmed"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    TIMED_OUT = "timed_out"


# What a new call may be.
INITIAL: Final[frozenset[State]] = frozenset({State.SCHEDULED, State.QUEUED})

# Every call ends in exactly one of these and emits exactly one event for it.
ENDS: Final[frozenset[State]] = frozenset(
    {State.COMPLETED, State.REJECTED, State.FAILED, State.EXPIRED, State.CANCELED, State.TIMED_OUT}
)

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.SCHEDULED: frozenset(
            {
                State.QUEUED,
                State.CANCELED,
                State.EXPIRED,
                State.COMPLETED,  # the result of an earlier attempt arrived before the redial
            }
        ),
        State.QUEUED: frozenset(
            {
                State.SUBMITTING,
                State.CANCELED,
                State.EXPIRED,
                State.REJECTED,  # suppressed number or a limit, found when it was claimed
                State.SCHEDULED,  # outside the calling window, or an account is resting
                State.COMPLETED,  # the result of an earlier attempt arrived before the redial
                State.FAILED,  # every safe retry was used up while it went back and forth
            }
        ),
        State.SUBMITTING: frozenset(
            {
                State.SUBMITTED,
                State.UNCONFIRMED,
                State.COMPLETED,  # the result overtook the answer to our POST
                State.REJECTED,
                State.FAILED,
                State.SCHEDULED,  # provably unsent or refused for now: retried later; or a redial after an early result
                State.QUEUED,  # 401 or 403: the token is wrong, the account's breaker opens and the call goes back
            }
        ),
        State.SUBMITTED: frozenset(
            {
                State.COMPLETED,
                State.TIMED_OUT,
                State.SCHEDULED,  # the result arrived and the redial policy asks for another attempt
            }
        ),
        # Its worker may have been cut off from Redis and know the outcome: when it comes back with one that is certain, it wins.
        State.UNCONFIRMED: frozenset(
            {
                State.SUBMITTED,  # AloVoice took it
                State.QUEUED,  # the POST provably never left, or the token was refused: nothing rang
                State.REJECTED,  # AloVoice refused it for good
                State.FAILED,  # it never left, and that was its last try
                State.COMPLETED,
                State.TIMED_OUT,
                State.SCHEDULED,  # a redial by `on_unconfirmed`, a result or a person; or it never rang and is tried later
            }
        ),
        State.COMPLETED: frozenset(),
        State.REJECTED: frozenset({State.COMPLETED}),  # corrected: a result came for what was refused, so it did ring
        State.FAILED: frozenset({State.COMPLETED}),  # corrected: a result came after we had given up
        State.EXPIRED: frozenset(),
        State.CANCELED: frozenset(),
        State.TIMED_OUT: frozenset({State.COMPLETED}),  # corrected: the result came late
    }
)


def mermaid() -> str:
    """The table as a mermaid state diagram: the text between the fences of docs/states.md, ending in a newline."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in State if state in INITIAL]
    lines += [f"    {a} --> {b}" for a in State for b in State if b in TRANSITIONS[a]]
    # A corrected end is still an end, hence its arrow to the final point beside the one to completed.
    lines += [f"    {state} --> [*]" for state in State if state in ENDS]
    return "\n".join(lines) + "\n"
