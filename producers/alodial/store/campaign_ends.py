"""How many calls of a campaign ended in each minute of the last hour, or in each hour of the last week, and how."""

from collections.abc import Iterable, Mapping

from .answers import text
from .hour_counts import MAX_HOURS
from .keys import Keys
from .overview import MINUTES, MinuteCounts
from .sansio import Steps
from .server_clock import to_ms


def minutes_steps(keys: Keys, id: str) -> Steps[tuple[MinuteCounts, ...]]:
    """Reads the last hour by minute, oldest first; the last minute is not over."""
    (clock,) = yield [("TIME",)]
    this = to_ms(clock) // 60_000
    points = range(this - MINUTES + 1, this + 1)
    hours = sorted({point // 60 for point in points})
    answers = yield [("HGETALL", keys.campaign_minutes(id, hour)) for hour in hours]
    return _counts(points, 60, dict(zip(hours, answers, strict=True)), 60)


def hours_steps(keys: Keys, id: str, hours: int) -> Steps[tuple[MinuteCounts, ...]]:
    """Reads the last ``hours`` hours, oldest first; the last is not over."""
    (clock,) = yield [("TIME",)]
    this = to_ms(clock) // 3_600_000
    points = range(this - min(hours, MAX_HOURS) + 1, this + 1)
    days = sorted({point // 24 for point in points})
    answers = yield [("HGETALL", keys.campaign_hours(id, day)) for day in days]
    return _counts(points, 24, dict(zip(days, answers, strict=True)), 3600)


def _counts(
    points: Iterable[int], size: int, kept: Mapping[int, Mapping[bytes, bytes]], seconds: int
) -> tuple[MinuteCounts, ...]:
    """The counts of ``points``, of which ``size`` share a hash of ``kept``."""
    ends: dict[int, dict[str, int]] = {}
    for place, fields in kept.items():
        for name, value in fields.items():
            within, _, label = text(name).partition(":")
            ends.setdefault(place * size + int(within), {})[label] = int(value)
    rows = []
    for point in points:
        labels = ends.get(point, {})
        dispositions = {
            label.partition(":")[2]: count for label, count in labels.items() if label.startswith("completed:")
        }
        others = {label: count for label, count in labels.items() if not label.startswith("completed:")}
        rows.append(MinuteCounts(point * seconds, 0, 0, others, dispositions))
    return tuple(rows)
