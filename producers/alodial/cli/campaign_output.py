"""Prints campaigns and check reports for people."""

import sys
import time
from typing import TYPE_CHECKING, Any

from .language import reader
from .local_time import local_time
from .output import READER_LEFT, console, document, line, safe, say, styled, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def state_of(record: "CampaignRecord", t: "Translator") -> str:
    """Returns the state for people: a campaign that waits for its hours is not simply "running"."""
    state: str = _WAITING.get(record.waiting, record.state) if record.waiting else record.state
    return state if t.language == "en" else t.known("state", state)


def _counts(counts: "Mapping[str, int]", catalogue: str, t: "Translator") -> str:
    """Counts with their names: in English those that commands take, in other languages words."""
    if t.language == "en":
        return ", ".join(f"{count} {name}" for name, count in counts.items())
    return ", ".join(f"{t.known(catalogue, name)}: {count}" for name, count in counts.items())


def _minute(text: str | None) -> str:
    return local_time(text, seconds=False)


def print_campaigns(records: "Iterable[CampaignRecord]") -> None:
    """Prints a table with one row for each campaign."""
    t = reader()
    names = [t(f"campaign_list.{name}") for name in ("name", "state", "rows", "done", "answered", "expected_end")]
    rows = (
        (
            record.id,
            record.name,
            state_of(record, t),
            record.rows.get("good", 0),
            f"{record.progress:.0%}",
            record.answered,
            _minute(record.expected_end),
        )
        for record in records
    )
    table(("id", *names), rows, sentences=names[:1])


def print_campaign(record: "CampaignRecord", as_json: bool = False, t: "Translator | None" = None) -> None:
    """Prints a campaign with its figures."""
    if as_json:
        document(record.to_dict())
        return
    t = t or reader()
    state = styled(record.state, state_of(record, t))
    console().print(f"[bold]{safe(record.name)}[/bold]  {state}  {safe(record.id)}")
    counts = record.rows
    kinds = ("good", *(name for name in ("bad", "duplicate", "suppressed", "left_out") if counts.get(name)))
    reason = record.reason if t.language == "en" else t.known("reason", record.reason)
    opens = _minute(record.opens_at) or t("campaign_fact.never")
    facts = {
        "opens": opens if record.waiting == "window" else "",
        "starts": _minute(record.opens_at) if record.waiting == "start" else "",
        "reason": reason,
        "rows": ", ".join(t.plain_count(f"campaign_fact.{name}", counts.get(name, 0)) for name in kinds),
        "progress": f"{record.progress:.1%}",
        "calls": _counts(record.calls, "call", t),
        "outcomes": _counts(record.dispositions, "disposition", t),
        "answer_rate": "" if record.answer_rate is None else f"{record.answer_rate:.1%}",
        "attempts": str(record.attempts),
        "talk": t.plain_span(record.talk_seconds),
        "ended": _minute(record.ended_at),
        "expected_end": "" if record.ended_at else _expected_end(record, t),
    }
    names = {name: t(f"campaign_fact.{name}") for name, value in facts.items() if value}
    width = max(map(len, names.values()))
    for name, label in names.items():
        line(f"  {label.ljust(width)}  {facts[name]}")


def print_problems(problems: "Iterable[RowProblem]", t: "Translator") -> None:
    """Prints a table of rows that were rejected."""
    rows = []
    for problem in problems:
        text = t.problem(problem.code, problem.problem, problem.remedy)
        rows.append((problem.number, problem.column, problem.value, text.problem, text.remedy))
    if not rows:
        line(t("check.no_rejected"))
        return
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
    if report.rows or not report.questions:  # an open question may stand before the count
        facts["rows"] = t("check.counts", **counts)
    if report.seconds is not None and report.good:
        facts["takes"] = t("check.takes_text", span=t.span(report.seconds))
    if report.hidden and not report.questions:
        facts["hidden"] = t.count("check.hidden_text", report.hidden)
    width = max((len(t(f"check.{name}")) for name in facts), default=0)
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
    t = reader()
    if as_json or not sys.stdout.isatty():
        printed = ""
        while not READER_LEFT.is_set():
            record = queue.campaigns.get(id)
            text = _summary(record, t)
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
            live.update(_picture(record, t))
            if record.state in ENDED:
                break
            time.sleep(POLL / 2)
    print_campaign(record)


def _expected_end(record: "CampaignRecord", t: "Translator") -> str:
    if record.expected_end and not record.attended:
        return t("campaign_fact.no_worker")
    return _minute(record.expected_end)


def _summary(record: "CampaignRecord", t: "Translator") -> str:
    calls = " ".join(f"{state}={count}" for state, count in record.calls.items())
    return f"{state_of(record, t)} {record.progress:.0%} {calls} attempts={record.attempts} answered={record.answered}"


def _picture(record: "CampaignRecord", t: "Translator") -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def word(catalogue: str, name: str) -> str:
        return name if t.language == "en" else t.known(catalogue, name)

    figures = Table(box=None, pad_edge=False, show_header=False)
    for state, count in record.calls.items():
        figures.add_row(word("call", state), t.plain_number(count))
    for name, count in record.dispositions.items():
        figures.add_row(f"  {word('disposition', name)}", t.plain_number(count))
    figures.add_row(t("campaign_fact.attempts"), t.plain_number(record.attempts))
    if record.expected_end:
        figures.add_row(t("campaign_fact.expected_end"), _expected_end(record, t))
    state = styled(record.state, state_of(record, t))
    head = Text.from_markup(f"[bold]{safe(record.name)}[/bold]  {state}  {record.progress:.1%}")
    return Group(head, ProgressBar(total=1.0, completed=record.progress, width=60), figures)
