"""Prints campaigns and check reports for people."""

import sys
import time
from typing import TYPE_CHECKING, Any

from .local_time import local_time
from .output import READER_LEFT, console, document, line, safe, say, styled, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..calls.queue import CallQueue
    from ..campaigns.importing.questions import Question
    from ..campaigns.importing.row_check import CheckReport
    from ..campaigns.records import CampaignRecord
    from ..campaigns.row_codec import RowProblem

POLL = 1.0
"""Seconds between two reads of a campaign that is watched."""

ENDED = ("completed", "canceled")
_WAITING = {"window": "waiting_window", "start": "scheduled", "cap": "waiting_cap"}


def state_of(record: "CampaignRecord") -> str:
    """Returns the state for people: a campaign that waits for its hours is not simply "running"."""
    return _WAITING.get(record.waiting, record.state) if record.waiting else record.state


def _minute(text: str | None) -> str:
    return local_time(text, seconds=False)


def print_campaigns(records: "Iterable[CampaignRecord]") -> None:
    """Prints a table with one row for each campaign."""
    table(
        ("id", "name", "state", "rows", "done", "answered", "expected end"),
        (
            (
                record.id,
                record.name,
                state_of(record),
                record.rows.get("good", 0),
                f"{record.progress:.0%}",
                record.answered,
                _minute(record.expected_end),
            )
            for record in records
        ),
    )


def print_campaign(record: "CampaignRecord", as_json: bool = False) -> None:
    """Prints a campaign with its figures."""
    if as_json:
        document(record.to_dict())
        return
    from alodial_schemas.durations import duration_text

    console().print(f"[bold]{safe(record.name)}[/bold]  {styled(state_of(record))}  {safe(record.id)}")
    counts = record.rows
    rejected = [f"{counts[name]} {name}" for name in ("bad", "duplicate", "suppressed") if counts.get(name)]
    if counts.get("left_out"):
        rejected.append(f"{counts['left_out']} left out, as their outcome is not known")
    answer_rate = "" if record.answer_rate is None else f"{record.answer_rate:.1%}"
    facts: list[tuple[str, object]] = [
        ("opens", (_minute(record.opens_at) or "never, by its hours") if record.waiting == "window" else ""),
        ("starts", _minute(record.opens_at) if record.waiting == "start" else ""),
        ("reason", record.reason),
        ("rows", ", ".join([f"{counts.get('good', 0)} good", *rejected])),
        ("progress", f"{record.progress:.1%}"),
        ("calls", ", ".join(f"{count} {state}" for state, count in record.calls.items())),
        ("outcomes", ", ".join(f"{count} {name}" for name, count in record.dispositions.items())),
        ("answer rate", answer_rate),
        ("attempts", str(record.attempts)),
        ("talk time", duration_text(record.talk_seconds)),
        ("ended", _minute(record.ended_at)),
        ("expected end", "" if record.ended_at else _minute(record.expected_end)),
    ]
    facts = [(name, value) for name, value in facts if value]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        line(f"  {name.ljust(width)}  {value}")


def print_problems(problems: "Iterable[RowProblem]") -> None:
    """Prints a table of rows that were rejected."""
    table(
        ("row", "column", "value", "problem", "remedy"),
        ((problem.number, problem.column, problem.value, problem.problem, problem.remedy) for problem in problems),
    )


def print_report(report: "CheckReport") -> None:
    """Prints what a file holds and how long its campaign would last."""
    from alodial_schemas.counts import count_text
    from alodial_schemas.durations import duration_text

    form = [str(part) for part in (report.kind, report.encoding, report.sheet) if part]
    if report.delimiter:
        form.append("tab" if report.delimiter == "\t" else f"separator {report.delimiter}")
    line(f"{report.name}: {', '.join(form)}")
    if report.skipped:
        above = ", ".join(f"row {number} {text!r}" for number, text in report.skipped[:5])
        line(f"  header     row {report.header_row}; above it is not read: {above} (--header-row to correct)")
    print_columns(report)
    line(
        f"  rows       {report.rows}: {report.good} good, {report.bad} bad, {report.duplicate} duplicate, "
        f"{report.suppressed} suppressed"
    )
    if report.seconds is not None:
        line(f"  will take  {duration_text(report.seconds)}, at the allowed rate within its hours")
    if report.hidden and not report.questions:
        line(f"  hidden     {count_text(report.hidden, 'row is', 'rows are')} hidden in the spreadsheet program")
    for warning in report.warnings:
        say(f"warning: {count_text(warning.rows, 'row')}: {warning.text}")
    if report.problems:
        print_problems(report.problems)
    print_questions(report.questions)
    more = report.bad + report.duplicate + report.suppressed - len(report.problems)
    if more > 0:
        say(f"hint: {more} more; --errors out.csv writes them all")


def print_columns(report: "CheckReport") -> None:
    """Prints what each column is used for, with some of its cells."""
    rows = [(use.letter, use.name, use.field or "not used", ", ".join(use.samples), use.hint) for use in report.table]
    table(("column", "name", "used as", "cells", "hint"), rows)


def print_questions(questions: "Iterable[Question]") -> None:
    """Prints each question with the options that answer it."""
    for question in questions:
        say(f"question: {question.text}")
        for choice in question.choices:
            say(f"  {choice.option}    {choice.text}")


def watch_campaign(queue: "CallQueue", id: str, *, as_json: bool) -> None:
    """Prints a campaign until it ends: on a terminal one live picture, elsewhere a line or document for each change."""
    if as_json or not sys.stdout.isatty():
        printed = ""
        while not READER_LEFT.is_set():
            record = queue.campaigns.get(id)
            text = _summary(record)
            if text != printed:
                document(record.to_dict()) if as_json else line(text)
                printed = text
            if record.state in ENDED:
                return
            time.sleep(POLL)
        return
    from rich.live import Live

    with Live(console=console(), refresh_per_second=4, transient=True) as live:
        while True:
            record = queue.campaigns.get(id)
            live.update(_picture(record))
            if record.state in ENDED:
                break
            time.sleep(POLL / 2)
    print_campaign(record)


def _summary(record: "CampaignRecord") -> str:
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
