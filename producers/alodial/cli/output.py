"""What commands print: JSON documents and tables on standard output, messages for people on standard error."""

import io
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..calls.outcomes import QueuedCall

COLOURS = {
    **dict.fromkeys(("completed", "answered"), "green"),
    **dict.fromkeys(("submitted", "submitting"), "cyan"),
    **dict.fromkeys(("queued", "scheduled"), "blue"),
    "unconfirmed": "yellow",
    "canceled": "dim",
    **dict.fromkeys(("rejected", "failed", "expired", "timed_out", "error"), "red"),
}

SENTENCES = frozenset(
    {"reference", "reason", "detail", "problem", "remedy", "hint", "cells", "value", "name", "limits", "endpoint"}
)
"""Columns of words, which may wrap on a narrow terminal; numbers, ids and times never do."""

PREFIXES = frozenset({"error", "hint", "warning", "written"})
"""First words of messages, which are translated; what follows may be a command or a value."""

MAX_SENTENCE = 1000
"""Characters above which a message is not a sentence of ours but shows something, such as a body as it came."""

MIN_SENTENCE = 9
"""Characters below which a column of words would be hard to read."""

READER_LEFT = Event()
"""Set when nobody reads standard output any more; commands without an end of their own stop then."""


def console(*, err: bool = False) -> "Console":
    """Returns a console that colours on a terminal only and respects NO_COLOR."""
    from rich.console import Console

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            if self.stderr:
                _to_devnull(sys.stderr)
            else:
                reader_gone()

    return QuietConsole(
        stderr=err, highlight=False, soft_wrap=True, no_color=True if os.environ.get("NO_COLOR") else None
    )


def line(text: str) -> None:
    """Prints one line on standard output and flushes it."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()


def document(value: Mapping[str, Any]) -> None:
    """Prints one JSON document on one line. Control characters are escaped; the document parses to the same value."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").replace("-", "").lower()
    text = json.dumps(value, ensure_ascii=encoding != "utf8", separators=(",", ":"), default=str)
    line(text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))


def reader_gone() -> None:
    """Drops all further output: `alodial calls list | head`. The command goes on, to its end and its own exit code."""
    READER_LEFT.set()
    discard_output()


def discard_output() -> None:
    """Drops all further output, and what is still buffered, which would fail again at the end of the process."""
    _to_devnull(sys.stdout)


def _to_devnull(stream: TextIO) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)


def prepare_streams() -> None:
    """Escapes characters that the terminal's encoding lacks, and opens streams that were closed at the start."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            # Without this the connection to Redis would get the number, and our messages would go into it.
            devnull = os.open(os.devnull, os.O_WRONLY)
            if devnull != number:
                os.dup2(devnull, number)
                os.close(devnull)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  # used until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints a message for people on standard error."""
    text = in_language(text)
    try:
        sys.stderr.write("".join(plain(part) + "\n" for part in text.split("\n")))
        sys.stderr.flush()
    except BrokenPipeError:
        _to_devnull(sys.stderr)


def in_language(text: str) -> str:
    """Returns the message in the reader's language: its first word, such as ``error:``, and the rest where it is known."""
    from .language import message_language

    language = message_language()
    if language in ("", "en", "c", "posix"):
        return text
    from ..i18n import LANGUAGES, catalogue, translated

    if language not in LANGUAGES or len(text) > MAX_SENTENCE:
        return text
    word, colon, rest = text.partition(": ")
    if not colon or word not in PREFIXES:
        return translated(text, language)
    return f"{catalogue(language)[f'terminal.{word}']}: {translated(rest, language)}"


def heading(name: str) -> str:
    """Returns a column's or a fact's name in the reader's language, of a list of names each; as it is for an unknown one."""
    from .language import message_language

    language = message_language()
    if language in ("", "en", "c", "posix"):
        return name
    from ..i18n import LANGUAGES, catalogue

    texts = catalogue(language) if language in LANGUAGES else {}
    return ", ".join(texts.get(f"heading.{part.replace(' ', '_')}", part) for part in name.split(", "))


