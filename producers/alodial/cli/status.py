"""``alodial status`` and ``alodial top``: what is wrong, what runs and what waits, once or live."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .arguments import Json
from .language import reader
from .output import READER_LEFT, console, document, in_language, safe, say
from .session import open_queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..calls.queue import CallQueue
    from ..i18n import Translator
    from ..observability.diagnosis import Diagnosis
    from ..store.overview import AccountState, Overview

BAR_WIDTH = 20
COLOURS = {"problem": "red", "warning": "yellow", "info": "cyan"}

WAITING = ("scheduled", "queued", "submitting", "submitted", "unconfirmed")
NOT_PLACED = ("rejected", "failed", "expired", "timed_out")
ROWS = ("calls", "last_hour", "workers", "results", "campaign", "webhook")


def status(as_json: Json = False) -> None:
    """Show what is wrong, what runs and what waits. Exit code 1 if a problem stops calls.

    Example: alodial status
    """
    from ..errors import StoreUnavailable

    try:
        with open_queue() as queue:
            overview = _read_overview(queue)
    except StoreUnavailable as exc:
        if exc.code != StoreUnavailable.code:
            raise  # it answers, and says what is wrong
        _print_away(str(exc), as_json=as_json)
        raise typer.Exit(1) from None
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
    for text in _overview_lines(overview, reader()):
        out.print(text)


def _print_away(detail: str, *, as_json: bool) -> None:
    """Prints the finding about the store, which is all that is known while Redis does not answer."""
    from ..observability.diagnosis import diagnose_away, render_remedy

    finding = diagnose_away(detail if as_json else in_language(detail))
    if as_json:
        document({"findings": [_finding_document(finding)]})
        return
    out, t = console(), reader()
    for text in (*_finding_lines([finding], t), f"         {t('terminal.hint')}: {safe(render_remedy(finding, t))}"):
        out.print(text)


def _show_live(every: float) -> None:
    from rich.live import Live
    from rich.text import Text

    from ..errors import StoreUnavailable

    screen, t = console(), reader()
    screen.soft_wrap = False
    with open_queue() as queue, Live(console=screen, screen=True, auto_refresh=False) as live:
        lines: list[str] = []
        while True:
            try:
                lines = _overview_lines(_read_overview(queue), t)
                head = []
            except StoreUnavailable as exc:
                head = [f"[bold red]{safe(str(exc))}; {t('terminal.old')}[/bold red]"]
            text = "\n".join([*head, *lines, "", f"[dim]{t('terminal.ends')}[/dim]"])
            live.update(Text.from_markup(text), refresh=True)
            time.sleep(every)


def _read_overview(queue: "CallQueue") -> "Overview":
    from ..store.overview import read

    return queue.store.call(read, queue.settings)


def _diagnoses(now: "Overview") -> "list[Diagnosis]":
    """What is wrong, the worst first, with what is wrong with the settings of this command."""
    from ..observability.diagnosis import diagnose
    from ..observability.process_findings import settings_findings
    from ..settings import load_settings

    return diagnose(now, own=settings_findings(load_settings()))


def _finding_document(finding: "Diagnosis") -> dict[str, Any]:
    from ..observability.diagnosis import render_remedy, render_sentence

    known = {"code": finding.code, "severity": finding.severity}
    texts = {"text": render_sentence(finding), "remedy": render_remedy(finding), "command": finding.command}
    return {**known, **texts, **finding.values} | ({"cause": finding.reason} if finding.reason else {})


def _overview_document(now: "Overview") -> dict[str, Any]:
    findings = [_finding_document(finding) for finding in _diagnoses(now)]
    figures = now.to_dict()
    figures.pop("minutes")
    hour = {"ends": now.in_last(60, "ends"), "dispositions": now.in_last(60, "dispositions")}
    return {"findings": findings, **figures, "last_hour": hour}


def _limit(label: str, used: float, limit: float, t: "Translator") -> str:
    """A figure beside its limit, with a bar; 0 is no limit. ``label`` is as wide as it shall be."""
    if not limit:
        return f"  {label}{used:>7.10g}  {t('terminal.no_limit')}"
    share = min(1.0, used / limit)
    full = round(share * BAR_WIDTH)
    colour = "yellow" if share >= 0.9 else "green"
    bar = f"[{colour}]{'#' * full}[/{colour}]{'.' * (BAR_WIDTH - full)}"
    return f"  {label}{used:>7.10g} {t('terminal.of')} {limit:<7.10g} {bar}"


def _account_lines(account: "AccountState", t: "Translator") -> list[str]:
    limits = account.limits
    labels = {name: t(f"terminal.{name}") for name in ("rate", "channels")}
    labels |= {name: t(f"terminal.priority.{name}") for name in (queue.priority for queue in account.queues)}
    width = max(9, *map(len, labels.values()))
    labels = {name: f"{label:<{width}}" for name, label in labels.items()}
    lines = [
        f"[bold]{t('terminal.account', name=safe(account.name))}[/bold]",
        _limit(labels["rate"], round(account.rate, 1), limits.rate if limits else 0, t),
        _limit(labels["channels"], account.channels, limits.channels if limits else 0, t),
    ]
    for queue in account.queues:
        if queue.count:
            count = f"{t.plain_number(queue.count):>7}"
            text = t("terminal.queue", count=count, span=t.plain_span(queue.oldest))
            lines.append(f"  {labels[queue.priority]}{text}")
    return lines


def _finding_lines(findings: "Sequence[Diagnosis]", t: "Translator") -> list[str]:
    from ..observability.diagnosis import render_sentence

    lines = []
    for diagnosis in findings:
        colour, label = COLOURS[diagnosis.severity], t(f"terminal.severity.{diagnosis.severity}") + ": "
        lines.append(f"[{colour}]{label:<9}[/{colour}]{safe(render_sentence(diagnosis, t))}")
        if diagnosis.command:
            lines.append(f"         {t('terminal.hint')}: {safe(diagnosis.command)}")
    return lines or [f"[green]{t('terminal.no_problems')}[/green]"]


def _words(counts: "Mapping[str, int]", t: "Translator", *catalogues: str) -> str:
    """Counts with their names: those of commands in English, in other languages words for people."""

    def name(word: str) -> str:
        if t.language == "en":
            return word
        return next((t(f"{known}.{word}") for known in catalogues if t.has(known, word)), word)

    return "  ".join(f"{name(word)} {t.plain_number(count)}" for word, count in counts.items())


def _overview_lines(now: "Overview", t: "Translator") -> list[str]:
    width = max(len(t(f"terminal.{name}")) for name in ROWS)

    def row(name: str, text: str) -> str:
        return f"[bold]{t(f'terminal.{name}'):<{width}}[/bold]  {text}"

    lines = [*_finding_lines(_diagnoses(now), t), ""]
    for account in now.accounts:
        lines += _account_lines(account, t)
    waiting = {state: now.calls[state] for state in WAITING if now.calls.get(state)}
    lines.append(row("calls", _words(waiting, t, "call") or t("terminal.none_waiting")))
    ends = now.in_last(60, "ends")
    hour = dict(sorted(now.in_last(60, "dispositions").items(), key=lambda pair: -pair[1]))
    hour |= {name: ends[name] for name in NOT_PLACED if ends.get(name)}
    lines.append(row("last_hour", _words(hour, t, "disposition", "call") or t("terminal.no_call_ended")))
    silent = len(now.workers) - len(now.living)
    in_flight = sum(worker.in_flight for worker in now.living)
    workers = [t("terminal.alive", count=len(now.living))]
    workers += [t("terminal.silent", count=silent)] if silent else []
    lines.append(row("workers", ", ".join([*workers, t.count("terminal.in_flight", in_flight)])))
    if now.inbox or now.orphans or now.dead:
        counts = {name: t.plain_number(getattr(now, name)) for name in ("inbox", "orphans", "dead")}
        lines.append(row("results", t("terminal.results_text", **counts)))
    for campaign in now.campaigns[:20]:
        state = campaign.state if t.language == "en" else t.known("state", campaign.state)
        text = t("terminal.hopper", state=state, ready=t.plain_number(campaign.ready))
        lines.append(row("campaign", f"{safe(campaign.name)}: {text}"))
    for hook in now.endpoints:
        state = t("terminal.on") if hook.enabled else t("terminal.off", reason=hook.off_reason)
        numbers = {"delivered": t.plain_number(hook.delivered), "waiting": t.plain_number(hook.waiting)}
        lines.append(row("webhook", f"{safe(hook.url)}: {t('terminal.webhook_text', state=state, **numbers)}"))
    return lines
