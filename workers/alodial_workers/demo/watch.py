"""Watches calls until all have ended: on a terminal a table that changes in place, elsewhere a line for each change."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alodial.calls.queue import CallQueue

from .enqueue import PlacedCall
from .stack import ProcessStack

INTERVAL: Final = 0.2
# Columns of a terminal that also has room for the states on the way.
_WIDE: Final = 112
_USUAL: Final = frozenset({"queued", "submitting", "submitted"})
_COLOURS: Final = {
    **dict.fromkeys(("queued", "submitting", "scheduled"), "cyan"),
    **dict.fromkeys(("submitted", "unconfirmed"), "yellow"),
    **dict.fromkeys(("completed", "answered"), "green"),
    **dict.fromkeys(("rejected", "failed"), "red"),
    **dict.fromkeys(("timed_out", "expired", "canceled"), "magenta"),
}


def coloured(name: str | None) -> Text:
    """A state or a disposition; a dash for None."""
    return Text(name or "-", style=_COLOURS.get(name or "", ""))


def unix_seconds(text: str) -> float:
    """Unix seconds of ISO 8601 text."""
    return datetime.fromisoformat(text).timestamp()


def note_of(moment: dict[str, Any]) -> str:
    """The note beside a state of a timeline; not the worker's name, which means nothing to a reader."""
    note = str(moment["note"] or "")
    return "" if moment["state"] == "submitting" or note == moment["state"] else note


def watch_calls(
    calls: Sequence[PlacedCall], stack: ProcessStack, queue: CallQueue, console: Console, timeout: float
) -> bool:
    """Keeps the records up to date until every call ended; False after ``timeout`` seconds. Raises StackDown."""
    began, ends = min(unix_seconds(placed.record.created_at) for placed in calls), time.monotonic() + timeout
    printed = [0] * len(calls)
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    with live or nullcontext():
        while time.monotonic() < ends:
            stack.check()
            for placed in calls:
                if not placed.ended:
                    placed.record = queue.get(placed.record.id)
            if live is not None:
                live.update(calls_table(calls, console), refresh=True)
            for nth, placed in enumerate(calls):
                for moment in placed.record.timeline[printed[nth] :] if live is None else ():
                    line = Text(f"{unix_seconds(moment['at']) - began:5.1f} s  {placed.call.title:<30} ")
                    line.append_text(coloured(moment["state"]))
                    console.print(line.append(f"  {note_of(moment)}".rstrip(), style="dim"), highlight=False)
                printed[nth] = len(placed.record.timeline)
            if all(placed.ended for placed in calls):
                return True
            time.sleep(INTERVAL)
    return False


def calls_table(calls: Sequence[PlacedCall], console: Console) -> Table:
    """A row for each call, those that run first, for a low terminal cuts the end off; ended plain calls of a kind share a
    row."""
    groups: dict[tuple[object, ...], list[PlacedCall]] = {}
    for nth, placed in enumerate(calls):
        alike = placed.call.plain and placed.ended
        key = (placed.call.title, placed.record.state, placed.record.disposition) if alike else (nth,)
        groups.setdefault(key, []).append(placed)
    table = Table(header_style="dim", box=None, pad_edge=False)
    wide = console.width >= _WIDE
    for name in ("call", "through", "state", "disposition", "attempts", "seconds", *(["on the way"] if wide else [])):
        table.add_column(
            name, no_wrap=name != "on the way", justify="right" if name in ("attempts", "seconds") else "left"
        )
    for group in sorted(groups.values(), key=lambda group: group[0].ended):
        placed, record = group[0], group[0].record
        title = f"{len(group)} more: {placed.call.title}" if placed.call.plain and placed.ended else placed.call.title
        lasted = sorted(unix_seconds(p.record.updated_at) - unix_seconds(p.record.created_at) for p in group)
        spread = f"{lasted[0]:.1f}" + (f" to {lasted[-1]:.1f}" if len(group) > 1 else "")
        table.add_row(
            Text("\u2714 ", style="green").append(title) if placed.ended else Text(f"\u2022 {title}", style="bold"),
            placed.call.through,
            coloured(record.state),
            coloured(record.disposition),
            str(record.attempt),
            spread if placed.ended else "",
            *([_on_the_way(record.timeline)] if wide else []),
        )
    return table


def _on_the_way(timeline: Sequence[dict[str, Any]]) -> Text:
    """The unusual states before the last, each with its note."""
    unusual = [moment for moment in timeline[:-1] if moment["state"] not in _USUAL]
    return Text(", ").join(
        coloured(moment["state"]).append(f" ({note})" if (note := note_of(moment)) else "", style="dim")
        for moment in unusual
    )