def plain(text: str) -> str:
    """Returns text from outside on one line, with escapes for what would control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def safe(value: object) -> str:
    """Returns rich's markup for a value from outside; "" for None."""
    from rich.markup import escape

    text = escape(plain("" if value is None else str(value)))
    # A backslash at the end would escape the markup that comes after it.
    return text + " " if text.endswith("\\") else text


def styled(word: object, text: str = "") -> str:
    """Returns rich's markup for a state or disposition in its colour, as ``text`` if there is one; "" for None."""
    colour = COLOURS.get(str(word))
    return f"[{colour}]{text or word}[/{colour}]" if colour else safe(text or word)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, sentences: Collection[str] = SENTENCES) -> None:
    """Prints an aligned table, states and dispositions in their colours. Nothing is cut off; ``sentences`` may wrap.

    Headings are in the reader's language; ``columns`` and ``sentences`` are their names in English.
    In a pipe a row is one line. Where a terminal is too narrow, empty columns go and sentences wrap; where that is not
    enough, each row is printed as lines ``column  value``, so that no number is broken.
    """
    cells = [
        [styled(c) if name in {"state", "disposition"} else safe(c) for name, c in zip(columns, row, strict=True)]
        for row in rows
    ]
    out = console()
    kept = list(range(len(columns)))
    aligned = _aligned(columns, cells, kept, ())
    width = out.measure(aligned, options=out.options.update(max_width=10_000)).maximum
    if width <= out.width or not out.is_terminal:
        out.width = max(out.width, width)
        out.print(aligned)
        return
    kept = [i for i in kept if any(row[i] for row in cells)]
    aligned = _aligned(columns, cells, kept, sentences)
    for column in aligned.columns:
        if column.no_wrap:
            # Rich takes the longest word for the least width of a column, even of one that may not wrap.
            column.min_width = max(out.measure(cell).maximum for cell in (column.header, *column.cells))
    if out.measure(aligned, options=out.options.update(max_width=10_000)).minimum <= out.width:
        out.print(aligned, soft_wrap=False)
        return
    titles = list(map(heading, columns))
    width = max(map(len, titles))
    for row in cells:
        for i in kept:
            out.print(f"[bold]{titles[i]:<{width}}[/bold]  {row[i]}")
        out.print()


def _aligned(
    columns: Sequence[str], cells: Sequence[Sequence[str]], kept: Sequence[int], wrapped: Collection[str]
) -> "Table":
    from rich.table import Table

    aligned = Table(box=None, pad_edge=False, header_style="bold")
    for i in kept:
        if columns[i] in wrapped:
            aligned.add_column(heading(columns[i]), overflow="fold", min_width=MIN_SENTENCE)
        else:
            aligned.add_column(heading(columns[i]), no_wrap=True)
    for row in cells:
        aligned.add_row(*(row[i] for i in kept))
    return aligned


def print_call(call: "QueuedCall", as_json: bool, *, created: bool | None = None) -> None:
    """Prints a call after a command about it; ``created`` is whether the command made it, None for other commands."""
    if as_json:
        made = {} if created is None else {"created": created}
        document({"id": call.id, "extid": call.extid, "state": call.state} | made | call.noted)
    else:
        line(f"{call.id}  extid {call.extid}  {call.state}{' (was there before)' if created is False else ''}")
    for warning in call.warnings:
        say(f"warning: {warning}")


def seconds_between(start: str, end: str) -> str:
    """Returns the time between two ISO 8601 moments, such as ``+1.204 s``."""
    from datetime import datetime

    return f"+{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.3f} s"


def count_of(number: int, noun: str) -> str:
    """Returns a count with its noun: "1 event", "2 events"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def docs_page(name: str) -> str:
    """Returns where a page of the documentation is: in the installed package, or in docs/ of the source."""
    installed = Path(__file__).parents[1] / "docs" / name
    return str(installed) if installed.exists() else f"docs/{name}"
