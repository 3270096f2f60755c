"""How the demo writes states, times and outcomes: one colour for each meaning, on every page."""

from datetime import datetime
from typing import Any, Final

from rich.text import Text

from .enqueue import Placed

_COLOURS: Final = {
    "scheduled": "blue",
    "queued": "cyan",
    "submitting": "cyan",
    "submitted": "yellow",
    "unconfirmed": "bold yellow",
    "completed": "green",
    "answered": "bold green",
    "rejected": "red",
    "failed": "red",
    "timed_out": "magenta",
    "expired": "magenta",
    "canceled": "magenta",
}
WIDE: Final = 112
"""Columns of a terminal from which on there is room for how a call came to its end."""

_USUAL: Final = frozenset({"queued", "submitting", "submitted"})


def coloured(word: str | None) -> Text:
    """A state or a disposition; a dash where there is none."""
    return Text(word or "-", style=_COLOURS.get(word or "", "dim" if word is None else ""))


def clock(text: str) -> float:
    """Unix seconds of ISO 8601 text."""
    return datetime.fromisoformat(text).timestamp()


def lasted(one: Placed) -> str:
    """Seconds from its placing to its last change."""
    return f"{clock(one.record.updated_at) - clock(one.record.created_at):.1f}"


def note_of(moment: dict[str, Any]) -> str:
    """What a timeline says beside a state; a worker's own name says nothing to a reader."""
    note = str(moment["note"] or "")
    return "" if moment["state"] == "submitting" or note == moment["state"] else note


def by_way_of(one: Placed) -> Text:
    """The states out of the usual between its placing and its end, each with its reason."""
    text = Text()
    for moment in one.record.timeline[:-1]:
        if moment["state"] not in _USUAL:
            note = note_of(moment)
            text.append(", " if text else "")
            text.append_text(coloured(moment["state"])).append(f" ({note})" if note else "", style="dim")
    return text
