"""The counters of past hours, which are kept for eight days."""

from .keys import Keys
from .overview import MinuteCounts, read_counts
from .sansio import Steps
from .server_clock import to_ms

MAX_HOURS = 168


def hours_steps(keys: Keys, hours: int) -> Steps[tuple[MinuteCounts, ...]]:
    """Reads the counters of the last ``hours`` hours, oldest first; the last is not over."""
    (clock,) = yield [("TIME",)]
    this = to_ms(clock) // 3_600_000
    first = this - min(hours, MAX_HOURS) + 1
    answers = yield [("HGETALL", keys.hour(hour)) for hour in range(first, this + 1)]
    return tuple(read_counts((first + place) * 3600, raw) for place, raw in enumerate(answers))
