"""How the rows of a campaign ended: a byte for each row, which outlives the records of their calls."""

from typing import Any, Final, NamedTuple

import redis

from alodial_schemas import Disposition

from .keys import Keys

LETTERS: Final = {
    "completed:answered": "a",
    "completed:busy": "b",
    "completed:canceled": "k",
    "completed:congestion": "c",
    "completed:no_answer": "n",
    "completed:rejected": "j",
    "completed:unavailable": "u",
    "completed:unknown": "o",
    "canceled": "C",
    "canceled:answered": "x",
    "expired": "E",
    "expired:answered": "y",
    "failed": "F",
    "rejected": "R",
    "rejected:do_not_call": "D",
    "timed_out": "T",
}
"""The byte of each end, with the disposition of a completed call or what else a retry has to know.

A call that was canceled or expired may have been answered before, as a result that came late has told.
"""


class RowOutcome(NamedTuple):
    """How a row's call ended."""

    state: str
    disposition: str | None = None
    reason: str | None = None


def _outcome(label: str) -> RowOutcome:
    state, _, detail = label.partition(":")
    if state == "completed" or detail == "answered":
        return RowOutcome(state, Disposition(detail))
    return RowOutcome(state, reason=detail or None)


_OUTCOMES: Final = {ord(letter): _outcome(label) for label, letter in LETTERS.items()}


def read(client: "redis.Redis", keys: Keys, campaign: str, start: int, count: int) -> list[RowOutcome | None]:
    """The outcomes of ``count`` rows from index ``start`` on.

    None for a row whose call has not ended, and for one that ended before outcomes were kept.
    """
    value: Any = client.getrange(keys.campaign_outcomes(campaign), start, start + count - 1)
    kept = [_OUTCOMES.get(byte) for byte in value]
    return kept + [None] * (count - len(kept))
