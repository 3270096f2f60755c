"""Finds what is wrong now: rules over the figures of an overview. No I/O."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from alodial_schemas.durations import duration_text

from ..errors import StoreUnavailable
from ..i18n import ENGLISH, FORMS, PLURALS, Translator, translated
from ..store.events import ALARM_SHARE
from ..store.memory import FULL_SHARE
from ..store.missing_results import MISSING_AFTER
from ..store.overview import AccountState, Overview
from ..store.workers import WorkerState
from .finding_texts import REMEDIES, TEXTS

Severity = Literal["problem", "warning", "info"]

FULL: Final = 0.9
"""Share of a limit that counts as all of it: the limiter's last start of a second may come a moment later."""

STALE: Final = 60.0
"""Seconds that a call may be ready while there is room, before something must be wrong."""

SLOW_INBOX: Final = 10.0
MISSING: Final = (10, 3, 1)
"""Submitted calls that are too many after each of MISSING_AFTER without any callback: one long talk is no trouble, ten are."""

UNHEARD: Final = 5.0
"""Seconds without a result from which on callbacks that are refused are taken for the results that fill the channels."""

MASS: Final = 20
"""Rejected calls in MASS_MINUTES from which on it is no matter of single numbers."""

MASS_MINUTES: Final = 5

GUESSERS: Final = 20
"""Addresses from which wrong keys come within minutes, from which on it is no program with an old key."""

FIRST: Final = frozenset({"callback_secret_missing", "callbacks_refused", "results_missing"})
"""Problems that others follow from: above all others, and limits that they fill are not named as the cause."""

LONG_UNCONFIRMED: Final = 900.0

SUBJECTS: Final = ("account", "worker", "process", "url", "group", "name")
"""Values that tell findings of one code apart."""

ARCHIVE_BEHIND: Final = 300.0
"""Seconds that the archive may be behind before it is said; 60 where its database does not take anything."""

OF_PROCESSES: Final[Mapping[str, Severity]] = {
    "broker_unreachable": "problem",
    "spool_not_writable": "problem",
    "out_of_files": "problem",
    "out_of_ports": "problem",
    "out_of_memory": "problem",
    "connect_forbidden": "problem",
    "store_loses_on_failover": "problem",
    "setting_unknown": "warning",
    "clock_differs": "warning",
}
"""Codes of what processes say of their own surroundings in their heartbeats."""

ACCEPTED: Final = "ALODIAL_ACCEPT_RISK"
"""Ends the detail of a risk that its process accepts, which makes a warning of a problem."""

STORE_AWAY: Final = StoreUnavailable.code
"""Code of the finding that Redis does not answer: all that is known then."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A problem, warning or info. ``code`` names its text and ``values`` fill it; names that end in ``_s`` are seconds.

    ``screen`` is the monitor's path and ``command`` the terminal command that helps, "" for none. ``reason`` tells causes of the
    same trouble apart, "" where there is one only.
    """

    code: str
    severity: Severity
    values: Mapping[str, Any]
    screen: str = ""
    command: str = ""
    reason: str = ""

    @property
    def subject(self) -> str:
        """What of several it is about, such as an account or a worker; "" where there can be one only."""
        return next((str(self.values[name]) for name in SUBJECTS if self.values.get(name)), "")

    @property
    def text_key(self) -> str:
        """The name of its texts, in ``TEXTS`` and in the locales."""
        return f"{self.code}.{self.reason}" if self.reason else self.code


def diagnose(now: Overview, own: Mapping[str, str] | None = None) -> list[Diagnosis]:
    """Returns everything that is wrong, the worst first. ``own`` is what is wrong with the asking process, by code."""
    arrival = list(_arrival(now))
    unheard = now.missing.silent is None or now.missing.silent > UNHEARD
    lost = any(row.severity == "problem" for row in arrival) or (now.refused.count > 0 and unheard)
    rows = [
        *arrival,
        *_stop(now),
        *_store(now),
        *_surroundings(now, own or {}),
        *_workers(now),
        *_accounts(now, lost=lost),
        *_rejections(now),
        *_guesses(now),
        *_results(now),
        *_webhooks(now),
        *_events(now),
        *_archive(now),
    ]
    order = ("problem", "warning", "info")
    return sorted(rows, key=lambda row: (order.index(row.severity), row.code not in FIRST))


