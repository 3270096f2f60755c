"""What commands print: documents for programs on standard output, words for people."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    "completed": "green",
    "answered": "green",
    "submitted": "cyan",
    "submitting": "cyan",
    "queued": "blue",
    "scheduled": "blue",
    "unconfirmed": "yellow",
    "canceled": "dim",
}


def console(*, err: bool = False) -> "Console":
    """A console that colours on a terminal only and respects NO_COLOR."""
    from rich.console import Console  # noqa: PLC0415  # rich is loaded when something is drawn

    return Console(stderr=err, highlight=False, soft_wrap=True, no_color=True if os.environ.get("NO_COLOR") else None)


def document(value: Mapping[str, Any]) -> None:
    """One JSON document on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Words for people, on standard error."""
    sys.stderr.write(text + "\n")


def styled(word: object) -> str:
    """A state or disposition in its colour, as rich's markup."""
    from rich.markup import escape  # noqa: PLC0415  # as above

    text = "" if word is None else str(word)
    colour = COLOURS.get(text, "red" if text in {"rejected", "failed", "expired", "timed_out", "error"} else "")
    return f"[{colour}]{escape(text)}[/{colour}]" if colour else escape(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """An aligned table on standard output; the cells of state-like columns in their colours."""
    from rich.markup import escape  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, no_wrap=True)
    coloured = {i for i, name in enumerate(columns) if name in {"state", "disposition"}}
    for row in rows:
        drawn.add_row(*(styled(c) if i in coloured else escape("" if c is None else str(c)) for i, c in enumerate(row)))
    console().print(drawn)


def seconds(later: str, earlier: str) -> str:
    """The time between two ISO 8601 moments, such as ``+1.204 s``."""
    from datetime import datetime  # noqa: PLC0415  # small, but only some commands need it

    return f"+{(datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds():.3f} s"
