"""``alodial events``: the stream of what happened."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import check_position, moment
from .output import READER_LEFT, console, document, safe, say, styled
from .session import open_queue

if TYPE_CHECKING:
    from rich.console import Console

    from alodial_schemas import Event

    from ..calls.queue import CallQueue


WIDEST = 17
"""Characters of the longest kind of event that is common, result.unreadable."""


app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@app.callback()
def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    start: Annotated[
        str, typer.Option("--from", help="0: the oldest event kept; now: only new ones; or an event's stream id.")
    ] = "0",
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as completed; may be repeated.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Read as a member of this group: each event once, acknowledged when printed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The CloudEvents JSON, one a line.")] = False,
) -> None:
    """Print events: every change of every call, and results that matched nothing.

    Example: alodial events --follow --type completed --json
    """
    if ctx.invoked_subcommand:
        return
    from alodial_schemas import EVENT_TYPES, parse_event

    wanted = set()
    for word in kind or []:
        full = word if word.startswith("alodial.") else f"alodial.call.{word}"
        if full not in EVENT_TYPES:
            raise typer.BadParameter(f"--type {word!r}: use one of {', '.join(sorted(EVENT_TYPES))}")
        wanted.add(full)
    if start != "now":
        check_position("--from", start, "use 0, now or an event's stream id")
    if group == "":
        raise typer.BadParameter("--group: give it a name")
    out = console()
    # Closed before the queue is: a reader that leaves its group still needs the connection.
    with open_queue() as queue, closing(_texts(queue, group, start, follow)) as texts:
        for text in texts:
            event = parse_event(text)
            if not wanted or event.type in wanted:
                _tell(event, out, as_json=as_json)
            # Before the next one is asked for, which acknowledges this one although nobody saw it.
            if READER_LEFT.is_set():
                return


def _tell(event: "Event", out: "Console", *, as_json: bool) -> None:
    from alodial_schemas import event_time

    moment = None if event.time is None else event_time(event.time)
    if as_json:
        document({**event.model_dump(mode="json"), "time": moment})
        return
    label = event.type.removeprefix("alodial.").removeprefix("call.")
    words = [(moment or "")[11:19], styled(label) + " " * (WIDEST - len(label)), safe(event.extid or event.subject)]
    words += [styled(event.disposition)] if event.disposition else []
    words += [f"reference {safe(event.reference)}"] if event.reference else []
    out.print("  ".join(words))


def _texts(queue: "CallQueue", group: str | None, start: str, follow: bool) -> Generator[str, None, None]:
    from ..store.events import read_events

    if group is not None:
        for event in queue.events(group, start="$" if start == "now" else "0", block=None if follow else 0):
            yield event.model_dump_json()
        return
    yield from read_events(queue.store, start, follow=follow)


@app.command()
def resend(
    endpoint: Annotated[
        list[str] | None, typer.Option(help="Its id, as `alodial webhooks list` shows it; may be repeated.")
    ] = None,
    to_all: Annotated[bool, typer.Option("--all", help="To every endpoint.")] = False,
    parked: Annotated[bool, typer.Option("--parked", help="What was given up or came while it was off.")] = False,
    since: Annotated[str | None, typer.Option(help="From then on: 2h, 30m, 1d or ISO 8601 with a zone.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then; now when not given.")] = None,
    call: Annotated[str, typer.Option(help="Only the events of this call, by its id or extid.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")] = False,
) -> None:
    """Send events to webhook endpoints once more. They keep their ids, so a receiver can tell them from new ones.

    Example: alodial events resend --all --since 2h
    """
    if to_all == bool(endpoint):
        raise typer.BadParameter("name endpoints with --endpoint, or give --all")
    if parked == bool(since or call):
        raise typer.BadParameter("say what to send: --parked, or --since and --call")
    if until and parked:
        raise typer.BadParameter("--until goes with --since")
    begins, ends = moment("--since", since), moment("--until", until)
    from .progress import counting

    with open_queue() as queue:
        chosen = queue.endpoints.list() if to_all else [queue.endpoints.find(name) for name in endpoint or []]
        if not chosen:
            say("no endpoints: ALODIAL_WEBHOOKS is empty")
        for one in chosen:
            with counting(one.url) as tell:
                if parked:
                    count = queue.endpoints.resend_parked(one.id, progress=tell)
                else:
                    count = queue.endpoints.resend(one.id, since=begins, until=ends, call=call, progress=tell)
            if as_json:
                document({"endpoint": one.id, "events": count})
            say(f"{one.url}: {count} event{'s' if count != 1 else ''} on the way")
            if not one.enabled:
                say(f"hint: it is switched off; alodial webhooks enable {one.id}")
