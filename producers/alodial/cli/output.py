"""What commands print: documents for programs on standard output, words for people."""

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

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


READER_LEFT = Event()
"""Set once nobody reads standard output any more; what has no end of its own ends by it."""


def console(*, err: bool = False) -> "Console":
    """A console that colours on a terminal only and respects NO_COLOR."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            if self.stderr:
                _to_nowhere(sys.stderr)
            else:
                reader_gone()

    return Quiet(stderr=err, highlight=False, soft_wrap=True, no_color=True if os.environ.get("NO_COLOR") else None)


def line(text: str) -> None:
    """One line on standard output, at once."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()


def document(value: Mapping[str, Any]) -> None:
    """One JSON document on a line of its own. What would command a terminal is escaped; it parses to the same value."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").replace("-", "").lower()
    text = json.dumps(value, ensure_ascii=encoding != "utf8", separators=(",", ":"), default=str)
    line(text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))


def reader_gone() -> None:
    """`alodial calls list | head`: the reader has all it wanted. The command goes on to its end and its own exit code."""
    READER_LEFT.set()
    _to_nowhere(sys.stdout)


def give_up_output() -> None:
    """Nothing more can be written; what is still buffered must not fail a second time at the end of the process."""
    _to_nowhere(sys.stdout)


def _to_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def ready_streams() -> None:
    """A terminal that lacks a letter gets it spelled out; a stream that was closed before the start is nowhere."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            # Left closed, its number would go to the connection to Redis, and our words into it.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  # lives as long as we do
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Words for people, on standard error."""
    try:
        sys.stderr.write("".join(plain(part) + "\n" for part in text.split("\n")))
        sys.stderr.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stderr)


def plain(text: str) -> str:
    """Text from outside on one line: what would move the cursor or colour the terminal is spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def safe(value: object) -> str:
    """Any value as rich's markup that says the value itself; nothing for None."""
    from rich.markup import escape

    # A backslash at the end would escape the markup that comes after it.
    text = escape(plain("" if value is None else str(value)))
    return text + " " if text.endswith("\\") else text


def styled(word: object) -> str:
    """A state or disposition in its colour, as rich's markup."""
    text = "" if word is None else str(word)
    colour = COLOURS.get(text, "red" if text in {"rejected", "failed", "expired", "timed_out", "error"} else "")
    return f"[{colour}]{text}[/{colour}]" if colour else safe(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """An aligned table on standard output; the cells of state-like columns in their colours. Nothing is cut off."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, no_wrap=True)
    coloured = {i for i, name in enumerate(columns) if name in {"state", "disposition"}}
    for row in rows:
        drawn.add_row(*(styled(c) if i in coloured else safe(c) for i, c in enumerate(row)))
    out = console()
    # An extid that ends in an ellipsis helps nobody: a long line wraps on a terminal and stays whole in a pipe.
    out.width = max(out.width, out.measure(drawn, options=out.options.update(max_width=10_000)).maximum)
    out.print(drawn)


def seconds(later: str, earlier: str) -> str:
    """The time between two ISO 8601 moments, such as ``+1.204 s``."""
    from datetime import datetime

    return f"+{(datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds():.3f} s"
