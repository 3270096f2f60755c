"""Finds what is wrong now: rules over the figures of an overview, with their English texts. No I/O."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from alodial_schemas.durations import duration_text

from ..store.events import ALARM_SHARE
from ..store.memory import FULL_SHARE
from ..store.overview import AccountState, Overview, WorkerState

Level = Literal["bad", "warn", "info"]

FULL: Final = 0.9
"""Share of a limit that counts as all of it: the limiter's last start of a second may come a moment later."""

STALE: Final = 60.0
"""Seconds that a call may be ready while there is room, before something must be wrong."""

SLOW_INBOX: Final = 10.0
LONG_UNCONFIRMED: Final = 900.0

TEXTS: Final = {
    "breaker_open.token": "AloVoice refuses the token of account {account}. {ready:call waits|calls wait}.",
    "breaker_open.unreachable": "No connection to AloVoice comes about for account {account} ({why}). "
    "{ready:call waits|calls wait}.",
    "channels_bound": "Channels are the bottleneck of account {account}: {used} of {allowed} are in use, "
    "{ready:call waits|calls wait}.",
    "dead": "{count:result|results} matched nothing or could not be read.",
    "events_lost": "{count:event was|events were} dropped in the last 7 days before every group had read them.",
    "events_unread": "The group {group} has not read {count:event|events}, the oldest for {oldest_s}. They are dropped after "
    "{limit_s}, or above {allowed}.",
    "held": "Account {account} pauses for {left_s} more ({why}).",
    "inbox_lag": "{count:result waits|results wait} to be read, the oldest for {oldest_s}.",
    "logs_lost": "{count:log line|log lines} of the last day did not get to Redis.",
    "no_worker": "No worker is alive. {waiting:call or result waits|calls and results wait}.",
    "orphans": "{count:result waits|results wait} for a call that is not known yet.",
    "provider_address_wrong": "ALODIAL_PROVIDER_URL or the token of account {account} is wrong: AloVoice took no call there and "
    "answers {why}. {ready:call waits|calls wait}; none is rejected for it.",
    "rate_bound": "The rate is the bottleneck of account {account}: {rate} of {allowed} a second are used, "
    "{ready:call waits|calls wait}, about {left_s}.",
    "store_full": "The store uses {percent} % of its {limit_mb} MB. Above {allowed} % no new calls and campaigns are taken; "
    "stops, cancellations, do-not-call lists and results go on.",
    "stopped": "The emergency stop has been on for {since_s}: {reason} ({who}). Nothing is dialled.",
    "stuck": "Account {account} has room, and yet {ready:call waits|calls wait}, the oldest for {oldest_s}.",
    "unconfirmed": "{count:call is|calls are} unconfirmed, the oldest for {oldest_s}: nobody knows whether the "
    "phone rang.",
    "webhook_failing": "Webhook {url} does not take events; {waiting:event waits|events wait}, the oldest for {lag_s}.",
    "webhook_off": "Webhook {url} is switched off; {parked:event is|events are} parked.",
    "web_loop_failing": "Web process {process} cannot do a part of its work: {loops}. It tries again by itself.",
    "worker_loop_failing": "Worker {worker} cannot do a part of its work: {loops}. It tries again by itself.",
    "worker_silent": "Worker {worker} has been silent for {silent_s}; it had {in_flight:call|calls} in flight.",
}
"""English by code, or by code and reason. The monitor translates them in its locales; a test keeps its English equal to these."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A problem, warning or info. ``code`` names its text and ``values`` fill it; names that end in ``_s`` are seconds.

    ``screen`` is the monitor's path and ``command`` the terminal command that helps, "" for none. ``reason`` tells causes of the
    same trouble apart, "" where there is one only.
    """

    code: str
    level: Level
    values: Mapping[str, Any]
    screen: str = ""
    command: str = ""
    reason: str = ""

    @property
    def text_key(self) -> str:
        """The name of its texts, in ``TEXTS`` and in the monitor's locales."""
        return f"{self.code}.{self.reason}" if self.reason else self.code


def diagnose(now: Overview) -> list[Diagnosis]:
    """Returns everything that is wrong, the worst first."""
    rows = [*_stop(now), *_store(now), *_workers(now), *_accounts(now), *_results(now), *_webhooks(now), *_events(now)]
    return sorted(rows, key=lambda row: ("bad", "warn", "info").index(row.level))


def _stop(now: Overview) -> Iterator[Diagnosis]:
    if now.stop is not None:
        since = (now.now - now.stop.at) / 1000 if now.stop.at else 0.0
        values = {"reason": now.stop.reason or "–", "who": now.stop.actor or "–", "since_s": since}
        yield Diagnosis("stopped", "bad", values, "/stop", "alodial resume")


def _store(now: Overview) -> Iterator[Diagnosis]:
    memory = now.memory
    if memory.filling:
        values = {"percent": int(memory.share * 100), "limit_mb": memory.limit >> 20, "allowed": int(FULL_SHARE * 100)}
        yield Diagnosis("store_full", "bad" if memory.full else "warn", values, command="alodial doctor")


def _workers(now: Overview) -> Iterator[Diagnosis]:
    if not now.living:
        waiting = now.ready + now.inbox
        yield Diagnosis("no_worker", "bad", {"waiting": waiting}, "/workers", "alodial worker")
    for worker in now.workers:
        if not worker.alive:
            values = {"worker": worker.name, "silent_s": worker.silent, "in_flight": worker.in_flight}
            yield Diagnosis("worker_silent", "warn", values, "/workers", f"alodial logs --worker {worker.name}")
        elif worker.failing:
            command = f"alodial logs --worker {worker.name} --level error"
            values = {"worker": worker.name, "loops": _failing(worker)}
            yield Diagnosis("worker_loop_failing", "bad", values, "/workers", command)
    for process in now.web_processes:
        if process.alive and process.failing:
            command = f"alodial logs --worker {process.name} --level error"
            values = {"process": process.name, "loops": _failing(process)}
            yield Diagnosis("web_loop_failing", "bad", values, "/logs", command)


