"""The parts of the demo's report that are tables or long texts."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alodial_schemas import Event

from .enqueue import PlacedCall
from .stack import ProcessStack
from .watch import coloured, note_of, unix_seconds

NEXT_STEPS = """\
[bold]What next[/]
  alodial demo --keep    the same, and it stays up for you to call
  alodial init, dev      an installation of your own, with the sandbox, in an empty folder
  alodial --help         every command, with an example for each
  docs/python.md         placing calls from Python; docs/http.md: over HTTP
  docs/sandbox.md        what else the sandbox can do; docs/reliability.md: what is promised"""


def title(console: Console, text: str) -> None:
    """Begins a part of the report."""
    console.print(Text(f"\n{text}", style="bold cyan"))


def headline(console: Console, stack: ProcessStack, calls: int, speed: float) -> None:
    """Prints what runs."""
    title(console, f"{calls} calls through real processes. The numbers are fictional; no real phone rings.")
    console.print(
        f"  Redis    127.0.0.1:{stack.redis.port}  stores every call and every event\n"
        f"  sandbox  {stack.sandbox_url}  simulates AloVoice, {speed:g} times faster than real time\n"
        f"  web      {stack.web_url}  accepts calls over HTTP, and AloVoice's results\n"
        "  worker   submits: 10 calls a second, 10 at once\n",
        highlight=False,
    )


def checks(console: Console, sentences: Iterable[tuple[str, bool]]) -> bool:
    """Prints sentences with a tick or a cross; returns whether all are as they should be."""
    good = True
    for text, right in sentences:
        good &= right
        console.print(Text(f"\u2714 {text}", style="green") if right else Text(f"\u2718 {text}", style="bold red"))
    return good


def surprises(calls: Sequence[PlacedCall]) -> list[tuple[str, bool]]:
    """The calls that did not end as announced, for ``checks``."""
    return [
        (
            f"not as announced: {call.title}: announced {call.end} {call.disposition or '-'} at attempt {call.attempts}, "
            f"is {record.state} {record.disposition or '-'} at attempt {record.attempt}; call {record.id}",
            False,
        )
        for call, record in ((placed.call, placed.record) for placed in calls if not placed.as_announced)
    ]


def both_sides(console: Console, placed: PlacedCall, stack: ProcessStack) -> None:
    """Prints a call's timeline beside the sandbox's, by the clock. Raises httpx.HTTPError."""
    record = placed.record
    rows: list[tuple[float, Text, str]] = []
    for moment in record.timeline:
        state = coloured(moment["state"]).append(f" {note_of(moment)}", style="dim")
        rows.append((unix_seconds(moment["at"]), state, ""))
    for step in stack.http.get(f"{stack.sandbox_url}/sandbox/calls/{record.extid}").json()["timeline"]:
        text = " ".join(part for part in (step["party"], step["number"], step["event"], step["file"]) if part)
        rows.append((unix_seconds(step["at"]), Text(), text))
    table = Table("s", "alodial's record", "the sandbox, as AloVoice", header_style="dim", box=None, pad_edge=False)
    began = unix_seconds(record.created_at)
    for at, state, text in sorted(rows, key=lambda row: row[0]):
        table.add_row(f"{at - began:5.2f}", state, text)
    title(console, f"One call from both sides: {placed.call.title} (extid {record.extid})")
    console.print(table)


def show_events(console: Console, events: Sequence[Event], call_id: str) -> None:
    """Prints how many events of each type there are, and the last event of a call as JSON, without its empty fields."""
    title(console, "The events that your programs read, and one of them, shortened")
    for type, count in Counter(event.type for event in events).most_common():
        console.print(f"{count:4}  {type}", highlight=False)
    event = next(event for event in reversed(events) if event.subject == call_id)
    data = {name: value for name, value in event.data.items() if value not in (None, {})}
    if "result" in data:
        data["result"] = {name: data["result"][name] for name in ("to_numbers", "dialstatus", "duration", "record")}
    console.print_json(json.dumps({"id": event.id, "type": event.type, "data": data}))


def how_to_call(console: Console, stack: ProcessStack) -> None:
    """Prints how to use the stack while it stays up, with a file of its settings, secrets included."""
    path = stack.folder / "env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in stack.environment().items()))
    console.print(
        "[bold]It stays up until Ctrl-C.[/] In another terminal:\n"
        f"  set -a; . {path}; set +a\n"
        "  alodial calls list\n"
        "  alodial call two-way --help\n"
        f'  curl -H "Authorization: Bearer $ALODIAL_API_KEYS" {stack.web_url}/v1/calls\n'
        f"the monitor: {stack.web_url}/ (sign in with the key in $ALODIAL_API_KEYS)   the API: {stack.web_url}/docs\n"
        f"the phones: {stack.sandbox_url}/sandbox/phone   the ledger: {stack.sandbox_url}/sandbox/ledger\n"
        f"logs: {stack.folder}/*.log",
        highlight=False,
        soft_wrap=True,
    )
