"""The part of docs/performance.md that shows the curves of ``python -m benchmarks.growth``."""

from collections.abc import Mapping
from typing import Any

from .report import figure
from .svg import curves

NOTES = {
    "commands": (
        "Each step runs the same commands at each size: what grows above is the time of a command, probably by caches that miss\n"
        "in a larger memory; the instructions were not counted."
    ),
    "lists": (
        "Calls that share a reference's hash or four digits of a number share a list, of which there are 4,096 and 10,000:\n"
        "at ten million calls it has a thousand or more, and a page reads on until 50 of them fit. The others read 50 calls."
    ),
    "workers-processor": (
        "Workers take turns at claiming, so that more of them ask Redis hardly more often; but fewer calls start together in\n"
        "each of them, and each costs what an idle one does."
    ),
}
"""Why a curve is as it is, by the name of its chart."""


def part(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The part of the page and the pictures by file name."""
    pictures, rows = {}, [f"Measured {document['when']}.", ""]
    for name, chart in document["charts"].items():
        series = {label: {float(x): y for x, y in line.items()} for label, line in chart["series"].items()}
        pictures[f"growth-{name}.svg"] = curves(chart["title"], series, " " + chart["unit"])
        counts = sorted({x for line in series.values() for x in line})
        rows += [f"![{chart['title']}](figures/growth-{name}.svg)", ""]
        unit = f" ({chart['unit']})" if chart["unit"] else ""
        rows += [f"| {chart['title']}{unit} | {' | '.join(f'{x:,.0f}' for x in counts)} |"]
        rows += [f"| --- {'| --- ' * len(counts)}|"]
        for label, line in series.items():
            rows.append(f"| {label} | {' | '.join(figure(line[x]) if x in line else '' for x in counts)} |")
        rows += ["", *([NOTES[name], ""] if name in NOTES else [])]
    return "\n".join(rows).rstrip(), pictures