def _failing(process: WorkerState) -> str:
    return ", ".join(f"{name} ({error})" for name, error in sorted(process.failing.items()))


def _accounts(now: Overview) -> Iterator[Diagnosis]:
    for account in now.accounts:
        if account.breaker and account.misaddressed:
            values = {"account": account.name, "why": account.held_why.replace("_", " "), "ready": account.ready}
            yield Diagnosis(
                "provider_address_wrong", "bad", values, "/logs", f"alodial resume --account {account.name}"
            )
        elif account.breaker and account.unreachable:
            values = {"account": account.name, "why": account.held_why, "ready": account.ready}
            yield Diagnosis(
                "breaker_open", "bad", values, "/logs", "alodial logs --level warning", reason="unreachable"
            )
        elif account.breaker:
            command = f"alodial resume --account {account.name}"
            values = {"account": account.name, "ready": account.ready}
            yield Diagnosis("breaker_open", "bad", values, "/failed", command, reason="token")
        elif account.held_for > 0:
            values = {"account": account.name, "why": account.held_why, "left_s": account.held_for}
            yield Diagnosis("held", "warn", values, "/logs", "alodial logs --level warning")
        elif account.ready and now.stop is None and now.living:
            yield from _bottleneck(account)


def _bottleneck(account: AccountState) -> Iterator[Diagnosis]:
    """Yields the limit that keeps ready calls waiting, or that they are stuck for no known reason."""
    limits = account.limits
    values: dict[str, Any] = {"account": account.name, "ready": account.ready, "oldest_s": account.oldest}
    if limits and limits.channels and account.channels >= limits.channels:
        yield Diagnosis(
            "channels_bound", "info", values | {"used": account.channels, "allowed": limits.channels}, "/calls"
        )
    elif limits and limits.rate and account.rate >= FULL * limits.rate:
        left = account.ready / limits.rate
        yield Diagnosis("rate_bound", "info", values | {"rate": account.rate, "allowed": limits.rate, "left_s": left})
    elif account.oldest > STALE:
        yield Diagnosis("stuck", "warn", values | {"rate": account.rate}, "/logs", "alodial doctor")


def _results(now: Overview) -> Iterator[Diagnosis]:
    if now.unconfirmed:
        level: Level = "warn" if now.unconfirmed_oldest > LONG_UNCONFIRMED else "info"
        values = {"count": now.unconfirmed, "oldest_s": now.unconfirmed_oldest}
        yield Diagnosis("unconfirmed", level, values, "/unconfirmed", "alodial calls list --state unconfirmed")
    if now.inbox and now.inbox_oldest > SLOW_INBOX:
        yield Diagnosis(
            "inbox_lag", "warn", {"count": now.inbox, "oldest_s": now.inbox_oldest}, "/callbacks", "alodial doctor"
        )
    if now.orphans:
        yield Diagnosis("orphans", "info", {"count": now.orphans}, "/callbacks")
    if now.dead:
        yield Diagnosis("dead", "warn", {"count": now.dead}, "/callbacks", "alodial dead list")
    if now.logs_lost:
        yield Diagnosis("logs_lost", "info", {"count": now.logs_lost}, "/logs")


def _webhooks(now: Overview) -> Iterator[Diagnosis]:
    for endpoint in now.endpoints:
        values = {"url": endpoint.url, "waiting": endpoint.waiting, "parked": endpoint.parked, "lag_s": endpoint.lag}
        if not endpoint.enabled:
            yield Diagnosis("webhook_off", "bad", values, "/webhooks", f"alodial webhooks enable {endpoint.id}")
        elif endpoint.failing_since:
            yield Diagnosis("webhook_failing", "warn", values, "/webhooks", "alodial webhooks list")


def _events(now: Overview) -> Iterator[Diagnosis]:
    if now.events_lost:
        yield Diagnosis(
            "events_lost", "bad", {"count": now.events_lost}, "/logs", "alodial logs --event events.dropped"
        )
    unread = now.events_unread
    if unread is not None and unread.share >= ALARM_SHARE:
        values = {"group": unread.group, "count": unread.count, "oldest_s": unread.oldest}
        bounds = {"limit_s": unread.max_age, "allowed": unread.max_count}
        yield Diagnosis("events_unread", "warn", values | bounds, "/logs")


class _Value(str):
    """A formatted value; ``{ready:call waits|calls wait}`` becomes "1 call waits" or "20 calls wait"."""

    singular = False

    def __format__(self, forms: str) -> str:
        singular, _, plural = forms.partition("|")
        return f"{self} {singular if self.singular else plural}" if forms else str(self)


def _formatted(name: str, value: Any, number: Callable[[float], str], span: Callable[[float], str]) -> _Value:
    text = _Value(span(value) if name.endswith("_s") else number(value) if isinstance(value, int | float) else value)
    text.singular = value == 1
    return text


def fill(text: str, values: Mapping[str, Any], number: Callable[[float], str], span: Callable[[float], str]) -> str:
    """Returns the text with its values, written by ``number`` and, for seconds, by ``span``."""
    return text.format_map({name: _formatted(name, value, number, span) for name, value in values.items()})


def render_sentence(diagnosis: Diagnosis) -> str:
    """Returns the English sentence, for a terminal."""
    return fill(TEXTS[diagnosis.text_key], diagnosis.values, lambda value: f"{value:,.10g}", duration_text)
