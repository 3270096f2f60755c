"""What is wrong at this moment, in words: rules over the figures of an overview. Pure but for the words' own file."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from alodial_schemas.durations import duration_text

from ..store.overview import AccountState, Overview

Level = Literal["bad", "warn", "info"]

FULL: Final = 0.9
"""Share of a limit that counts as all of it: the limiter's last start of a second may come a moment later."""

STALE: Final = 60.0
"""Seconds that a call may be ready while there is room, before something must be wrong."""

SLOW_INBOX: Final = 10.0
LONG_UNCONFIRMED: Final = 900.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``code`` names its words, ``values`` fill them: names ending in ``_s`` are seconds. ``screen`` is where it is solved,
    ``command`` what mends it at a terminal, "" for none."""

    code: str
    level: Level
    values: Mapping[str, Any]
    screen: str = ""
    command: str = ""


def diagnose(now: Overview) -> list[Diagnosis]:
    """Worst first."""
    found = [*_stop(now), *_workers(now), *_accounts(now), *_results(now), *_webhooks(now)]
    return sorted(found, key=lambda one: ("bad", "warn", "info").index(one.level))


def _stop(now: Overview) -> Iterator[Diagnosis]:
    if now.stop is not None:
        since = (now.now - now.stop.at) / 1000 if now.stop.at else 0.0
        values = {"reason": now.stop.reason or "–", "who": now.stop.actor or "–", "since_s": since}
        yield Diagnosis("stopped", "bad", values, "/stop", "alodial resume")


def _workers(now: Overview) -> Iterator[Diagnosis]:
    if not now.living:
        waiting = now.ready + now.inbox
        yield Diagnosis("no_worker", "bad", {"waiting": waiting}, "/workers", "alodial worker")
    for worker in now.workers:
        if not worker.alive:
            values = {"worker": worker.name, "silent_s": worker.silent, "in_flight": worker.in_flight}
            yield Diagnosis("worker_silent", "warn", values, "/workers", f"alodial logs --worker {worker.name}")


def _accounts(now: Overview) -> Iterator[Diagnosis]:
    for account in now.accounts:
        if account.breaker:
            command = f"alodial resume --account {account.name}"
            yield Diagnosis("breaker", "bad", {"account": account.name, "ready": account.ready}, "/failed", command)
        elif account.held_for > 0:
            values = {"account": account.name, "why": account.held_why, "left_s": account.held_for}
            yield Diagnosis("held", "warn", values, "/logs", "alodial logs --level warning")
        elif account.ready and now.stop is None and now.living:
            yield from _bound(account)


def _bound(account: AccountState) -> Iterator[Diagnosis]:
    """What keeps ready calls waiting: a limit, or nothing that is known."""
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
    for one in now.endpoints:
        values = {"url": one.url, "waiting": one.waiting, "parked": one.parked, "lag_s": one.lag}
        if not one.enabled:
            yield Diagnosis("webhook_off", "bad", values, "/webhooks", f"alodial webhooks enable {one.id}")
        elif one.failing_since:
            yield Diagnosis("webhook_failing", "warn", values, "/webhooks", "alodial webhooks list")


@cache
def _words() -> dict[str, Any]:
    # The monitor's own English: one sentence, said once.
    text = files("alodial").joinpath("monitor/locales/en/findings.json").read_text("utf-8")
    words: dict[str, Any] = json.loads(text)
    return words


class _Filled(str):
    """A value as people write it; ``{ready:call waits|calls wait}`` is "1 call waits" or "20 calls wait"."""

    one = False

    def __format__(self, forms: str) -> str:
        one, _, many = forms.partition("|")
        return f"{self} {one if self.one else many}" if forms else str(self)


def _shown(name: str, value: Any, number: Callable[[float], str], span: Callable[[float], str]) -> _Filled:
    written = span(value) if name.endswith("_s") else number(value) if isinstance(value, int | float) else value
    shown = _Filled(written)
    shown.one = value == 1
    return shown


def fill(text: str, values: Mapping[str, Any], number: Callable[[float], str], span: Callable[[float], str]) -> str:
    """The sentence with its values as people write them."""
    return text.format_map({name: _shown(name, value, number, span) for name, value in values.items()})


def render_sentence(finding: Diagnosis) -> str:
    """In English, for a terminal."""
    return fill(_words()[f"finding.{finding.code}"], finding.values, lambda value: f"{value:,.10g}", duration_text)
