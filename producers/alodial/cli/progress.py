"""Progress on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..campaigns.importing.row_check import OnProgress
    from ..campaigns.importing.row_check import Progress as RowProgress


@contextmanager
def reading(label: str) -> Iterator["OnProgress | None"]:
    """Gives a function that shows how much of a file was read: rows, rows per second, time left; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from .output import console

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[speed]:,.0f}/s"),
        TimeRemainingColumn(),
        console=console(err=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=None, rows=0, speed=0.0)

        def update(progress: "RowProgress") -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            bar.update(
                task,
                total=progress.size,
                completed=min(progress.position, progress.size or progress.position),
                rows=progress.rows,
                speed=progress.rows / elapsed if elapsed else 0.0,
            )

        yield update


@contextmanager
def counting(label: str) -> Iterator["Callable[[int], None] | None"]:
    """Gives a function that shows a count; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from .output import console

    with console(err=True).status(label) as status:
        yield lambda count: status.update(f"{label} {count:,}")
