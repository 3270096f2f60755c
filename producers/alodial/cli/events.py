"""``alodial events``: prints the event stream; sends events to webhook endpoints again."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Json, check_stream_id, parse_time
from .output import READER_LEFT, console, count_of, document, safe, say, styled
from .session import open_queue

if TYPE_CHECKING:
    from rich.console import Console

    from alodial_schemas import Event

    from ..calls.queue import CallQueue

MAX_TYPE = 17
"""Characters of the longest common type of event, result.unreadable."""

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new events.")] = False,
    start: Annotated[
        str, typer.Option("--from", help="0: the oldest event; now: only new events; or an event's stream id.")
    ] = "0",
    names: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as completed; may be repeated.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Read as a member of this group: each event once, acknowledged when printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The CloudEvents JSON, one a line.")] = False,
) -> None:
    """Print events: every change of every call.

    Example: alodial events --follow --type completed --json
    """
    if ctx.invoked_subcommand:
        return
    from alodial_schemas import EVENT_TYPES, parse_event

    types = {name if name.startswith("alodial.") else f"alodial.call.{name}" for name in names or []}
    if unknown := sorted(types - set(EVENT_TYPES)):
        raise typer.BadParameter(f"--type {unknown[0]!r}: use one of {', '.join(sorted(EVENT_TYPES))}")
    if start != "now":
        check_stream_id("--from", start, "use 0, now or an event's stream id")
    if group == "":
        raise typer.BadParameter("--group: give a name")
    out = console()
    # The generator is closed before the queue: a reader that leaves its group still needs the connection.
    with open_queue() as queue, closing(_event_texts(queue, group, start, follow)) as texts:
        for text in texts:
            event = parse_event(text)
            if not types or event.type in types:
                _print_event(event, out, as_json=as_json)
            # Reading the next event would acknowledge this one, which nobody saw.
            if READER_LEFT.is_set():
                return


def _print_event(event: "Event", out: "Console", *, as_json: bool) -> None:
    from alodial_schemas import event_time

    time = None if event.time is None else event_time(event.time)
    if as_json:
        document({**event.model_dump(mode="json"), "time": time})
        return
    label = event.type.removeprefix("alodial.").removeprefix("call.")
    cells = [(time or "")[11:19], styled(label) + " " * (MAX_TYPE - len(label)), safe(event.extid or event.subject)]
    if event.disposition:
        cells.append(styled(event.disposition))
    if event.reference:
        cells.append(f"reference {safe(event.reference)}")
    out.print("  ".join(cells))


def _event_texts(queue: "CallQueue", group: str | None, start: str, follow: bool) -> Generator[str, None, None]:
    from ..store.events import read_events

    if group is not None:
        for event in queue.events(group, start="$" if start == "now" else "0", block=None if follow else 0):
            yield event.model_dump_json()
        return
    yield from read_events(queue.store, start, follow=follow)


@app.command()
def resend(
    endpoint: Annotated[
        list[str] | None, typer.Option(help="The id in `alodial webhooks list`; may be repeated.")
    ] = None,
    to_all: Annotated[bool, typer.Option("--all", help="To every endpoint.")] = False,
    parked: Annotated[
        bool, typer.Option("--parked", help="Events that were given up, or came while it was off.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="Events from then on: 2h, 30m or 1d ago, or ISO 8601 with a zone.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Events until then; until now by default.")] = None,
    call: Annotated[str, typer.Option(help="Only the events of this call, by id or extid.")] = "",
    as_json: Json = False,
) -> None:
    """Send events to webhook endpoints again. They keep their ids, so a receiver recognises them.

    Example: alodial events resend --all --since 2h
    """
    if to_all == bool(endpoint):
        raise typer.BadParameter("give --endpoint ID, or --all")
    if parked == bool(since or call):
        raise typer.BadParameter("give --parked, or --since and --call")
    if until and parked:
        raise typer.BadParameter("--until: only works with --since")
    begin, end = parse_time("--since", since), parse_time("--until", until)
    from .progress import counting

    with open_queue() as queue:
        chosen = queue.endpoints.list() if to_all else [queue.endpoints.find(name) for name in endpoint or []]
        if not chosen:
            say("no endpoints: ALODIAL_WEBHOOKS is empty")
        for target in chosen:
            with counting(target.url) as progress:
                if parked:
                    count = queue.endpoints.resend_parked(target.id, progress=progress)
                else:
                    count = queue.endpoints.resend(target.id, since=begin, until=end, call=call, progress=progress)
            if as_json:
                document({"endpoint": target.id, "events": count})
            say(f"{target.url}: {count_of(count, 'event')} queued")
            if not target.enabled:
                say(f"hint: the endpoint is off; alodial webhooks enable {target.id}")