def diagnose_away(detail: str) -> Diagnosis:
    """Returns the finding that stands for all others while Redis does not answer. ``detail`` is the error's text."""
    return Diagnosis(STORE_AWAY, "problem", {"detail": detail}, command="alodial doctor")


def _arrival(now: Overview) -> Iterator[Diagnosis]:
    """Yields why results do not arrive."""
    silent, waiting = now.missing.silent, bool(now.awaiting)
    if not now.takes_callbacks and silent is None:
        yield Diagnosis("callback_secret_missing", "problem", {}, "/callbacks", "alodial doctor")
    if now.refused.count:
        # Anybody may guess at a secret: while results come, that is no trouble.
        severity: Severity = "problem" if waiting and (silent is None or silent > MISSING_AFTER[0]) else "warning"
        values = {"count": now.refused.count}
        yield Diagnosis("callbacks_refused", severity, values, "/callbacks", "alodial doctor", now.refused.reason)
    allowed = (1,) * len(MISSING) if silent is None else MISSING
    counts = [count for count, enough in zip(now.missing.counts, allowed, strict=False) if count >= enough]
    if counts:
        missing: dict[str, Any] = {"count": counts[0], "oldest_s": now.missing.oldest}
        yield Diagnosis("results_missing", "problem", missing, "/callbacks", "alodial channels list")


def _rejections(now: Overview) -> Iterator[Diagnosis]:
    last = now.minutes[-MASS_MINUTES:]
    rejected, armed = sum(minute.ends.get("rejected", 0) for minute in last), sum(minute.armed for minute in last)
    if rejected >= MASS and 2 * rejected > armed:
        command = "alodial calls list --state rejected"
        yield Diagnosis("mass_rejection", "problem", {"count": rejected}, "/failed", command)


def _guesses(now: Overview) -> Iterator[Diagnosis]:
    if now.guessers >= GUESSERS:
        yield Diagnosis("keys_guessed", "warning", {"count": now.guessers}, command="alodial keys list")


def _stop(now: Overview) -> Iterator[Diagnosis]:
    if now.stop is not None:
        since = (now.now - now.stop.at) / 1000 if now.stop.at else 0.0
        values = {"reason": now.stop.reason or "–", "who": now.stop.actor or "–", "since_s": since}
        yield Diagnosis("stopped", "problem", values, "/stop", "alodial resume")


def _store(now: Overview) -> Iterator[Diagnosis]:
    memory = now.memory
    if memory.filling:
        values = {"percent": int(memory.share * 100), "limit_mb": memory.limit >> 20, "allowed": int(FULL_SHARE * 100)}
        yield Diagnosis("store_full", "problem" if memory.full else "warning", values, command="alodial doctor")
    fitness = now.fitness
    if fitness.evicts:
        yield Diagnosis("store_evicts", "problem", {"policy": fitness.policy}, command="alodial doctor")
    if fitness.cluster:
        yield Diagnosis("store_cluster", "problem", {}, command="alodial doctor")
    if not fitness.append_only:
        yield Diagnosis("store_not_durable", "warning", {}, command="alodial doctor")


