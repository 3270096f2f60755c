"""How many worker processes the waiting work and the limits justify; for autoscalers."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

STARTS_PER_WORKER: Final = 1_000
"""POSTs a second that one process is asked for: half of what one core was measured to start at answers after 200 ms."""

ANSWER_SECONDS: Final = 1.0
"""A POST is reckoned to be under way so long."""

DRAIN_SECONDS: Final = 60.0
"""An account without a rate limit should be through with what is ready in a minute."""


class WorkerLoad(NamedTuple):
    """Of one account: calls that may go now, limits (0 for none, also where they are not known), channels in use."""

    ready: int
    rate: float
    channels: int
    channels_in_use: int
    kept_back: bool


def startable(load: WorkerLoad) -> float:
    """Calls a second that the account may start now: what is ready within its limits."""
    if load.kept_back or load.ready == 0:
        return 0.0
    # A free channel can be filled at once; where all are in use calls start as they end, which one worker can do.
    free = max(1, load.channels - load.channels_in_use) if load.channels else math.inf
    rate = load.rate or max(1.0, load.ready / DRAIN_SECONDS)
    return float(min(rate, load.ready, free))


def workers_wanted(loads: Iterable[WorkerLoad], *, inbox: int, max_in_flight: int, stopped: bool) -> int:
    """At least 1: somebody must take results, keep the calendar and give up what others left.

    The starts a second of all accounts, over what one process is asked for or can have in flight; one more for each
    10,000 results that wait in the inbox. More workers than that would only share the same limits. While the emergency
    stop is pulled only results count.
    """
    starts = 0.0 if stopped else sum(startable(load) for load in loads)
    each = min(STARTS_PER_WORKER, max_in_flight / ANSWER_SECONDS)
    return max(1, math.ceil(starts / each)) + inbox // 10_000
