"""What can be asked of the counts, and what is made of the answer. No I/O, and no database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alodial_schemas import FieldProblem

MEASURES: Final = ("calls", "attempts", "answered", "talk_seconds")
"""The sums of a row, in the order in which the counts keep them; ``answered`` are calls, in counts of hours attempts."""

FIGURES: Final = ("calls", "attempts", "answered", "answer_rate", "talk_seconds", "average_talk_seconds", "share")
"""The columns of a row in a file."""

BY: Final[Mapping[str, tuple[str, ...]]] = {
    "outcomes": ("outcome", "day", "weekday", "month", "line", "operator", "campaign", "initiator"),
    "hours": ("hour", "weekday", "day", "month", "operator", "campaign", "outcome"),
    "campaigns": ("campaign", "outcome", "day", "weekday", "month", "line", "operator"),
}
"""The reports, and by what each can be grouped, the usual first. Hours are those of attempts, all others those of calls."""

MAX_BY: Final = 2
MAX_DAYS: Final = 1100
"""Days of one report: three years."""

USUAL_DAYS: Final = 30
MAX_ROWS: Final = 10_000

ENOUGH: Final = 30
"""Attempts in an hour below which it is not compared with others."""

_SURE: Final = 1.96
"""Standard deviations that hold with 95 %."""


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """A report over the days from ``since`` to ``until``, both included, of the installation's zone.

    ``owner`` and ``campaign`` restrict it, "" to nothing.
    """

    report: str
    by: tuple[str, ...]
    since: date
    until: date
    owner: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """Sums over all calls, in the report on hours over all attempts, of one group. ``of`` are the values that make it up."""

    of: Mapping[str, Any]
    calls: int
    attempts: int
    answered: int
    talk_seconds: int
    answer_rate: float | None
    average_talk_seconds: float | None
    share: float | None

    def to_dict(self) -> dict[str, Any]:
        """The row as HTTP and ``--json`` show it."""
        return dict(self.of) | {name: getattr(self, name) for name in self.__slots__ if name != "of"}


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a report; ``total`` sums all of them; ``more``: there are more than ``MAX_ROWS``.

    ``best`` is the hour in which people answer the most, of those that the figures tell apart; None where they tell none.
    """

    query: ReportQuery
    rows: Sequence[ReportRow]
    total: ReportRow
    best: ReportRow | None = None
    more: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The report as HTTP and ``--json`` show it."""
        return {
            "report": self.query.report,
            "by": list(self.query.by),
            "since": self.query.since.isoformat(),
            "until": self.query.until.isoformat(),
            "rows": [row.to_dict() for row in self.rows],
            "total": self.total.to_dict(),
            "best": self.best.to_dict() if self.best else None,
            "more": self.more,
        }


def read_query(
    report: str,
    by: Sequence[str],
    since: int | None,
    until: int | None,
    zone: ZoneInfo,
    *,
    now: datetime,
    owner: str = "",
    campaign: str = "",
) -> tuple[ReportQuery, list[FieldProblem]]:
    """The query, and what is wrong with it. ``since`` and ``until`` (excluded) are Unix ms; the days that they are in count."""
    problems: list[FieldProblem] = []
    choices = BY[report]
    groups = tuple(dict.fromkeys(by)) or choices[:1]
    if bad := [name for name in groups if name not in choices]:
        problems.append(
            FieldProblem("by", "not_a_choice", f"{bad[0][:32]!r} is nothing to group by", f"use {', '.join(choices)}")
        )
    if len(groups) > MAX_BY:
        problems.append(FieldProblem("by", "too_many", "has more than two names", "group by one or two"))
    if "initiator" in groups and set(groups) & {"line", "operator", "campaign"}:
        remedy = "group by initiator alone, or with outcome, day, weekday or month"
        problems.append(FieldProblem("by", "not_counted", "no such combination is counted", remedy))
    if "initiator" in groups and campaign:
        problems.append(
            FieldProblem("campaign", "not_counted", "has no initiators counted", "leave it out, or group by outcome")
        )
    last = (now if until is None else datetime.fromtimestamp((until - 1) / 1000, zone)).astimezone(zone).date()
    first = (
        last - timedelta(days=USUAL_DAYS - 1) if since is None else datetime.fromtimestamp(since / 1000, zone).date()
    )
    if first > last:
        problems.append(FieldProblem("since", "bad_range", "is after until", "give a time before it"))
    elif (last - first).days >= MAX_DAYS:
        problems.append(
            FieldProblem("since", "bad_range", f"is more than {MAX_DAYS} days before until", "ask for less")
        )
    return ReportQuery(report, groups, first, last, owner, campaign), problems


def make_row(of: Mapping[str, Any], sums: Sequence[int], total: int, *, hours: bool) -> ReportRow:
    """A row of these sums; ``total`` is what its share is of: calls, attempts in the report on hours."""
    calls, attempts, answered, talk = sums
    base = attempts if hours else calls
    return ReportRow(
        of=of,
        calls=calls,
        attempts=attempts,
        answered=answered,
        talk_seconds=talk,
        answer_rate=round(answered / base, 4) if base else None,
        average_talk_seconds=round(talk / answered, 1) if answered else None,
        share=round(base / total, 4) if total else None,
    )


def make_report(query: ReportQuery, counts: Iterable[tuple[Any, ...]], names: Mapping[str, str]) -> Report:
    """A report from counted rows: the values of :func:`columns_of`, then the sums. ``names`` are those of campaigns."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    totals = [0] * len(MEASURES)
    width = len(query.by)
    for row in counts:
        key = tuple(_folded(name, value) for name, value in zip(query.by, row[:width], strict=True))
        sums = groups.setdefault(key, [0] * len(MEASURES))
        for place, value in enumerate(row[width:]):
            sums[place] += int(value)
            totals[place] += int(value)
    hours = query.report == "hours"
    total = totals[1 if hours else 0]
    rows = [
        make_row(_named(dict(zip(query.by, key, strict=True)), names), sums, total, hours=hours)
        for key, sums in groups.items()
        if any(sums)
    ]
    timed = bool(set(query.by) & {"hour", "weekday", "day", "month"})
    rows.sort(key=lambda row: tuple(row.of.values()) if timed else (-row.calls, -row.attempts, *row.of.values()))
    best = best_of(rows) if hours and "hour" in query.by else None
    shown = rows[:MAX_ROWS]
    return Report(query, shown, make_row({}, totals, total, hours=hours), best, len(rows) > MAX_ROWS)


def _named(of: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return of | {"campaign_name": names.get(of["campaign"], "")} if "campaign" in of else of


def _folded(name: str, value: Any) -> Any:
    if name == "weekday":
        return value.isoweekday()
    if name == "month":
        return f"{value:%Y-%m}"
    return value.isoformat() if name == "day" else value


def best_of(rows: Iterable[ReportRow]) -> ReportRow | None:
    """The row with the highest answer rate that is sure: the lower bound of Wilson's interval, so that three of three
    attempts do not beat 400 of 1,000. None with fewer than ``ENOUGH`` attempts in every row."""
    compared = [row for row in rows if row.attempts >= ENOUGH and row.answered]
    return max(compared, key=lambda row: lower_bound(row.answered, row.attempts), default=None)


def lower_bound(answered: int, attempts: int) -> float:
    """The share of answered attempts that is exceeded with 97.5 % certainty (Wilson's score interval)."""
    rate, square = answered / attempts, _SURE**2
    middle = rate + square / (2 * attempts)
    spread = _SURE * (rate * (1 - rate) / attempts + square / (4 * attempts**2)) ** 0.5
    return float((middle - spread) / (1 + square / attempts))
