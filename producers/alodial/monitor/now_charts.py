"""The charts of the first screen and of campaigns: what went out and how it ended, over an hour, a day or a week. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..i18n import Translator
from ..store.overview import MinuteCounts, Overview

HOURS: Final = {"1h": 1, "24h": 24, "7d": 168}
SPANS: Final = tuple(HOURS)

NOT_PLACED: Final = ("rejected", "failed", "expired", "timed_out")
CHARTED: Final = ("answered", "no_answer", "busy", "unavailable", "congestion")
"""Dispositions with a line in the chart; each has a colour in the style sheet."""

FAR: Final = 3
"""A limit that many times above all figures is left out: its line would press the others to the ground."""


def span_of(values: Mapping[str, str]) -> str:
    """The range that an address names; the last hour without a known one."""
    span = values.get("range", "")
    return span if span in HOURS else SPANS[0]


def totals_of(counts: Sequence[MinuteCounts]) -> dict[str, int]:
    """How many calls ended in each way over a range."""
    totals: Counter[str] = Counter()
    for point in counts:
        totals.update(point.dispositions)
        totals.update({name: number for name, number in point.ends.items() if name in NOT_PLACED})
    return dict(totals)


def _line(label: str, values: Sequence[float], colour: str, **style: bool) -> dict[str, Any]:
    return {"label": label, "values": values, "colour": colour} | style


def series_of(now: Overview, counts: Sequence[MinuteCounts], span: str, t: Translator) -> dict[str, Any]:
    """The charts' data: ``counts`` by minute for the last hour, by hour for longer ranges."""
    time = {"label": t("now.chart.time"), "values": [point.at for point in counts]}
    armed = [point.armed for point in counts]
    rate = [time, _line(t("now.chart.armed"), armed, "--c-under-way", fill=True)]
    limits = [account.limits.rate if account.limits else 0 for account in now.accounts]
    limit = (60 if span == SPANS[0] else 3600) * sum(limits)
    if limits and all(limits) and limit <= FAR * max(armed, default=0):
        rate.append(_line(t("now.chart.limit"), [limit] * len(counts), "--c-rejected", dash=True))
    return {"rate": {"series": rate}, "outcomes": {"series": outcomes_of(counts, t)}}


def outcomes_of(counts: Sequence[MinuteCounts], t: Translator) -> list[dict[str, Any]]:
    """The lines of a chart of ends: each disposition that occurs, and calls that were not placed."""
    outcomes = [{"label": t("now.chart.time"), "values": [point.at for point in counts]}]
    for name in CHARTED:
        values = [point.dispositions.get(name, 0) for point in counts]
        if name == "answered" or any(values):
            outcomes.append(_line(t(f"disposition.{name}"), values, f"--c-{name}"))
    failed = [sum(point.ends.get(name, 0) for name in NOT_PLACED) for point in counts]
    if any(failed):
        outcomes.append(_line(t("now.chart.failed"), failed, "--c-rejected"))
    return outcomes
