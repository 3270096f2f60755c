"""The commands ``worker``, ``sandbox``, ``demo``, ``dev``, ``bench`` and ``provider``, which join ``alodial`` by the entry
point group ``alodial.commands``.

Each imports what it needs when it runs, so that all other commands work without its extra of the distribution.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from alodial.cli.arguments import Json
from alodial.cli.language import Language, reader

from .provider_check import commands as provider_check
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
    history: Annotated[
        Path | None,
        typer.Option(help="Write an archive of invented calls into this new file instead, to look at reports."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days of that history.")] = 28,
) -> None:
    """Place varied calls through the sandbox; show how they ended. It uses its own Redis.

    Example: alodial demo --keep
    """
    if history is not None:
        from .demo.history import print_history

        print_history(history, days)
        return
    import fastapi  # noqa: F401  # of the web process that the demo starts
    import uvicorn  # noqa: F401  # of that and of the sandbox

    from .demo import run_demo

    raise typer.Exit(run_demo(calls=calls, speed=speed, keep=keep))


def dev(
    folder: Annotated[Path, typer.Option("--dir", help="The folder with .env, as alodial init writes it.")] = Path(),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of web, on this machine only.")] = 8080,
    speed: Annotated[
        float, typer.Option(min=1, max=10_000, help="How many times faster than real time the sandbox's calls run.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line for each process and one when all are ready; logs on stderr.")
    ] = False,
) -> None:
    """Run Redis, web, a worker, the archive and the sandbox on this machine, until Ctrl-C.

    Example: alodial init --sandbox && alodial dev
    """
    import fastapi  # noqa: F401  # of the web process that it starts
    import uvicorn  # noqa: F401  # of that and of the sandbox

    from alodial.errors import ConfigurationError
    from alodial.settings import read_settings

    from .dev.run import run

    if not (folder / ".env").exists():
        raise ConfigurationError(f"{folder / '.env'} does not exist; write one with: alodial init")
    os.chdir(folder)  # paths in the settings are relative to it, as for every other command
    raise typer.Exit(run(read_settings(), Path.cwd(), port=port, speed=speed, as_json=as_json))


def bench(
    seconds: Annotated[float, typer.Option(min=2, max=600, help="About how long to measure.")] = 60.0,
    own_redis: Annotated[
        bool, typer.Option("--own-redis", help="Start a Redis for it, instead of an empty database of yours.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Measure although workers or calls share this Redis: it slows them.")
    ] = False,
    language: Language = None,
    as_json: Json = False,
) -> None:
    """Measure this machine and its Redis; recommend workers, in-flight limit and durability. No phone rings.

    Example: alodial bench --seconds 60
    """
    from alodial.cli.output import document, line, say
    from alodial.settings import load_settings

    from .dev.bench import run_bench

    t = reader(language)
    say(t("bench.begins", seconds=f"{seconds:.0f}"))

    def emit(values: dict[str, Any], sentence: str) -> None:
        if not as_json:
            line(sentence)
        elif values:
            document(values)

    run_bench(load_settings(), t, emit, seconds=seconds, own_redis=own_redis, yes=yes)


def commands(app: typer.Typer) -> None:
    """Adds the workers' commands to the command line ``app``."""
    for command in (worker, sandbox, demo, dev, bench):
        app.command()(command)
    app.add_typer(provider_check.app, name="provider")
