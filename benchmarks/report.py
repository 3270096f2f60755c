"""Collects the rounds of each row, and writes them as JSON and as a table."""

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .goals import GOALS, reached

FOREIGN_LIMIT = 0.15
"""Cores that others may use during a round; above it the round is measured again, or marked."""


def quartiles(values: list[float]) -> dict[str, float]:
    """Median and quartiles; of fewer than four values their ends stand for the quartiles."""
    if len(values) < 4:
        return {"median": statistics.median(values), "q1": min(values), "q3": max(values)}
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3}


class Report:
    """The figures of a run. A round is one value of ours, and of the anchor where there is one."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.drains: dict[str, dict[str, dict[str, Any]]] = {}
        self.notes: dict[str, Any] = {}

    def add(
        self, key: str, value: float, *, ours: float | None = None, anchor: float | None = None, foreign: float = 0.0
    ) -> None:
        """One round of a row: its value (a ratio or a figure of ours) and the two figures behind it."""
        row = self.rows.setdefault(key, {"values": [], "ours": [], "anchor": [], "foreign": []})
        for name, figure in (("values", value), ("ours", ours), ("anchor", anchor), ("foreign", foreign)):
            if figure is not None:
                row[name].append(round(figure, 6))

    def add_drain(self, system: str, delay: float, figures: Mapping[str, float]) -> None:
        rounds = self.drains.setdefault(system, {}).setdefault(f"{delay * 1000:.0f}", {})
        for name, figure in figures.items():
            rounds.setdefault(name, []).append(round(figure, 6))

    def document(self) -> dict[str, Any]:
        rows = {}
        for key, row in self.rows.items():
            summary = quartiles(row["values"])
            marked = sum(foreign > FOREIGN_LIMIT for foreign in row["foreign"])
            rows[key] = {
                **summary,
                "reached": reached(GOALS[key], summary["median"]),
                "disturbed_rounds": marked,
                **{name: row[name] for name in ("values", "ours", "anchor", "foreign") if row[name]},
            }
        return {
            "when": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            **self.notes,
            "rows": {key: rows[key] for key in GOALS if key in rows},
            "drains": self.drains,
        }

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=1) + "\n")


def figure(value: float, unit: str = "") -> str:
    """A figure as people write it: three digits that count."""
    if abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    else:
        text = f"{value:.2f}"
    return text + (unit if unit in ("x", "/s", "") else f" {unit}")


def lines(document: Mapping[str, Any]) -> list[str]:
    """The table of a run, a line for each row."""
    found = [f"{'row':<46} {'median':>12} {'quartiles':>23} {'must':>9} {'aim':>9}  reached"]
    for key, row in document["rows"].items():
        goal = GOALS[key]
        spread = f"{figure(row['q1'])} to {figure(row['q3'])}"
        limits = [figure(limit) if limit is not None else "" for limit in (goal.must, goal.aim)]
        mark = (
            f"  ({row['disturbed_rounds']} of {len(row['values'])} rounds disturbed)" if row["disturbed_rounds"] else ""
        )
        title, middle = goal.title.replace("`", ""), figure(row["median"], goal.unit)
        found.append(f"{title:<46} {middle:>12} {spread:>23} {limits[0]:>9} {limits[1]:>9}  {row['reached']}{mark}")
    return found
