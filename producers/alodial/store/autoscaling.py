"""How many worker processes the waiting calls and the limits justify; for autoscalers."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

STARTS_PER_WORKER: Final = 1_000
"""POSTs a second planned for one process: half of what one core was measured to start at answers after 200 ms."""

ANSWER_SECONDS: Final = 1.0
"""How long a POST is assumed to be under way."""

DRAIN_SECONDS: Final = 60.0
"""An account without a rate limit should place the calls that are ready within a minute."""


class AccountLoad(NamedTuple):
    """An account's ready calls, its limits (0 for none, or not known), channels in use, and whether it is held."""

    ready: int
    rate: float
    channels: int
    channels_in_use: int
    held: bool


def _starts_per_second(load: AccountLoad) -> float:
    if load.held or load.ready == 0:
        return 0.0
    # A free channel can be filled at once; where all are in use calls start as they end, which one worker can do.
    free = max(1, load.channels - load.channels_in_use) if load.channels else math.inf
    rate = load.rate or max(1.0, load.ready / DRAIN_SECONDS)
    return float(min(rate, load.ready, free))


def workers_wanted(loads: Iterable[AccountLoad], *, inbox: int, max_in_flight: int, stopped: bool) -> int:
    """The number of workers, at least 1: results, due times and abandoned calls need one at any time.

    The starts a second of all accounts, divided by what one process starts or has in flight; one more for each 10,000
    results in the inbox. More workers would only share the same limits. During an emergency stop only results count.
    """
    starts = 0.0 if stopped else sum(_starts_per_second(load) for load in loads)
    each = min(STARTS_PER_WORKER, max_in_flight / ANSWER_SECONDS)
    return max(1, math.ceil(starts / each)) + inbox // 10_000
