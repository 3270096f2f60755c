"""The pages of the demo's end: outcomes, one call told from both sides, events, the sandbox's testimony, what next."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from alodial_schemas import Event, event_time

from .enqueue import Placed
from .format import WIDE, by_way_of, clock, coloured, lasted, note_of
from .stack import House
from .verify import Testimony


def headline(house: House, calls: int) -> Panel:
    """What is running."""
    pids = house.pids()
    rows = Table.grid(padding=(0, 2))
    places = {
        "Redis": (f"127.0.0.1:{house.redis.port}", "keeps every call and every event"),
        "sandbox": (house.sandbox_url, f"plays AloVoice, {house.speed:g} times faster than life"),
        "web": (house.web_url, "takes calls over HTTP, and AloVoice's results"),
        "worker": ("", "submits: 10 calls a second, 10 at once"),
    }
    for name, (place, what) in places.items():
        rows.add_row(Text(name, style="bold"), place, what, Text(f"pid {pids[name]}", style="dim"))
    words = Text(f"{calls} calls through real processes. The numbers are fictional, and nobody's phone rings.\n")
    return Panel(Group(words, rows), title="alodial demo", title_align="left", border_style="cyan")


def _titled(title: str, page: RenderableType) -> Group:
    return Group(Text(title, style="bold cyan"), page, Text())


def outcomes(placed: Sequence[Placed], width: int) -> Group:
    """What became of every call; many plain ones of a kind share a row."""
    table = Table(header_style="dim", box=None, pad_edge=False)
    for name in ("what it shows", "through", "end", "disposition"):
        table.add_column(name, no_wrap=True)
    table.add_column("attempts", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("by way of")
    for shows, seconds, one in _rows(placed):
        record = one.record
        state, disposition = coloured(record.state), coloured(record.disposition)
        last = [by_way_of(one)] if width >= WIDE else []
        table.add_row(shows, one.call.door, state, disposition, str(record.attempt), seconds, *last)
    honest = Text(
        "Not shown: failed, the end of a call that AloVoice refused for the moment ten times over (docs/states.md).",
        style="dim",
    )
    return _titled("What became of them", Group(table, honest))


def _rows(placed: Sequence[Placed]) -> Iterator[tuple[str, str, Placed]]:
    alike: dict[tuple[str, ...], list[Placed]] = {}
    for one in placed:
        if one.call.plain:
            key = (one.call.shows, one.record.state, one.record.disposition or "")
            alike.setdefault(key, []).append(one)
        else:
            yield one.call.shows, lasted(one), one
    for (shows, *_), many in alike.items():
        times = sorted(float(lasted(one)) for one in many)
        yield f"{len(many)} more: {shows}", f"{times[0]} to {times[-1]}", many[0]


def both_sides(one: Placed, sandbox: Sequence[dict[str, Any]]) -> Group:
    """One call's timeline beside what AloVoice's side did, by the clock."""
    table = Table(header_style="dim", box=None, pad_edge=False)
    table.add_column("s", justify="right")
    table.add_column("alodial's record", no_wrap=True)
    table.add_column("the sandbox, as AloVoice", no_wrap=True)
    began = clock(one.record.created_at)
    rows: list[tuple[float, Text, Text]] = []
    for moment in one.record.timeline:
        ours = coloured(moment["state"]).append(f" {note_of(moment)}", style="dim")
        rows.append((clock(moment["at"]), ours, Text()))
    for step in sandbox:
        words = " ".join(part for part in (step["party"], step["number"], step["event"], step["file"]) if part)
        rows.append((clock(step["at"]), Text(), Text(words, style="green" if step["event"] == "connected" else "")))
    for at, ours, theirs in sorted(rows, key=lambda row: row[0]):
        table.add_row(f"{at - began:.2f}", ours, theirs)
    return _titled(f"One call from both sides: {one.call.shows} (extid {one.record.extid})", table)


def events_counted(events: Sequence[Event]) -> Group:
    """How many of each type were told."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    for type_, count in sorted(Counter(event.type for event in events).items(), key=lambda row: (-row[1], row[0])):
        table.add_row(str(count), type_)
    return _titled("The events that your programs read", table)


def one_event(console: Console, event: Event) -> None:
    """Prints an event as JSON, without what says little to a newcomer."""
    data = {name: value for name, value in event.data.items() if value not in (None, {})}
    if "result" in data:
        wanted = ("from_numbers", "to_numbers", "dialstatus", "duration", "record")
        data["result"] = {name: data["result"][name] for name in wanted}
    time = None if event.time is None else event_time(event.time)
    console.print(Text("One of them, shortened", style="bold cyan"))
    console.print_json(json.dumps({"id": event.id, "type": event.type, "time": time, "data": data}))
    console.print()


def testimony(said: Testimony, wrongly_told: int) -> Group:
    """The sandbox's own count, and the check of our events."""
    lines = (
        (f"POSTs that rang: {said.rang}, phones rung twice for one attempt: {said.twice}", not said.twice),
        (
            f"attempts that rang and are in no record: {said.unknown}; recorded as sent, and never rang: {said.missing}",
            not (said.unknown or said.missing),
        ),
        (f"calls without exactly one event for their end: {wrongly_told}", not wrongly_told),
    )
    text = Text()
    for line, good in lines:
        text.append("\u2714 " if good else "\u2718 ", style="bold green" if good else "bold red")
        text.append(f"{line}\n", style="" if good else "bold red")
    refused = said.posts - said.rang
    text.append(
        f"  {said.posts} POSTs arrived, {refused} of them refused; at most {said.peak} calls at once", style="dim"
    )
    return _titled("The sandbox's own ledger against our records", text)


def surprises(placed: Sequence[Placed]) -> Text:
    """What did not end as announced."""
    text = Text()
    for one in placed:
        if not one.as_announced:
            call, record = one.call, one.record
            text.append(f"not as announced: {call.shows}: ", style="bold red")
            text.append(f"announced {call.end} {call.disposition or '-'} after {call.attempts} attempt(s), ")
            text.append(f"is {record.state} {record.disposition or '-'} after {record.attempt}; call {record.id}\n")
    return text


def what_next(console: Console) -> None:
    """Where to go from here."""
    console.print(
        "[bold]What next[/]\n"
        "  alodial demo --keep    the same, and it stays up for you to call\n"
        "  alodial --help         every command, with an example for each\n"
        "  docs/python.md         placing calls from Python; docs/http.md: over HTTP\n"
        "  docs/sandbox.md        what else the sandbox can do; docs/reliability.md: what is promised",
        highlight=False,
    )


def how_to_call(console: Console, house: House, env: str) -> None:
    """How to use the house while it stays up. ``env`` is the file that holds its settings, secrets included."""
    console.print(
        "[bold]It stays up until Ctrl-C.[/] In another terminal:\n"
        f"  set -a; . {env}; set +a\n"
        "  alodial calls list\n"
        "  alodial call two-way --help\n"
        f'  curl -H "Authorization: Bearer $ALODIAL_API_KEYS" {house.web_url}/v1/calls\n'
        f"the monitor: {house.web_url}/ (sign in with the key in $ALODIAL_API_KEYS)\n"
        f"the API: {house.web_url}/docs   the sandbox: {house.sandbox_url}/sandbox/ledger   logs: {house.folder}/*.log",
        highlight=False,
        soft_wrap=True,
    )
