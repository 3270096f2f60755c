"""One pass over a campaign's rows: the figures that its report draws."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from .records import ResultRow


@dataclass(slots=True)
class Summary:
    """``by_hour`` counts attempts and answers by the local hour of the day, ``by_day`` attempts by local date."""

    rows: int = 0
    states: Counter[str] = field(default_factory=Counter)
    dispositions: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    by_hour: Counter[int] = field(default_factory=Counter)
    answered_by_hour: Counter[int] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)
    talk_seconds: int = 0
    answered: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def summarise(rows: Iterable[ResultRow], zone: str) -> Summary:
    """Memory does not grow with the rows."""
    tz = ZoneInfo(zone)
    told = Summary()
    for row in rows:
        told.rows += 1
        told.states[row.state] += 1
        told.attempts[row.attempts] += 1
        if row.disposition:
            told.dispositions[row.disposition] += 1
        if row.reason:
            told.reasons[row.reason] += 1
        told.talk_seconds += row.talk_seconds or 0
        told.answered += row.disposition == "answered"
        last = None
        for text in row.attempts_at:
            last = datetime.fromisoformat(text).astimezone(tz)
            told.by_hour[last.hour] += 1
            told.by_day[last.date().isoformat()] += 1
        if last is not None and row.disposition == "answered":
            told.answered_by_hour[last.hour] += 1
    return told
