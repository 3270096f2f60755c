"""``python -m benchmarks.page FILE...``: puts the figures of a run into docs/performance.md, and its pictures beside it.

A file is what ``make bench`` or ``python -m benchmarks.growth`` wrote. It is kept in docs/figures/, so that the page can be
made anew without measuring.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import growth_page
from .goals import GOALS
from .report import figure
from .svg import bars

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "figures"
NAMES = {"0": "answers at once", "50": "after 50 ms", "200": "after 200 ms"}


def put(text: str, name: str, part: str) -> str:
    """The page with what stands between the marks of a part replaced."""
    marks = (f"<!-- {name}: begin -->", f"<!-- {name}: end -->")
    pattern = re.compile(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"docs/performance.md has no part {name}")
    return pattern.sub(lambda _: f"{marks[0]}\n{part}\n{marks[1]}", text)


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return (
        ordered[len(ordered) // 2]
        if len(ordered) % 2
        else sum(ordered[len(ordered) // 2 - 1 : len(ordered) // 2 + 1]) / 2
    )


def goals_table(document: Mapping[str, Any]) -> list[str]:
    """Each row with its spread, what it is measured against, and what it is held to."""
    rows = [
        "| measure | measured (quartiles) | ours, anchor | anchor | must | aim | reached |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, row in document["rows"].items():
        goal = GOALS[key]
        spread = f"{figure(row['median'], goal.unit)} ({figure(row['q1'])} to {figure(row['q3'])})"
        ours = _median(row.get("ours") or row["values"])
        pair = f"{figure(ours)}, {figure(_median(row['anchor']))}" if row.get("anchor") else ""
        limits = [figure(limit, goal.unit) if limit is not None else "" for limit in (goal.must, goal.aim)]
        mark = " (disturbed)" if row["disturbed_rounds"] * 2 > len(row["values"]) else ""
        rows.append(
            f"| {goal.title} | {spread} | {pair} | {goal.anchor} | {' | '.join(limits)} | {row['reached']}{mark} |"
        )
    return rows


def drains_table(drains: Mapping[str, Any]) -> list[str]:
    delays = sorted({delay for system in drains.values() for delay in system}, key=float)
    rows = [
        f"| calls a second | {' | '.join(NAMES[delay] for delay in delays)} | processor, s for 1,000 |",
        f"| --- {'| --- ' * len(delays)}| --- |",
    ]
    for system, by_delay in drains.items():
        rates = [figure(_median(by_delay[delay]["rate"])) if delay in by_delay else "" for delay in delays]
        rows.append(f"| {system} | {' | '.join(rates)} | {figure(_median(by_delay[delays[0]]['cpu']))} |")
    return rows


def bench_part(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The part of the page and the pictures by file name."""
    machine, stub = document["machine"], document.get("stub", {"kind": "none", "most_of_its_core": 0})
    disturbed = sum(row["disturbed_rounds"] for row in document["rows"].values())
    counted = sum(len(row["values"]) for row in document["rows"].values())
    head = (
        f"Measured {document['when']} on {machine['cores']} cores, Python {machine['python']}; {disturbed} of {counted} "
        f"rounds disturbed\nby other processes. The {stub['kind']} stub used at most {stub['most_of_its_core'] * 100:.0f} % "
        "of its core, and so was no bound."
    )
    pictures = {}
    parts = [head, ""]
    if document["drains"]:
        groups = {
            NAMES[delay]: {
                system: _median(found[delay]["rate"]) for system, found in document["drains"].items() if delay in found
            }
            for delay in NAMES
        }
        pictures["drains.svg"] = bars(
            "Calls a second of one worker on one core", {k: v for k, v in groups.items() if v}, "/s"
        )
        parts += [
            "![Calls a second of one worker on one core](figures/drains.svg)",
            "",
            *drains_table(document["drains"]),
            "",
        ]
    return "\n".join([*parts, *goals_table(document)]), pictures


def part_of(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """What ``make bench`` or ``python -m benchmarks.growth`` found, as a part of the page and its pictures."""
    return bench_part(document) if "rows" in document else growth_page.part(document)


def main() -> int:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(FIGURES.glob("*.json"))
    text = PAGE.read_text()
    FIGURES.mkdir(exist_ok=True)
    for path in paths:
        document = json.loads(path.read_text())
        name = "bench" if "rows" in document else "growth"
        part, pictures = part_of(document)
        text = put(text, name, part)
        (FIGURES / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
        for file, picture in pictures.items():
            (FIGURES / file).write_text(picture)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
