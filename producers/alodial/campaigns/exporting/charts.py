"""Draws charts as SVG: no script, no style attribute, no other host.

Every chart has a title and a description for screen readers, and distinguishes its parts by fill and number, so that it can
be read in black and white.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from ...i18n import ENGLISH, Translator

WIDTH: Final = 640
ROW: Final = 28
LABEL: Final = 150
BAR: Final = WIDTH - LABEL - 110
MAX_LABEL: Final = 22

FILLS: Final = ("solid", "hatched", "dotted", "empty")


def short(text: str) -> str:
    """At most MAX_LABEL characters, without those that reverse the text or break the page."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_LABEL]).strip()
    return plain if len(plain) <= MAX_LABEL else plain[: MAX_LABEL - 1] + "…"


def bars(title: str, values: Sequence[tuple[str, int]], t: Translator = ENGLISH) -> str:
    """Horizontal bars with their labels, numbers and shares of the total."""
    highest = max((count for _, count in values), default=0) or 1
    total = sum(count for _, count in values) or 1
    parts = [_open(t, title, ROW * max(1, len(values)) + 8, [f"{short(label)}: {count}" for label, count in values])]
    for i, (label, count) in enumerate(values):
        y = i * ROW + 4
        width = round(BAR * count / highest, 1)
        parts.append(
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(short(label))}</text>'
            f'<rect class="solid" x="{LABEL}" y="{y + 2}" width="{width}" height="{ROW - 8}" rx="2"/>'
            f'<text x="{LABEL + width + 6}" y="{y + 16}">{escape(t.number(count))} ({escape(t.percent(count / total))})</text>'
        )
    return "".join(parts) + "</svg>"


def columns(title: str, values: Sequence[tuple[str, int, int]], t: Translator = ENGLISH) -> str:
    """Vertical bars, each with a label, its height and the filled part of it."""
    highest = max((whole for _, whole, _ in values), default=0) or 1
    top, base = 22, 162
    step = min(60.0, WIDTH / max(1, len(values)))
    every = -(-34 // max(1, int(step)))  # a label takes 34 units
    description = [
        t("printed.part", label=short(label), whole=whole, part=part) for label, whole, part in values if whole
    ]
    parts = [
        _open(t, title, 190, description),
        f'<line class="axis" x1="0" y1="{base}" x2="{WIDTH}" y2="{base}"/>',
        f'<text x="0" y="12">{escape(t("printed.highest", count=t.number(highest)))}</text>' if values else "",
    ]
    for i, (label, whole, part) in enumerate(values):
        x, wide = round(i * step + 2, 1), round(max(1.0, step - 4), 1)
        tall, filled = (round((base - top) * n / highest, 1) for n in (whole, min(part, whole)))
        parts.append(
            f'<rect class="empty" x="{x}" y="{round(base - tall, 1)}" width="{wide}" height="{tall}"/>'
            f'<rect class="solid" x="{x}" y="{round(base - filled, 1)}" width="{wide}" height="{filled}"/>'
        )
        if i % every == 0:
            parts.append(
                f'<text x="{round(x + wide / 2, 1)}" y="{base + 18}" text-anchor="middle">{escape(short(label))}</text>'
            )
    return "".join(parts) + "</svg>"


def strip(title: str, values: Sequence[tuple[str, int]], t: Translator = ENGLISH) -> str:
    """One bar of up to four parts, each with its own fill, above a legend."""
    total = sum(count for _, count in values) or 1
    parts = [
        _open(t, title, 34 + 22 * max(1, len(values)), [f"{short(label)}: {count}" for label, count in values]),
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="ink" x1="0" y1="0" x2="0" y2="6"/></pattern>'
        '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<circle class="dot" cx="2" cy="2" r="1.2"/></pattern></defs>',
    ]
    x = 1.0
    for i, ((label, count), fill) in enumerate(zip(values, FILLS, strict=False)):
        width, y = round((WIDTH - 2) * count / total, 2), 34 + 22 * i
        parts.append(
            f'<rect class="{fill}" x="{round(x, 2)}" y="2" width="{width}" height="24"/>'
            f'<rect class="{fill}" x="1" y="{y}" width="14" height="14"/>'
            f'<text x="22" y="{y + 12}">{escape(short(label))}: {escape(t.number(count))} '
            f"({escape(t.percent(count / total))})</text>"
        )
        x += width
    return "".join(parts) + "</svg>"


def _open(t: Translator, title: str, height: int, description: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
        f"<desc>{escape('; '.join(description) or t('printed.nothing'))}</desc>"
    )
