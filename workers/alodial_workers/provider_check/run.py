"""The steps of the check in their order. What is said and asked goes through :class:`Terminal`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from alodial.calls.queue import CallQueue
from alodial.errors import AlodialError
from alodial.observability.redaction import secrets_of
from alodial.settings import Settings
from alodial.store import workers
from alodial.store.inbox import InboxEntry
from alodial_schemas import mask_phone, normalise_phone
from alodial_schemas.phones import wire_phone

from ..sandbox.cassette import Cassette, cassette_text, read_cassette
from . import attempt as attempts
from .attempt import Attempt
from .env_lines import write_lines
from .inbox_watch import Arrived, InboxWatch
from .masking import cassette_of, for_terminal
from .plan import REMEDIES, Fact, Proposal, Seen, facts, next_step, order_of_forms, proposals
from .probe import Step, certificate, reach, resolve

COMPLETES_WITHIN = 15.0
"""Seconds for a worker to apply a result that came."""

MORE_RESULTS = 3.0
"""Seconds that a second result of the call is waited for."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The person at the terminal or at a page: ``step`` shows a step, ``say`` a message, ``exchange`` what was "sent",
    "answered" or came as "callback", with a word about it.

    ``confirm`` asks a question; None is no answer. ``asks`` is whether questions can be answered; without it a ring was
    agreed to beforehand, and nothing is written.
    """

    step: Callable[[Step], None]
    say: Callable[[str], None]
    exchange: Callable[[str, str, str], None]
    confirm: Callable[[str], bool | None]
    asks: bool


async def address_steps(settings: Settings) -> AsyncIterator[Step]:
    """Looks at the name, the certificate and reachability, up to the first step that is not ``ok``; nothing rings."""
    parts = urlsplit(settings.provider_url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port, timeout = parts.port or (443 if tls else 80), settings.provider_timeout
    step, addresses = await resolve(host, port, timeout)
    yield step
    if not step.ok:
        return
    if tls:
        step = await certificate(host, port, addresses, timeout)
    else:
        step = Step("tls", True, "http without TLS: right for the sandbox only", "no_tls")
    yield step
    if step.ok:
        yield await reach(settings.provider_url, timeout)


def check_address(settings: Settings, operator: Terminal) -> bool:
    """Shows the steps of :func:`address_steps`. Returns whether a POST could get through."""

    async def show() -> bool:
        good = True
        async for step in address_steps(settings):
            operator.step(step)
            good = step.ok
        return good

    return asyncio.run(show())


def say_facts(cassette: Cassette | None, operator: Terminal) -> None:
    """Prints what is known about AloVoice, and how."""
    for fact in facts(cassette):
        operator.step(Step("fact", True, _fact_text(fact), fact.status))


def _fact_text(fact: Fact) -> str:
    return f"{fact.name}: {fact.text}{f' (observed {fact.at})' if fact.at else ''}"


def known_cassette(path: Path) -> Cassette | None:
    """Returns the cassette of an earlier check, None when there is none that can be read."""
    try:
        return read_cassette(path) if path.exists() else None
    except ValueError:
        return None


class Series:
    """The attempts with one phone, until a form is understood or an answer means that a phone may ring."""

    def __init__(self, settings: Settings, phone: str, account: str, operator: Terminal) -> None:
        self._settings = settings
        self._account = account
        self._operator = operator
        self._secrets = secrets_of(settings)
        self.phone = normalise_phone(phone, allowed=settings.allowed_prefixes)
        self.wire = wire_phone(self.phone)
        self.attempts: list[Attempt] = []
        self.callbacks: list[tuple[float, InboxEntry]] = []
        self.rang_on: set[int] = set()

    def announce(self) -> None:
        """Says beforehand what will happen, in which order and why."""
        forms = order_of_forms(self._settings.provider_body)
        say, masked = self._operator.say, mask_phone(self.phone)
        say(
            f"Next: one call to {masked} through {urlsplit(self._settings.provider_url).netloc}. A real phone may ring."
        )
        say(
            "It rings your phone first; when you answer, the same number is called again and is busy. Then the call ends."
        )
        say("Body forms, in this order, each as an attempt with an extid of its own:")
        reasons = ["it is set in ALODIAL_PROVIDER_BODY", "if AloVoice refuses the one before", "if it refuses that too"]
        for number, (form, reason) in enumerate(zip(forms, reasons, strict=True), 1):
            say(f"  {number}. {form}: {reason}")
        say("Once an answer means that a phone may ring, no further form is tried.")

    def place(self) -> bool:
        """Places the attempts and waits for nothing. Returns whether a phone may ring.

        Raises AlodialError when a call cannot be stored or may not be placed.
        """
        for form in order_of_forms(self._settings.provider_body):
            extid = attempts.new_extid()
            placed = attempts.place(self._settings, form, self.phone, extid, account=self._account)
            self.attempts.append(placed)
            following = next_step(placed.verdict)
            self._say_exchange(placed)
            self._operator.step(self._step_of(placed, following))
            if following in ("understood", "may_ring"):
                return True
            if following != "another_form":
                return False
            status = placed.verdict.status if placed.verdict is not None else None
            if status is None or not self._operator.asks:
                continue
            rang = self._operator.confirm("Did your phone ring?")
            if rang is None:
                remedy = "nobody said whether the phone rang, so no further form is tried"
                self._operator.step(Step("call", False, f"{form}: unknown whether it rang", "no_word", remedy))
                return True
            if rang:
                self.rang_on.add(status)
                self._operator.say("Then no further form is tried: AloVoice rings and answers with a refusal.")
                return True
        return False

    def _say_exchange(self, placed: Attempt) -> None:
        if placed.request is not None:
            about = f"{placed.form}, extid {placed.extid}"
            self._operator.exchange("sent", about, for_terminal(placed.request, self._secrets))
        if placed.answer is not None:
            head = "".join(f"{name}: {value}\r\n" for name, value in placed.answer.headers.items())
            answer = f"{placed.answer.status}\r\n{head}\r\n".encode() + placed.answer.body
            self._operator.exchange("answered", f"status {placed.answer.status}", for_terminal(answer, self._secrets))

    def _step_of(self, placed: Attempt, following: str) -> Step:
        verdict = placed.verdict
        if verdict is None:
            reason = placed.record.reason or f"the call is {placed.record.state}"
            observed = f"{placed.form}, extid {placed.extid}: not sent ({reason})"
            remedy = "do-not-call list, frequency caps, calling hours and the emergency stop hold here too"
            return Step("call", False, observed, "not_sent", remedy)
        status = f"status {verdict.status}" if verdict.status is not None else verdict.code
        word = f"HTTP {verdict.status}" if verdict.status is not None else verdict.code
        milliseconds = str(round(placed.seconds * 1000))
        observed = f"{placed.form}, extid {placed.extid}: {status} after {milliseconds} ms"
        remedy = REMEDIES[following]  # type: ignore[index]  # a word of Next
        values = {"form": placed.form, "extid": placed.extid, "status": word, "ms": milliseconds}
        return Step("call", following == "understood", observed, verdict.outcome, remedy, values)

    def wait_for_result(self, watch: InboxWatch, seconds: float) -> bool:
        """Waits for the callback, shows it, and says whether it found its call."""
        self._operator.say(f"Waiting up to {seconds:.0f} s for AloVoice's callback...")
        began, extids = time.time(), [attempt.extid for attempt in self.attempts]
        arrived = watch.wait(extids, self.wire, seconds)
        if arrived is None:
            remedy = (
                "ask AloVoice's staff which callback URL is registered; see that alodial web runs and is reached from"
                " outside (alodial doctor). A result that comes later finds its call all the same"
            )
            self._operator.step(Step("callback", False, f"none within {seconds:.0f} s", "missing", remedy))
            return False
        good = self._show(arrived, began)
        while (arrived := watch.wait(extids, self.wire, MORE_RESULTS)) is not None and len(self.callbacks) < 16:
            self._show(arrived, began)
        return self._completed(good)

    def _show(self, arrived: Arrived, began: float) -> bool:
        entry = arrived.entry
        after = entry.arrived_ms / 1000 - began
        self.callbacks.append((after, entry))
        kind = entry.content_type or "no content type"
        about = f"{kind}, from {entry.address or 'an unknown address'}"
        self._operator.exchange("callback", about, for_terminal(entry.body, self._secrets))
        good = arrived.fate in ("number", "text")
        remedy = "" if good else "without its extid no result finds its call: show this body to AloVoice's staff"
        address = entry.address or "unknown"
        observed = f"extid came back: {arrived.fate}; {len(entry.body)} bytes, {kind}, from {address}"
        values = {"fate": arrived.fate, "kind": kind, "address": address}
        self._operator.step(Step("callback", good, observed, "extid" if good else "no_extid", remedy, values))
        return good

    def _completed(self, expected: bool) -> bool:
        """Waits until a worker has applied the result, if one is alive."""
        if not expected:
            return False
        name, ends = self.attempts[-1].record.id, time.monotonic() + COMPLETES_WITHIN
        with CallQueue(settings=self._settings) as queue:
            while (record := queue.get(name)).state != "completed" and time.monotonic() < ends:
                if not queue.store.call(workers.any_alive):
                    break
                time.sleep(0.2)
        done = record.state == "completed"
        observed = f"the call is {record.state}{f', {record.disposition}' if record.disposition else ''}"
        remedy = "" if done else "results are applied by workers: start alodial worker"
        self._operator.step(Step("result", done, observed, str(record.disposition or record.state), remedy))
        return done

    def seen(self) -> Seen:
        """Returns what the series proves. A form is understood when its call was taken."""
        taken = [a.form for a in self.attempts if a.verdict is not None and a.verdict.outcome == "taken"]
        sources = tuple(entry.address for _, entry in self.callbacks if entry.address)
        return Seen(taken[-1] if taken else None, frozenset(self.rang_on), sources)

    def cassette(self) -> Cassette | None:
        """Returns the exchange with numbers masked."""
        return cassette_of(
            self.attempts,
            self.callbacks,
            secrets=self._secrets,
            wire_phone=self.wire,
            recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            now=int(time.time()),
        )


def run_series(settings: Settings, phone: str, account: str, operator: Terminal, *, wait: float, path: Path) -> bool:
    """Places the call after a confirmation and goes on to the proposals. Returns whether all was as it must be.

    Raises AlodialError, PhoneError, KeyError for an unknown account.
    """
    series = Series(settings, phone, account, operator)
    series.announce()
    if operator.asks and not operator.confirm(f"Ring {mask_phone(series.phone)} now?"):
        operator.step(Step("call", True, "not placed: you said no", "declined"))
        return True
    good = place_and_wait(settings, series, operator, wait)
    if good is None:
        return False
    save(series.cassette(), path, operator)
    say_facts(series.cassette() or known_cassette(path), operator)
    propose(proposed(settings, series), operator, Path(".env"))
    return good


def place_and_wait(settings: Settings, series: Series, operator: Terminal, wait: float) -> bool | None:
    """Places the call, which was confirmed, and waits for its result. Returns whether all was as it must be.

    None: nothing could be placed at all, and the step that says so was shown.
    """
    watch = InboxWatch(settings)
    try:
        try:
            rings = series.place()
        except AlodialError as exc:
            operator.step(Step("call", False, f"not placed: {exc}", exc.code))
            return None
        complete = series.wait_for_result(watch, wait) if rings else False
    finally:
        watch.close()
    return complete and series.seen().understood is not None


def proposed(settings: Settings, series: Series) -> list[Proposal]:
    """Returns the settings that the series proves and that are not so already."""
    return proposals(
        series.seen(),
        body=settings.provider_body,
        refused=settings.refused_statuses,
        sources=settings.callback_sources,
    )


def save(cassette: Cassette | None, path: Path, operator: Terminal) -> None:
    """Writes the cassette, readable by its owner only; an earlier one is replaced."""
    if cassette is None:
        return
    try:
        path.touch(mode=0o600)
        path.write_text(cassette_text(cassette), "utf-8")
    except OSError as exc:
        remedy = "name another file with --cassette"
        operator.step(Step("cassette", False, f"{path}: {exc.strerror}", "not_written", remedy))
        return
    operator.step(Step("cassette", True, f"{path}: play it with alodial sandbox --cassette {path}", "written"))


def propose(lines: list[Proposal], operator: Terminal, env: Path) -> None:
    """Prints the lines of the proposed settings, and writes them into `.env` if the operator agrees."""
    if not lines:
        operator.step(Step("settings", True, "nothing to change", "unchanged"))
        return
    for line in lines:
        operator.step(Step("settings", True, f"{line.line}  ({line.reason})", "proposed"))
    if not operator.asks or not env.exists() or not operator.confirm(f"Write these lines into {env}?"):
        operator.say("Write the lines that you want into .env, and restart web and workers.")
        return
    try:
        write_lines(env, {line.setting: line.value for line in lines})
    except OSError as exc:
        operator.step(Step("settings", False, f"{env}: {exc.strerror}", "not_written", "write the lines yourself"))
        return
    operator.step(Step("settings", True, f"{env} is changed: restart web and workers", "written"))