def _surroundings(now: Overview, own: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Yields what living processes and the asking one say of their surroundings, once for all that say the same."""
    said: dict[tuple[str, str], list[str]] = {(code, detail): ["this command"] for code, detail in own.items()}
    for process in (*now.workers, *now.web_processes):
        for code, detail in process.findings.items() if process.alive else ():
            said.setdefault((code, detail), []).append(process.name)
    for (code, detail), names in sorted(said.items()):
        if code in OF_PROCESSES:
            values = {"detail": detail, "processes": ", ".join(sorted(names))}
            severity: Severity = "warning" if detail.endswith(ACCEPTED) else OF_PROCESSES[code]
            yield Diagnosis(code, severity, values, command="alodial doctor")


def _workers(now: Overview) -> Iterator[Diagnosis]:
    if not now.living:
        waiting = now.ready + now.inbox
        yield Diagnosis("no_worker", "problem", {"waiting": waiting}, "/workers", "alodial worker")
    for worker in now.workers:
        if not worker.alive:
            values = {"worker": worker.name, "silent_s": worker.silent, "in_flight": worker.in_flight}
            yield Diagnosis("worker_silent", "warning", values, "/workers", f"alodial logs --worker {worker.name}")
        elif worker.failing:
            command = f"alodial logs --worker {worker.name} --level error"
            values = {"worker": worker.name, "loops": _failing(worker)}
            yield Diagnosis("worker_loop_failing", "problem", values, "/workers", command)
    parts = [part for part in ("limits", "provider", "calling rules") if _differ(now, part)]
    web = [process for process in now.web_processes if process.alive]
    if len({process.version for process in (*now.living, *web) if process.version}) > 1:
        parts.append("version")
    if parts:
        names = ", ".join(process.name for process in (*now.living, *(web if parts == ["version"] else ())))
        yield Diagnosis("workers_differ", "warning", {"parts": ", ".join(parts), "workers": names}, "/workers")
    for process in now.web_processes:
        if process.alive and process.failing:
            command = f"alodial logs --worker {process.name} --level error"
            values = {"process": process.name, "loops": _failing(process)}
            yield Diagnosis("web_loop_failing", "problem", values, "/logs", command)


def _differ(now: Overview, part: str) -> bool:
    return len({worker.marks[part] for worker in now.living if part in worker.marks}) > 1


def _failing(process: WorkerState) -> str:
    return ", ".join(f"{name} ({error})" for name, error in sorted(process.failing.items()))


def _accounts(now: Overview, *, lost: bool) -> Iterator[Diagnosis]:
    for account in now.accounts:
        if account.breaker and account.misaddressed:
            values = {"account": account.name, "why": account.held_why.removeprefix("status_"), "ready": account.ready}
            yield Diagnosis(
                "provider_address_wrong", "problem", values, "/logs", f"alodial resume --account {account.name}"
            )
        elif account.breaker and account.unreachable:
            values = {"account": account.name, "why": account.held_why, "ready": account.ready}
            yield Diagnosis(
                "breaker_open", "problem", values, "/logs", "alodial logs --level warning", reason="unreachable"
            )
        elif account.breaker:
            command = f"alodial resume --account {account.name}"
            values = {"account": account.name, "ready": account.ready}
            yield Diagnosis("breaker_open", "problem", values, "/failed", command, reason="token")
        elif account.held_for > 0:
            values = {"account": account.name, "why": account.held_why, "left_s": account.held_for}
            yield Diagnosis("account_held", "warning", values, "/logs", "alodial logs --level warning")
        elif account.ready and now.stop is None and now.living:
            yield from _bottleneck(account, lost=lost)
    for campaign in now.campaigns if now.stop is None and now.living else ():
        if campaign.bound:
            waiting = campaign.ready + campaign.rows if campaign.bound == "closed" else campaign.ready
            values = {"name": campaign.name, "ready": waiting, "opens_s": campaign.opens}
            yield Diagnosis("campaign_bound", "info", values, f"/campaigns/{campaign.id}", reason=campaign.bound)


def _bottleneck(account: AccountState, *, lost: bool) -> Iterator[Diagnosis]:
    """Yields the limit that keeps ready calls waiting, or that they are stuck for no known reason."""
    limits = account.limits
    values: dict[str, Any] = {"account": account.name, "ready": account.ready, "oldest_s": account.oldest}
    if limits and limits.channels and account.channels >= limits.channels:
        if lost:
            return
        yield Diagnosis(
            "channels_full", "info", values | {"used": account.channels, "allowed": limits.channels}, "/calls"
        )
    elif limits and limits.rate and account.rate >= FULL * limits.rate:
        # The limiter's burst may pass the limit for a moment, which would read as if it did not hold.
        rate, left = round(min(account.rate, limits.rate), 1), account.ready / limits.rate
        yield Diagnosis("rate_bound", "info", values | {"rate": rate, "allowed": limits.rate, "left_s": left})
    elif account.free_oldest > STALE and account.ready > account.bound:
        yield Diagnosis(
            "stuck",
            "warning",
            values | {"ready": account.ready - account.bound, "oldest_s": account.free_oldest},
            "/logs",
            "alodial doctor",
        )


def _results(now: Overview) -> Iterator[Diagnosis]:
    if now.unconfirmed:
        severity: Severity = "warning" if now.unconfirmed_oldest > LONG_UNCONFIRMED else "info"
        values = {"count": now.unconfirmed, "oldest_s": now.unconfirmed_oldest}
        yield Diagnosis("unconfirmed_old", severity, values, "/unconfirmed", "alodial calls list --state unconfirmed")
    if now.inbox and now.inbox_oldest > SLOW_INBOX:
        yield Diagnosis(
            "inbox_lag", "warning", {"count": now.inbox, "oldest_s": now.inbox_oldest}, "/callbacks", "alodial doctor"
        )
    if now.orphans:
        yield Diagnosis("orphans", "info", {"count": now.orphans}, "/callbacks")
    if now.dead:
        yield Diagnosis("dead_results", "warning", {"count": now.dead}, "/callbacks", "alodial dead list")
    if now.logs_lost:
        yield Diagnosis("logs_lost", "info", {"count": now.logs_lost}, "/logs")


def _webhooks(now: Overview) -> Iterator[Diagnosis]:
    for endpoint in now.endpoints:
        values = {"url": endpoint.url, "waiting": endpoint.waiting, "parked": endpoint.parked, "lag_s": endpoint.lag}
        if not endpoint.enabled:
            yield Diagnosis(
                "webhook_disabled", "problem", values, "/webhooks", f"alodial webhooks enable {endpoint.id}"
            )
        elif endpoint.failing_since:
            yield Diagnosis("webhook_failing", "warning", values, "/webhooks", "alodial webhooks list")


def _events(now: Overview) -> Iterator[Diagnosis]:
    if now.events_lost:
        yield Diagnosis(
            "events_lost", "problem", {"count": now.events_lost}, "/logs", "alodial logs --event events.dropped"
        )
    unread = now.events_unread
    if unread is not None and unread.share >= ALARM_SHARE:
        values = {"group": unread.group, "count": unread.count, "oldest_s": unread.oldest}
        bounds = {"limit_s": unread.max_age, "allowed": unread.max_count}
        yield Diagnosis("events_unread", "warning", values | bounds, "/logs")


def _archive(now: Overview) -> Iterator[Diagnosis]:
    if not now.archives:
        return
    archive = now.archive
    command = "alodial archive status"
    if archive is None:
        yield Diagnosis("archive_behind", "warning", {}, command="alodial archive", reason="missing")
    elif archive.trouble and archive.lag > ARCHIVE_BEHIND / 5:
        values = {"lag_s": archive.lag, "detail": archive.error}
        reason = "full" if archive.trouble == "full" else "unavailable"
        yield Diagnosis("archive_behind", "problem", values, "/logs", command, reason)
    elif archive.lag > ARCHIVE_BEHIND:
        yield Diagnosis("archive_behind", "warning", {"lag_s": archive.lag}, "/logs", command, "slow")


class _Value(str):
    """A formatted value; ``{ready:call waits|calls wait}`` is "1 call waits" or "20 calls wait", in any language."""

    form = 0

    def __format__(self, forms: str) -> str:
        return f"{self} {forms.split('|')[self.form]}" if forms else str(self)


def _formatted(
    name: str, value: Any, number: Callable[[float], str], span: Callable[[float], str], t: Translator
) -> _Value:
    if name == "why":
        return _Value(t.known("cause", value))
    if name == "detail":
        return _Value(translated(value, t.language))
    text = _Value(span(value) if name.endswith("_s") else number(value) if isinstance(value, int | float) else value)
    if isinstance(value, int):
        text.form = FORMS[t.language].index(PLURALS[t.language](value))
    return text


def fill(
    text: str,
    values: Mapping[str, Any],
    number: Callable[[float], str],
    span: Callable[[float], str],
    t: Translator = ENGLISH,
) -> str:
    """Returns the text with its values, written by ``number`` and, for seconds, by ``span``; reasons and details by ``t``."""
    return text.format_map({name: _formatted(name, value, number, span, t) for name, value in values.items()})


def render_sentence(diagnosis: Diagnosis, t: Translator = ENGLISH) -> str:
    """Returns the sentence, for a terminal or a message; in English without a translator."""
    if t.language == ENGLISH.language:
        return fill(TEXTS[diagnosis.text_key], diagnosis.values, lambda value: f"{value:,.10g}", duration_text)
    return fill(t(f"finding.{diagnosis.text_key}"), diagnosis.values, t.plain_number, t.plain_span, t)


def render_remedy(diagnosis: Diagnosis, t: Translator = ENGLISH) -> str:
    """Returns what to do; in English without a translator."""
    if t.language == ENGLISH.language:
        return REMEDIES[diagnosis.text_key]
    return t(f"finding.{diagnosis.text_key}.do")
