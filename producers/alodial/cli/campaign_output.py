"""Campaigns for people at a terminal."""

import sys
import time
from typing import TYPE_CHECKING, Any

from .output import READER_LEFT, console, document, line, safe, say, styled, table

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..campaigns.importing.row_check import CheckReport
    from ..campaigns.records import CampaignRecord

POLL = 1.0
OVER = ("completed", "canceled")
_WAITS = {"window": "waiting_window", "start": "scheduled", "cap": "waiting_cap"}


def state_of(record: "CampaignRecord") -> str:
    """What people want to read: one that waits for its hours is not simply running."""
    return _WAITS.get(record.waiting, record.state) if record.waiting else record.state


def _minute(text: str | None) -> str:
    return "" if text is None else text[:16].replace("T", " ") + " UTC"


def show_row(record: "CampaignRecord") -> tuple[Any, ...]:
    """For the list."""
    good = record.rows.get("good", 0)
    return (
        record.id,
        record.name,
        state_of(record),
        good,
        f"{record.progress:.0%}",
        record.answered,
        _minute(record.expected_end),
    )


def tell(record: "CampaignRecord", as_json: bool) -> None:
    """After a command that changed or asked for it."""
    if as_json:
        document(record.to_dict())
    else:
        show_campaign(record)


def show_campaign(record: "CampaignRecord") -> None:
    """Its figures, aligned."""
    from alodial_schemas.durations import duration_text

    out = console()
    out.print(f"[bold]{safe(record.name)}[/bold]  {styled(state_of(record))}  {safe(record.id)}")
    rows: list[tuple[str, object]] = []
    if record.waiting == "window":
        rows.append(("opens", _minute(record.opens_at) or "never, by its hours"))
    if record.waiting == "start":
        rows.append(("starts", _minute(record.opens_at)))
    if record.reason:
        rows.append(("reason", record.reason))
    told = record.rows
    refused = [f"{told[name]} {name}" for name in ("bad", "duplicate", "suppressed") if told.get(name)]
    rows.append(("rows", f"{told.get('good', 0)} good" + (f", {', '.join(refused)}" if refused else "")))
    rows.append(("progress", f"{record.progress:.1%}"))
    if record.calls:
        rows.append(("calls", ", ".join(f"{count} {state}" for state, count in record.calls.items())))
    if record.dispositions:
        rows.append(("outcomes", ", ".join(f"{count} {name}" for name, count in record.dispositions.items())))
    if record.answer_rate is not None:
        rows.append(("answer rate", f"{record.answer_rate:.1%}"))
    rows.append(("attempts", record.attempts))
    rows.append(("talk time", duration_text(record.talk_seconds)))
    if record.ended_at:
        rows.append(("ended", _minute(record.ended_at)))
    elif record.expected_end:
        rows.append(("expected end", _minute(record.expected_end)))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        line(f"  {name.ljust(width)}  {value}")


def show_report(report: "CheckReport") -> None:
    """What a file holds."""
    from alodial_schemas.durations import duration_text

    form = ", ".join(str(part) for part in (report.kind, report.encoding, report.sheet) if part)
    separator = {"\t": "tab", None: ""}.get(report.delimiter, f"separator {report.delimiter}")
    line(f"{report.name}: {form}{', ' + separator if separator else ''}")
    line("  columns    " + ", ".join(f"{field} = {column}" for field, column in report.understood.items()))
    line(
        f"  rows       {report.rows}: {report.good} good, {report.bad} bad, {report.duplicate} duplicate, "
        f"{report.suppressed} suppressed"
    )
    if report.seconds is not None:
        line(f"  will take  {duration_text(report.seconds)}, at the allowed rate within its hours")
    if report.problems:
        table(
            ("row", "column", "value", "problem", "remedy"),
            ((one.number, one.column, one.value, one.problem, one.remedy) for one in report.problems),
        )
    more = report.bad + report.duplicate + report.suppressed - len(report.problems)
    if more > 0:
        say(f"hint: {more} more; --errors out.csv writes them all")


def watch_campaign(queue: "CallQueue", id: str, *, as_json: bool) -> None:
    """Until it is over. On a terminal one picture that changes, elsewhere a line for each change."""
    if as_json or not sys.stdout.isatty():
        told = ""
        while not READER_LEFT.is_set():
            record = queue.campaigns.get(id)
            text = _line_of(record)
            if text != told:
                document(record.to_dict()) if as_json else line(text)
                told = text
            if record.state in OVER:
                return
            time.sleep(POLL)
        return
    from rich.live import Live

    with Live(console=console(), refresh_per_second=4, transient=True) as live:
        while True:
            record = queue.campaigns.get(id)
            live.update(_picture(record))
            if record.state in OVER:
                break
            time.sleep(POLL / 2)
    show_campaign(record)


def _line_of(record: "CampaignRecord") -> str:
    calls = " ".join(f"{state}={count}" for state, count in record.calls.items())
    return f"{state_of(record)} {record.progress:.0%} {calls} attempts={record.attempts} answered={record.answered}"


def _picture(record: "CampaignRecord") -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    figures = Table(box=None, pad_edge=False, show_header=False)
    for state, count in record.calls.items():
        figures.add_row(state, f"{count:,}")
    for name, count in record.dispositions.items():
        figures.add_row(f"  {name}", f"{count:,}")
    figures.add_row("attempts", f"{record.attempts:,}")
    if record.expected_end:
        figures.add_row("expected end", _minute(record.expected_end))
    head = Text.from_markup(f"[bold]{safe(record.name)}[/bold]  {styled(state_of(record))}  {record.progress:.1%}")
    return Group(head, ProgressBar(total=1.0, completed=record.progress, width=60), figures)
