"""The part of docs/performance.md that shows the curves of ``python -m benchmarks.growth``."""

from collections.abc import Mapping
from typing import Any

from .report import figure
from .svg import curves


def part(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The part of the page and the pictures by file name."""
    pictures, rows = {}, [f"Measured {document['when']}.", ""]
    for name, chart in document["charts"].items():
        series = {label: {float(x): y for x, y in line.items()} for label, line in chart["series"].items()}
        pictures[f"growth-{name}.svg"] = curves(chart["title"], series, " " + chart["unit"])
        counts = sorted({x for line in series.values() for x in line})
        rows += [f"![{chart['title']}](figures/growth-{name}.svg)", ""]
        rows += [f"| {chart['title']} ({chart['unit']}) | {' | '.join(f'{x:,.0f}' for x in counts)} |"]
        rows += [f"| --- {'| --- ' * len(counts)}|"]
        for label, line in series.items():
            rows.append(f"| {label} | {' | '.join(figure(line[x]) if x in line else '' for x in counts)} |")
        rows += ["", *([chart["note"], ""] if chart.get("note") else [])]
    return "\n".join(rows).rstrip(), pictures
