"""``alodial status`` and ``alodial top``: all that goes on, once or live."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import READER_LEFT, console, document, safe, say
from .session import open_queue

if TYPE_CHECKING:
    from ..calls.queue import CallQueue
    from ..observability.diagnosis import Diagnosis
    from ..store.overview import AccountState, Overview

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]

BAR = 20
COLOURS = {"bad": "red", "warn": "yellow", "info": "cyan"}
NAMES = {"bad": "wrong", "warn": "look", "info": "note"}

WAITING = ("scheduled", "queued", "submitting", "submitted", "unconfirmed")
NOT_PLACED = ("rejected", "failed", "expired", "timed_out")


def status(as_json: Json = False) -> None:
    """What goes on now and what is wrong. Exit code 1 when something is wrong that stops calls.

    Example: alodial status
    """
    from ..observability.diagnosis import diagnose

    with open_queue() as queue:
        now = _look(queue)
    found = diagnose(now)
    if as_json:
        document(_document(now, found))
    else:
        out = console()
        for text in _lines(now, found):
            out.print(text)
    if any(one.level == "bad" for one in found):
        raise typer.Exit(1)


def top(
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    as_json: Json = False,
) -> None:
    """As `alodial status`, live until Ctrl-C. In a pipe each look is printed after the one before.

    Example: alodial top --every 2
    """
    out = console()
    live = out.is_terminal and not as_json
    if live:
        _live(every)
        return
    with open_queue() as queue:
        while not READER_LEFT.is_set():
            _print_one(queue, as_json=as_json)
            time.sleep(every)


def _print_one(queue: "CallQueue", *, as_json: bool) -> None:
    from ..errors import StoreUnavailable
    from ..observability.diagnosis import diagnose

    try:
        now = _look(queue)
    except StoreUnavailable as exc:
        # What is live goes on: Redis may be back at the next look.
        say(f"error: {exc}")
        return
    found = diagnose(now)
    if as_json:
        document(_document(now, found))
        return
    out = console()
    for text in [*_lines(now, found), ""]:
        out.print(text)


def _live(every: float) -> None:
    from rich.live import Live
    from rich.text import Text

    from ..errors import StoreUnavailable
    from ..observability.diagnosis import diagnose

    shown = console()
    shown.soft_wrap = False
    with open_queue() as queue, Live(console=shown, screen=True, auto_refresh=False) as screen:
        last: Overview | None = None
        while True:
            try:
                last = _look(queue)
                head = ""
            except StoreUnavailable as exc:
                head = f"[bold red]{safe(str(exc))}; what is below is old[/bold red]"
            lines = ([head] if head else []) + (_lines(last, diagnose(last)) if last else [])
            screen.update(Text.from_markup("\n".join([*lines, "", "[dim]Ctrl-C ends[/dim]"])), refresh=True)
            time.sleep(every)


def _look(queue: "CallQueue") -> "Overview":
    from ..store.overview import limits_of, read

    limits = limits_of(queue.settings)
    return queue.store.call(read, limits)


def _document(now: "Overview", found: "list[Diagnosis]") -> dict[str, Any]:
    from ..observability.diagnosis import render_sentence

    told = [
        {"code": one.code, "level": one.level, "text": render_sentence(one), "command": one.command, **one.values}
        for one in found
    ]
    shown = now.to_dict()
    shown.pop("minutes")
    hour = {"ends": now.in_last(60, "ends"), "dispositions": now.in_last(60, "dispositions")}
    return {"findings": told, **shown, "last_hour": hour}


def _bar(used: float, allowed: float) -> str:
    share = min(1.0, used / allowed) if allowed else 0.0
    full = round(share * BAR)
    colour = "yellow" if share >= 0.9 else "green"
    return f"[{colour}]{'#' * full}[/{colour}]{'.' * (BAR - full)}"


def _limit(label: str, used: float, allowed: float) -> str:
    shown = f"{used:.10g}"
    if not allowed:
        return f"  {label:<9}{shown:>7}  no limit"
    return f"  {label:<9}{shown:>7} of {allowed:<7.10g} {_bar(used, allowed)}"


def _account(account: "AccountState", span: Callable[[float], str]) -> list[str]:
    limits = account.limits
    lines = [f"[bold]account {safe(account.name)}[/bold]"]
    lines.append(_limit("starts/s", round(account.rate, 1), limits.rate if limits else 0))
    lines.append(_limit("channels", account.channels, limits.channels if limits else 0))
    return lines + [
        f"  {queue.priority:<9}{queue.count:>7,} ready, the oldest for {span(queue.oldest)}"
        for queue in account.queues
        if queue.count
    ]


def _lines(now: "Overview", found: "list[Diagnosis]") -> list[str]:
    from alodial_schemas.durations import duration_text

    from ..observability.diagnosis import render_sentence

    lines = []
    for one in found:
        lines.append(
            f"[{COLOURS[one.level]}]{NAMES[one.level] + ':':<7}[/{COLOURS[one.level]}]{safe(render_sentence(one))}"
        )
        if one.command:
            lines.append(f"       hint: {safe(one.command)}")
    if not found:
        lines.append("[green]nothing is wrong[/green]")
    lines.append("")
    for account in now.accounts:
        lines += _account(account, duration_text)
    waiting = "  ".join(f"{state} {now.calls.get(state, 0):,}" for state in WAITING if now.calls.get(state))
    lines.append(f"[bold]calls[/bold]      {waiting or 'none waiting'}")
    dispositions, ends = now.in_last(60, "dispositions"), now.in_last(60, "ends")
    hour = [f"{name} {count:,}" for name, count in sorted(dispositions.items(), key=lambda pair: -pair[1])]
    hour += [f"{name} {ends[name]:,}" for name in NOT_PLACED if ends.get(name)]
    lines.append(f"[bold]last hour[/bold]  {'  '.join(hour) or 'no call ended'}")
    silent = len(now.workers) - len(now.living)
    flight = sum(worker.in_flight for worker in now.living)
    also = f", {silent} silent" if silent else ""
    lines.append(f"[bold]workers[/bold]    {len(now.living)} alive{also}, {flight} calls in flight")
    if now.inbox or now.orphans or now.dead:
        lines.append(
            f"[bold]results[/bold]    {now.inbox:,} to be read, {now.orphans:,} unmatched yet, {now.dead:,} dead"
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
