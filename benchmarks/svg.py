"""Pictures without a library: bars in groups, and curves over a logarithmic axis. Readable in light and dark."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#2563eb", "#9ca3af", "#d97706", "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d")
WIDTH = 720
_FONT = 'font-family="sans-serif" font-size="12"'
_TEXT = f'{_FONT} fill="#6b7280"'


def _picture(height: int, parts: Sequence[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>", ""])


def _label(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_TEXT}>{escape(text)}</text>'


def bars(title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """A group of horizontal bars for each key; all share one scale."""
    most = max(value for group in groups.values() for value in group.values())
    parts, y = [_label(0, 14, title)], 30
    for name, group in groups.items():
        parts.append(_label(0, y + 13, name))
        y += 20
        for n, (label, value) in enumerate(group.items()):
            width = max(1.0, value / most * (WIDTH - 250))
            parts.append(_label(120, y + 12, label, "end"))
            parts.append(
                f'<rect x="128" y="{y + 1}" width="{width:.1f}" height="14" rx="2" fill="{COLOURS[n % len(COLOURS)]}"/>'
            )
            parts.append(_label(134 + width, y + 12, f"{value:,.0f}{unit}"))
            y += 18
        y += 8
    return _picture(y, parts, title)


def curves(title: str, series: Mapping[str, Mapping[float, float]], unit: str) -> str:
    """A line for each series over a logarithmic horizontal axis; the vertical one begins at 0."""
    points = [(x, y) for line in series.values() for x, y in line.items()]
    left, right, top, bottom = 60.0, WIDTH - 160.0, 30.0, 250.0
    low, high = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    most = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return left + share * (right - left), bottom - y / most * (bottom - top)

    parts = [_label(0, 14, title)]
    for step in range(5):
        y = bottom - step / 4 * (bottom - top)
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#9ca3af" stroke-opacity="0.3"/>'
        )
        parts.append(_label(left - 6, y + 4, f"{most * step / 4:,.3g}{unit if step == 4 else ''}", "end"))
    marks = sorted({x for x, _ in points})
    parts += [_label(place(x, 0)[0], bottom + 18, f"{x:,.0f}", "middle") for x in marks]
    ends: list[float] = []
    for n, (name, line) in enumerate(series.items()):
        colour, spots = COLOURS[n % len(COLOURS)], [place(x, y) for x, y in sorted(line.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        y = spots[-1][1] + 4
        while any(abs(y - other) < 14 for other in ends):
            y += 2
        ends.append(y)
        parts.append(f'<text x="{right + 10:.1f}" y="{y:.1f}" {_FONT} fill="{colour}">{escape(name)}</text>')
    return _picture(int(max(bottom + 30, *(y + 10 for y in ends))), parts, title)
