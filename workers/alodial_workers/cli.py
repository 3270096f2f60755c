"""The workers' commands, which join the command line by the entry point group ``alodial.commands``."""

from typing import Annotated

import typer

from .sandbox.commands import sandbox


def worker() -> None:
    """Run one worker process: it submits calls, collects results, and keeps everything moving. Run several for more.

    Example: ALODIAL_PROVIDER_TOKEN=... alodial worker
    """
    from alodial.settings import load_settings

    from .main import run_worker

    raise typer.Exit(run_worker(load_settings()))


def demo(
    calls: Annotated[int, typer.Option(min=1, max=1000, help="How many calls, at least the varied set.")] = 24,
    speed: Annotated[float, typer.Option(min=1, max=10_000, help="How many times faster than life calls run.")] = 60.0,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up until Ctrl-C, to look around.")] = False,
) -> None:
    """Place a varied set of calls through the sandbox, on a Redis of its own, and show what became of them.

    Example: alodial demo --keep
    """
    from .demo import run_demo

    raise typer.Exit(run_demo(calls=calls, speed=speed, keep=keep))


def commands(app: typer.Typer) -> None:
    """Adds the workers' commands to the command line."""
    app.command()(worker)
    app.command()(sandbox)
    app.command()(demo)
