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
    from ..i18n import Translator

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
        ("expected end", "" if record.ended_at else _expected_end(record)),
    ]
    facts = [(name, value) for name, value in facts if value]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        line(f"  {name.ljust(width)}  {value}")


def print_problems(problems: "Iterable[RowProblem]", t: "Translator") -> None:
    """Prints a table of rows that were rejected."""
    rows = []
    for problem in problems:
        text = t.problem(problem.code, problem.problem, problem.remedy)
        rows.append((problem.number, problem.column, problem.value, text.problem, text.remedy))
    names = [t(f"check.row.{name}") for name in ("row", "column", "value", "problem", "remedy")]
    table(names, rows, sentences=names[2:])


def print_report(report: "CheckReport", t: "Translator") -> None:
    """Prints what a file holds and how long its campaign would last."""
    form = [str(part) for part in (report.kind, report.encoding, report.sheet) if part]
    if report.delimiter:
        form.append(t("report.tab") if report.delimiter == "\t" else t("check.separator", character=report.delimiter))
    line(f"{report.name}: {', '.join(form)}")
    facts = {}
    if report.skipped:
        above = ", ".join(t("check.row_text", number=number, text=repr(text)) for number, text in report.skipped[:5])
        facts["header"] = t("check.header_text", row=report.header_row, rows=above)
    counts = {name: t.number(getattr(report, name)) for name in ("rows", "good", "bad", "duplicate", "suppressed")}
    facts["rows"] = t("check.counts", **counts)
    if report.seconds is not None:
        facts["takes"] = t("check.takes_text", span=t.span(report.seconds))
    if report.hidden and not report.questions:
        facts["hidden"] = t.count("check.hidden_text", report.hidden)
    width = max(len(t(f"check.{name}")) for name in facts)
    if "header" in facts:
        _print_fact(t, width, "header", facts.pop("header"))
    print_columns(report, t)
    for name, text in facts.items():
        _print_fact(t, width, name, text)
    for warning in report.warnings:
        say(t("check.warning", text=warning.text(t)))
    if report.problems:
        print_problems(report.problems, t)
    print_questions(report.questions, t)
    more = report.bad + report.duplicate + report.suppressed - len(report.problems)
    if more > 0:
        say(t("check.more", count=t.number(more)))


def _print_fact(t: "Translator", width: int, name: str, text: str) -> None:
    line(f"  {t(f'check.{name}').ljust(width)}  {text}")


def print_columns(report: "CheckReport", t: "Translator") -> None:
    """Prints what each column is used for, with some of its cells."""
    rows = [
        (use.letter, use.name, use_text(use.field, t), ", ".join(use.samples), use.hint_text(t)) for use in report.table
    ]
    names = [t(f"check.column.{name}") for name in ("letter", "name", "use", "cells", "hint")]
    table(names, rows, sentences=[names[1], *names[3:]])


def use_text(field: str, t: "Translator") -> str:
    """What a column is used for, in words; with the field's own name, which ``--map`` takes."""
    if not field:
        return t("use.none")
    word = t.known("use", field)
    return field if word == field else f"{field}: {word}"


def print_questions(questions: "Iterable[Question]", t: "Translator") -> None:
    """Prints each question with the options that answer it."""
    for question in questions:
        say(t("check.ask", text=question.text(t)))
        for choice in question.choices:
            say(f"  {choice.option}    {choice.text(t)}")


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


def _expected_end(record: "CampaignRecord") -> str:
    if record.expected_end and not record.attended:
        return "never, while no worker is alive"
    return _minute(record.expected_end)


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
        figures.add_row("expected end", _expected_end(record))
    head = Text.from_markup(f"[bold]{safe(record.name)}[/bold]  {styled(state_of(record))}  {record.progress:.1%}")
    return Group(head, ProgressBar(total=1.0, completed=record.progress, width=60), figures)
