"""Charts as SVG text, drawn here: no script, no other host, readable in print without colour."""

from collections.abc import Sequence
from html import escape

WIDTH = 640
ROW = 28
LABEL = 150
BAR = WIDTH - LABEL - 90


def bars(title: str, values: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars with their labels and numbers."""
    most = max((count for _, count in values), default=0) or 1
    total = sum(count for _, count in values) or 1
    height = ROW * max(1, len(values)) + 8
    parts = [_open(title, height)]
    for i, (label, count) in enumerate(values):
        y = i * ROW + 4
        width = round(BAR * count / most, 1)
        parts.append(
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(label[:24])}</text>'
            f'<rect class="bar" x="{LABEL}" y="{y + 2}" width="{width}" height="{ROW - 8}" rx="2"/>'
            f'<text x="{LABEL + width + 6}" y="{y + 16}">{count:,} ({count / total:.0%})</text>'
        )
    return "".join(parts) + "</svg>"


def columns(title: str, values: Sequence[tuple[str, int, int]]) -> str:
    """Standing bars: label, whole and the filled part of it."""
    most = max((whole for _, whole, _ in values), default=0) or 1
    height, base = 190, 160
    step = min(60.0, WIDTH / max(1, len(values)))
    every = max(1, round(28 / step))
    parts = [_open(title, height), f'<line class="axis" x1="0" y1="{base}" x2="{WIDTH}" y2="{base}"/>']
    for i, (label, whole, part) in enumerate(values):
        x, wide = round(i * step + 2, 1), round(step - 4, 1)
        tall, filled = (round(140 * n / most, 1) for n in (whole, part))
        parts.append(
            f'<rect class="hollow" x="{x}" y="{base - tall}" width="{wide}" height="{tall}"/>'
            f'<rect class="bar" x="{x}" y="{base - filled}" width="{wide}" height="{filled}"/>'
        )
        if i % every == 0:
            parts.append(f'<text x="{x + wide / 2}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts) + "</svg>"


def _open(title: str, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>"
    )
