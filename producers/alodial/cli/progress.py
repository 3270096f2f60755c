"""A progress bar on standard error, where that is a terminal: rows, rows a second, time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..campaigns.importing.row_check import Progress as Reading


@contextmanager
def reading(label: str) -> Iterator["Callable[[Reading], None] | None"]:
    """What is given to ``progress=``; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from .output import console

    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[speed]:,.0f}/s"),
        TimeRemainingColumn(),
        console=console(err=True),
        transient=True,
    )
    with shown:
        task = shown.add_task(label, total=None, rows=0, speed=0.0)

        def tell(progress: "Reading") -> None:
            elapsed = shown.tasks[task].elapsed or 0.0
            shown.update(
                task,
                total=progress.size,
                completed=min(progress.position, progress.size or progress.position),
                rows=progress.rows,
                speed=progress.rows / elapsed if elapsed else 0.0,
            )

        yield tell


@contextmanager
def counting(label: str) -> Iterator["Callable[[int], None] | None"]:
    """A count that grows, for what has no known end; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from .output import console

    with console(err=True).status(label) as status:
        yield lambda count: status.update(f"{label} {count:,}")
