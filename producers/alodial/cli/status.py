"""``alodial status`` and ``alodial top``: what is wrong, what runs and what waits, once or live."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json
from .output import READER_LEFT, console, document, safe, say
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..observability.diagnosis import Diagnosis
    from ..store.overview import AccountState, Overview

BAR_WIDTH = 20
COLOURS = {"problem": "red", "warning": "yellow", "info": "cyan"}

WAITING = ("scheduled", "queued", "submitting", "submitted", "unconfirmed")
NOT_PLACED = ("rejected", "failed", "expired", "timed_out")


def status(as_json: Json = False) -> None:
    """Show what is wrong, what runs and what waits. Exit code 1 if a problem stops calls.

    Example: alodial status
    """
    with open_queue() as queue:
        overview = _read_overview(queue)
    _print_overview(overview, as_json=as_json)
    if any(diagnosis.severity == "problem" for diagnosis in _diagnoses(overview)):
        raise typer.Exit(1)


def top(
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two updates.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Show the status live until Ctrl-C. In a pipe, print it again and again.

    Example: alodial top --every 2
    """
    from ..errors import StoreUnavailable

    if console().is_terminal and not as_json:
        _show_live(every)
        return
    with open_queue() as queue:
        while not READER_LEFT.is_set():
            try:
                _print_overview(_read_overview(queue), as_json=as_json)
            except StoreUnavailable as exc:
                # Redis may be back at the next update.
                say(f"error: {exc}")
            else:
                if not as_json:
                    console().print()
            time.sleep(every)


def _print_overview(overview: "Overview", *, as_json: bool) -> None:
    if as_json:
        document(_overview_document(overview))
        return
    out = console()
    for text in _overview_lines(overview):
        out.print(text)


def _show_live(every: float) -> None:
    from rich.live import Live
    from rich.text import Text

    from ..errors import StoreUnavailable

    screen = console()
    screen.soft_wrap = False
    with open_queue() as queue, Live(console=screen, screen=True, auto_refresh=False) as live:
        lines: list[str] = []
        while True:
            try:
                lines = _overview_lines(_read_overview(queue))
                head = []
            except StoreUnavailable as exc:
                head = [f"[bold red]{safe(str(exc))}; these figures are old[/bold red]"]
            text = "\n".join([*head, *lines, "", "[dim]Ctrl-C ends[/dim]"])
            live.update(Text.from_markup(text), refresh=True)
            time.sleep(every)


def _read_overview(queue: "CallQueue") -> "Overview":
    from ..store.overview import arguments_of, read

    return queue.store.call(read, *arguments_of(queue.settings))


def _diagnoses(now: "Overview") -> "list[Diagnosis]":
    """What is wrong, the worst first, with what is wrong with the settings of this command."""
    from ..observability.diagnosis import diagnose
    from ..observability.process_findings import settings_findings
    from ..settings import load_settings

    return diagnose(now, own=settings_findings(load_settings()))


def _overview_document(now: "Overview") -> dict[str, Any]:
    from ..observability.diagnosis import render_remedy, render_sentence

    findings = [
        {
            "code": d.code,
            "severity": d.severity,
            "text": render_sentence(d),
            "remedy": render_remedy(d),
            "command": d.command,
            **d.values,
        }
        | ({"cause": d.reason} if d.reason else {})
        for d in _diagnoses(now)
    ]
    figures = now.to_dict()
    figures.pop("minutes")
    hour = {"ends": now.in_last(60, "ends"), "dispositions": now.in_last(60, "dispositions")}
    return {"findings": findings, **figures, "last_hour": hour}


def _limit(label: str, used: float, limit: float) -> str:
    """A figure beside its limit, with a bar; 0 is no limit."""
    if not limit:
        return f"  {label:<9}{used:>7.10g}  no limit"
    share = min(1.0, used / limit)
    full = round(share * BAR_WIDTH)
    colour = "yellow" if share >= 0.9 else "green"
    bar = f"[{colour}]{'#' * full}[/{colour}]{'.' * (BAR_WIDTH - full)}"
    return f"  {label:<9}{used:>7.10g} of {limit:<7.10g} {bar}"


def _account_lines(account: "AccountState") -> list[str]:
    from alodial_schemas.durations import duration_text

    limits = account.limits
    return [
        f"[bold]account {safe(account.name)}[/bold]",
        _limit("calls/s", round(account.rate, 1), limits.rate if limits else 0),
        _limit("channels", account.channels, limits.channels if limits else 0),
    ] + [
        f"  {queue.priority:<9}{queue.count:>7,} waiting, longest {duration_text(queue.oldest)}"
        for queue in account.queues
        if queue.count
    ]


def _overview_lines(now: "Overview") -> list[str]:
    from alodial_schemas.counts import count_text

    from ..observability.diagnosis import render_sentence

    lines = []
    for diagnosis in _diagnoses(now):
        colour, label = COLOURS[diagnosis.severity], diagnosis.severity + ":"
        lines.append(f"[{colour}]{label:<9}[/{colour}]{safe(render_sentence(diagnosis))}")
        if diagnosis.command:
            lines.append(f"         hint: {safe(diagnosis.command)}")
    if not lines:
        lines.append("[green]no problems[/green]")
    lines.append("")
    for account in now.accounts:
        lines += _account_lines(account)
    waiting = "  ".join(f"{state} {now.calls.get(state, 0):,}" for state in WAITING if now.calls.get(state))
    lines.append(f"[bold]calls[/bold]      {waiting or 'none waiting'}")
    dispositions, ends = now.in_last(60, "dispositions"), now.in_last(60, "ends")
    hour = [f"{name} {count:,}" for name, count in sorted(dispositions.items(), key=lambda pair: -pair[1])]
    hour += [f"{name} {ends[name]:,}" for name in NOT_PLACED if ends.get(name)]
    lines.append(f"[bold]last hour[/bold]  {'  '.join(hour) or 'no call ended'}")
    silent = len(now.workers) - len(now.living)
    in_flight = sum(worker.in_flight for worker in now.living)
    not_responding = f", {silent} not responding" if silent else ""
    lines.append(
        f"[bold]workers[/bold]    {len(now.living)} alive{not_responding}, {count_text(in_flight, 'call')} in flight"
    )
    if now.inbox or now.orphans or now.dead:
        lines.append(
            f"[bold]results[/bold]    {now.inbox:,} to read, {now.orphans:,} not matched yet, {now.dead:,} dead"
        )
    for campaign in now.campaigns[:20]:
        lines.append(
            f"[bold]campaign[/bold]   {safe(campaign.name)}: {campaign.state}, {campaign.ready:,} in the hopper"
        )
    for hook in now.endpoints:
        state = "on" if hook.enabled else f"off ({hook.off_reason})"
        lines.append(
            f"[bold]webhook[/bold]    {safe(hook.url)}: {state}, {hook.delivered:,} delivered, {hook.waiting:,} waiting"
        )
    return lines
