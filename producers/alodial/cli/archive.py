"""``alodial archive``: the process that moves what has ended into a database, and how far it is."""

import typer

from .arguments import Json
from .output import count_of, document, say
from .session import open_queue

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Move ended calls, campaigns, events and the audit into ALODIAL_ARCHIVE_URL, until it is stopped.\n\n"
    "Example: ALODIAL_ARCHIVE_URL=sqlite:///archive.db alodial archive",
)


@app.callback()
def archive(context: typer.Context) -> None:
    """Runs the process unless a command of the group was named."""
    if context.invoked_subcommand is None:
        _run()


def _run() -> None:
    import secrets
    import signal
    import socket
    from contextlib import closing
    from zoneinfo import ZoneInfo

    from ..archive.address import archive_url
    from ..archive.archiver import Archiver
    from ..archive.counts import counter
    from ..archive.engine import open_engine
    from ..archive.process import ArchiveProcess
    from ..archive.retention import RetentionPolicy
    from ..campaigns.archive_rows import ArchivedCampaigns
    from ..campaigns.queries import CampaignQueries
    from ..observability.logging import configure, drain
    from ..settings import load_settings
    from ..store.client import Store

    settings = load_settings()
    engine = open_engine(archive_url(settings))
    name = f"archive:{socket.gethostname()[:32]}:{secrets.token_hex(3)}"
    configure(settings, non_blocking=True, shared=True, worker=name)
    with closing(Store(settings)) as store:
        campaigns = ArchivedCampaigns(CampaignQueries(store, settings))
        archiver = Archiver(store, engine, settings, campaigns=campaigns, count=counter(ZoneInfo(settings.timezone)))
        process = ArchiveProcess(store, engine, archiver, name, RetentionPolicy.of(settings))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.request_stop())
        process.run()
    engine.dispose()
    drain()


@app.command()
def status(as_json: Json = False) -> None:
    """Show how far the archive is. Exit code 1 if it does not work.

    Example: alodial archive status
    """
    from ..archive.address import archive_url, masked_url
    from ..store.archiving import read_state

    with open_queue() as queue:
        state = queue.store.call(read_state, queue.store.server_ms())
        url = masked_url(archive_url(queue.settings))
    lag = None if state is None else round(state.lag, 1)
    error = "no archiver has run yet; start one: alodial archive" if state is None else state.error
    if as_json:
        fields = {"lag_seconds": lag, "calls": state.calls if state else 0, "url": url}
        document(fields | ({"error": error} if error else {}))
    else:
        if state is not None:
            say(f"{count_of(state.calls, 'call')} in {url}, everything up to {lag} s ago")
        if error:
            say(f"error: {error}")
    if error:
        raise typer.Exit(1)


@app.command()
def recount(as_json: Json = False) -> None:
    """Count archived calls anew for reports, a day at a time; alodial archive may run meanwhile. What was cut short goes on.

    Example: alodial archive recount
    """
    from zoneinfo import ZoneInfo

    from ..archive.address import archive_url
    from ..archive.engine import open_engine, writing
    from ..archive.migrate import migrate
    from ..archive.namespace import check_owner
    from ..archive.recount import recount
    from ..settings import load_settings

    settings = load_settings()
    engine = open_engine(archive_url(settings))
    migrate(engine)
    with writing(engine) as connection:
        check_owner(connection, settings.namespace)
    days = 0

    def note(day: object, calls: int) -> None:
        nonlocal days
        days += 1
        if not as_json:
            say(f"{day}: {count_of(calls, 'call')}")

    calls = recount(engine, ZoneInfo(settings.timezone), note)
    engine.dispose()
    if as_json:
        document({"calls": calls, "days": days})
    else:
        say(f"{count_of(calls, 'call')} of {count_of(days, 'day')} counted")
