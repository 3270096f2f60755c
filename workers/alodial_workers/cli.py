"""The commands ``worker``, ``sandbox`` and ``demo``; they join ``alodial`` by the entry point group ``alodial.commands``.

Each imports what it needs when it runs, so that all other commands work without its extra of the distribution.
"""

from typing import Annotated

import typer

from .sandbox.commands import sandbox


def worker() -> None:
    """Run a worker: it places calls and collects results. Run several to place more calls.

    Example: ALODIAL_PROVIDER_TOKEN=... alodial worker
    """
    from alodial.settings import load_settings

    from .main import run_worker

    raise typer.Exit(run_worker(load_settings()))


def demo(
    calls: Annotated[int, typer.Option(min=1, max=1000, help="Calls to place, at least the varied set.")] = 24,
    speed: Annotated[
        float, typer.Option(min=1, max=10_000, help="How many times faster than real time calls run.")
    ] = 60.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything running until Ctrl-C, to look around.")] = False,
) -> None:
    """Place varied calls through the sandbox; show how they ended. It uses its own Redis.

    Example: alodial demo --keep
    """
    import fastapi  # noqa: F401  # of the web process that the demo starts
    import uvicorn  # noqa: F401  # of that and of the sandbox

    from .demo import run_demo

    raise typer.Exit(run_demo(calls=calls, speed=speed, keep=keep))


def commands(app: typer.Typer) -> None:
    """Adds the workers' commands to the command line ``app``."""
    for command in (worker, sandbox, demo):
        app.command()(command)
