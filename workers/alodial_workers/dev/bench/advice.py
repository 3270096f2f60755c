"""From what was measured to a recommendation. Pure functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from alodial.i18n import Message

Durability = Literal["fast", "fsync", "replica"]
Number = Callable[[float], str]

SPARE = 0.6
"""The share of what a worker can do that is planned for: the rest is for a busy minute."""

SLOW_ANSWER = 1.0
"""Seconds that a slow answer of AloVoice takes: so many calls of a second are in flight at once."""

WORTH_IT = 1.15
"""How much faster a larger ALODIAL_MAX_IN_FLIGHT has to be."""

FSYNC_SHARE = 0.25
"""The share of a second that syncing each call may take at the allowed rate."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Calls a second: of a worker with the present and with a larger in-flight limit while AloVoice answers after 200 ms, of one
    and of ``several`` workers while it answers at once, and of Redis alone. Times are in ms.
    """

    cores: int
    allowed_rate: float
    in_flight: int
    larger_in_flight: int
    rate: float
    rate_larger: float
    rate_at_once: float
    several: int
    rate_several: float
    redis_rate: float
    enqueue_ms: float
    fsync_ms: float | None
    append_only: bool | None
    synced: bool
    sentinel: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What to run and set, and why."""

    workers: int
    max_in_flight: int
    durability: Durability
    reasons: tuple[Message, ...]


def advise(figures: Figures, write: Number) -> Advice:
    """``allowed_rate`` 0 means no limit: then as much as the machine can. ``write`` puts a number into words."""
    in_flight, why_in_flight = _in_flight(figures, write)
    per_worker = figures.rate_larger if in_flight > figures.in_flight else figures.rate
    workers, why_workers = _workers(figures, per_worker, write)
    durability, why_durability = _durability(figures, write)
    return Advice(workers, in_flight, durability, (why_workers, why_in_flight, why_durability))


def _rounded(value: float) -> float:
    return round(value) if value >= 10 else float(f"{value:.2g}")


def _workers(figures: Figures, per_worker: float, write: Number) -> tuple[int, Message]:
    values = {"rate": write(_rounded(per_worker)), "allowed": write(_rounded(figures.allowed_rate))}
    if figures.allowed_rate:
        needed = max(1, math.ceil(figures.allowed_rate / max(per_worker * SPARE, 1e-9)))
        if needed == 1:
            return 2, Message("bench.workers_spare", values)
        return needed + 1, Message("bench.workers_needed", values, needed + 1)
    helps = figures.rate_several > figures.rate_at_once * WORTH_IT
    workers = max(2, figures.several if helps else 1)
    return workers, Message(
        "bench.workers_unlimited", values | {"several": write(_rounded(figures.rate_several))}, workers
    )


def _in_flight(figures: Figures, write: Number) -> tuple[int, Message]:
    values = {"now": write(figures.in_flight), "larger": write(figures.larger_in_flight)}
    enough = figures.allowed_rate and figures.allowed_rate * SLOW_ANSWER <= figures.in_flight
    if enough:
        return figures.in_flight, Message(
            "bench.in_flight_enough", values | {"allowed": write(_rounded(figures.allowed_rate))}
        )
    if figures.rate_larger > figures.rate * WORTH_IT:
        rates = {"rate": write(_rounded(figures.rate)), "faster": write(_rounded(figures.rate_larger))}
        return figures.larger_in_flight, Message("bench.in_flight_larger", values | rates)
    return figures.in_flight, Message("bench.in_flight_no_gain", values)


def _durability(figures: Figures, write: Number) -> tuple[Durability, Message]:
    enqueue = write(round(figures.enqueue_ms, 1))
    if figures.sentinel:
        return "replica", Message("bench.durability_replica")
    if figures.append_only is False:
        return "fsync", Message("bench.durability_none")
    if figures.synced:
        return "fsync", Message("bench.durability_synced", {"enqueue": enqueue})
    if figures.fsync_ms is None:
        return "fsync", Message("bench.durability_unmeasured", {"enqueue": enqueue})
    cost = write(round(figures.fsync_ms, 1))
    # A call is synced at its enqueue, claim, arm, settle and result.
    share = figures.allowed_rate * 5 * figures.fsync_ms / 1000
    if figures.allowed_rate and share <= FSYNC_SHARE:
        return "fsync", Message(
            "bench.durability_affordable", {"fsync": cost, "allowed": write(_rounded(figures.allowed_rate))}
        )
    return "fast", Message("bench.durability_dear", {"fsync": cost})
