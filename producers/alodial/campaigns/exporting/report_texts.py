"""The words of the printable report: English here, other languages from whoever prints it."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from alodial_schemas.durations import duration_text


class ReportTexts(Protocol):
    """A translator, as the monitor's. ``known`` translates a state or an outcome, by its prefix."""

    language: str

    def __call__(self, key: str, **values: Any) -> str: ...

    def known(self, prefix: str, word: str) -> str: ...

    def number(self, value: float) -> str: ...

    def percent(self, share: float | None) -> str: ...

    def span(self, seconds: float) -> str: ...


ENGLISH: Final[Mapping[str, str]] = {
    "printed.title": "{name} - campaign report",
    "printed.submitted": "submitted {moment} by",
    "printed.ended": "ended {moment}",
    "printed.made": "report of {moment} ({zone})",
    "printed.rows": "Rows called or to call",
    "printed.answered": "Answered",
    "printed.rate": "Answer rate",
    "printed.attempts": "Attempts",
    "printed.talk": "Talk time",
    "printed.mean": "Mean talk",
    "printed.longest": "Longest talk",
    "printed.progress": "Progress",
    "printed.none": "none yet",
    "printed.nothing": "nothing yet",
    "printed.file": "The file",
    "printed.number": "number",
    "printed.file_rows": "in the file",
    "printed.good": "good",
    "printed.bad": "bad",
    "printed.duplicate": "duplicate",
    "printed.suppressed": "suppressed (do-not-call)",
    "printed.left_out": "left out, outcome not known",
    "printed.policy": "What was asked for",
    "printed.setting": "Setting",
    "printed.value": "Value",
    "printed.activity": "What was done",
    "printed.when": "When",
    "printed.who": "Who",
    "printed.what": "What",
    "printed.detail": "Detail",
    "printed.row_progress": "Progress of the rows",
    "printed.is_ended": "ended",
    "printed.under_way": "under way",
    "printed.waiting": "waiting",
    "printed.outcomes": "How the calls went",
    "printed.outcome": "outcome",
    "printed.count": "rows",
    "printed.hours": "Calls by the hour of the day",
    "printed.hours_about": "Attempts by the hour of the day, the filled part answered",
    "printed.hour": "hour",
    "printed.tries": "attempts",
    "printed.answered_count": "answered",
    "printed.days": "Calls over time",
    "printed.days_about": "Attempts by day, the filled part answered",
    "printed.day": "day",
    "printed.reach": "Attempts that it took to reach somebody",
    "printed.reach_about": "Answered rows by the attempts they took",
    "printed.answered_rows": "answered rows",
    "printed.attempts_each": "Attempts of each row",
    "printed.attempts_about": "Rows by the attempts they took",
    "printed.highest": "highest: {count}",
    "printed.part": "{label}: {whole}, filled {part}",
}
"""The report's texts; the monitor has the same keys in its other languages."""


class EnglishTexts:
    """English, with states and outcomes by their names for programs."""

    language = "en"

    def __call__(self, key: str, **values: Any) -> str:
        return ENGLISH[key].format_map(values)

    def known(self, _prefix: str, word: str) -> str:
        return word

    def number(self, value: float) -> str:
        return f"{value:,}"

    def percent(self, share: float | None) -> str:
        return "–" if share is None else f"{share:.1%}".replace(".0%", "%")

    def span(self, seconds: float) -> str:
        return duration_text(seconds)
