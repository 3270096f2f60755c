"""The demo's last act: a campaign from the shipped sample, watched until its last row has ended."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alodial.calls.queue import CallQueue
from alodial.campaigns.records import CampaignRecord, ResultRow
from alodial.campaigns.samples import sample_path
from alodial_schemas import ENDS
from alodial_schemas.durations import duration_text

from .format import coloured
from .http_get import ask
from .stack import CAMPAIGNS, House

FROM: Final = "712037006"
WITHIN: Final = 180.0
LOOK_EVERY: Final = 0.25

ASKED: Final[dict[str, Any]] = {
    "name": "sample",
    "call": {"kind": "two-way", "callfrom": FROM, "account": CAMPAIGNS},
    "policy": {
        "hours": {"windows": "00:00-24:00"},
        "redial": {
            "max_attempts": 3,
            "delays": {"busy": [2, 4], "no_answer": [3], "congestion": [2], "unavailable": [2]},
        },
    },
}
"""Round the clock, for a demo must run at night too: in earnest a campaign keeps its calling hours."""


def show_campaign(house: House, queue: CallQueue, console: Console) -> bool:
    """Submits, watches, compares with the sandbox. True when every row ended and nobody was rung twice for an attempt."""
    path = sample_path()
    console.print(Text("A campaign from a spreadsheet", style="bold cyan"))
    from alodial.campaigns.stored_fields import read_campaign  # noqa: PLC0415  # beside its only use

    request = read_campaign(ASKED, house.settings)
    report = queue.campaigns.check(path, request)
    understood = ", ".join(f"{field} = {column}" for field, column in report.understood.items())
    console.print(
        f"{report.name}: {report.kind}, {report.encoding}; {understood}\n"
        f"{report.rows} rows: {report.good} good, {report.bad} bad, {report.duplicate} duplicate, "
        f"{report.suppressed} on the do-not-call list; busy and unanswered numbers are dialled up to three times",
        highlight=False,
    )
    submitted = queue.campaigns.submit(path, request, actor="demo")
    record = submitted
    for seen in _watched(house, queue, submitted.id, console):
        record = seen
        if record.state == "completed":
            break
    rows = list(queue.campaigns.rows(record.id))
    console.print(_outcomes(record, rows))
    wrong = _wrong(house, record, rows)
    for line in wrong:
        console.print(Text(f"✘ {line}", style="bold red"))
    if not wrong:
        line = f"✔ {len(rows)} rows, each at one end; {record.attempts} attempts, each rung once (the sandbox's own ledger)"
        console.print(Text(line, style="green"))
    console.print()
    return not wrong


def _watched(house: House, queue: CallQueue, id: str, console: Console) -> Iterator[CampaignRecord]:
    ends = time.monotonic() + WITHIN
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while time.monotonic() < ends:
                house.check()
                record = queue.campaigns.get(id)
                live.update(_picture(record), refresh=True)
                yield record
                time.sleep(LOOK_EVERY)
        return
    told = -1
    while time.monotonic() < ends:
        house.check()
        record = queue.campaigns.get(id)
        tenth = int(record.progress * 10)
        if tenth != told:
            told = tenth
            calls = ", ".join(f"{count} {state}" for state, count in record.calls.items())
            console.print(f"  {record.progress:4.0%}  {calls}; {record.attempts} attempts", highlight=False)
        yield record
        time.sleep(LOOK_EVERY)


def _picture(record: CampaignRecord) -> Group:
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_column(justify="right")
    figures.add_column()
    for state, count in record.calls.items():
        figures.add_row(str(count), coloured(state))
    figures.add_row(str(record.attempts), "attempts")
    head = Text(f"{record.name}  {record.state}  {record.progress:.0%}", style="bold")
    return Group(head, ProgressBar(total=1.0, completed=record.progress, width=60), figures)


def _outcomes(record: CampaignRecord, rows: list[ResultRow]) -> Group:
    table = Table(header_style="dim", box=None, pad_edge=False)
    table.add_column("outcome", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("attempts a row", no_wrap=True)
    found: dict[str, Counter[int]] = {}
    for row in rows:
        found.setdefault(row.disposition or row.state, Counter())[row.attempts] += 1
    for outcome, attempts in sorted(found.items(), key=lambda one: -sum(one[1].values())):
        spread = ", ".join(f"{count} after {n}" for n, count in sorted(attempts.items()))
        table.add_row(coloured(outcome), str(sum(attempts.values())), spread)
    rate = "" if record.answer_rate is None else f"answer rate {record.answer_rate:.0%}, "
    return Group(
        table, Text(f"{rate}talk time {duration_text(record.talk_seconds)} of the sandbox's life", style="dim")
    )


def _wrong(house: House, record: CampaignRecord, rows: list[ResultRow]) -> list[str]:
    wrong = []
    if record.state != "completed":
        wrong.append(f"the campaign is {record.state} after {WITHIN:.0f} s")
    if open_rows := sum(row.state not in set(ENDS) for row in rows):
        wrong.append(f"{open_rows} rows have no end")
    if len(rows) != record.rows["good"]:
        wrong.append(f"{record.rows['good']} rows were good, and {len(rows)} have an outcome")
    if not any(row.attempts > 1 for row in rows):
        wrong.append("no row was dialled again")
    twice = [
        extid for extid, times in ask(house.sandbox_port, "GET", "/sandbox/ledger").body["extids"].items() if times > 1
    ]
    if twice:
        wrong.append(f"{len(twice)} attempts rang twice")
    return wrong
