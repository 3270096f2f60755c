"""Decides which body form comes next, when a series ends, and what an exchange proves. Pure."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from alodial_schemas.alovoice.result import CallResult, parse_results

from ..alovoice.answer_classification import Verdict
from ..sandbox.cassette import BodyForm, Cassette

FORMS: tuple[BodyForm, ...] = get_args(BodyForm)

Next = Literal["another_form", "understood", "may_ring", "address", "token", "later", "unreachable", "not_sent"]
FactStatus = Literal["documented", "observed", "inferred"]
ExtidFate = Literal["number", "text", "other", "missing"]


def order_of_forms(configured: BodyForm) -> tuple[BodyForm, ...]:
    """Returns the forms as they are tried: the configured one first, then the likelier ones."""
    return (configured, *(form for form in FORMS if form != configured))


def next_step(verdict: Verdict | None) -> Next:
    """Returns what an attempt's outcome means for the series; None: the attempt was not sent.

    Only a refusal that is about the body leads to another form. Whatever may have rung a phone ends the series.
    """
    if verdict is None:
        return "not_sent"
    match verdict.outcome:
        case "taken":
            return "understood"
        case "rejected" if verdict.status is None:
            return "not_sent"
        case "rejected":
            return "another_form"
        case "address":
            return "address"  # it speaks of the address or the token, whatever the body is
        case "auth":
            return "token"
        case "local":
            return "not_sent"
        case "retry":
            return "not_sent" if verdict.status is None else "later"
        case "unsent":
            return "unreachable"
    return "may_ring"


REMEDIES: dict[Next, str] = {
    "another_form": "no phone rang by this answer; the next body form is tried",
    "understood": "AloVoice took the call: no further form is tried",
    "may_ring": "the phone may ring: no further form is tried. Wait for the callback, and look at your phone",
    "address": "this answer speaks of the address or the token, not of the body: check ALODIAL_PROVIDER_URL and the token",
    "token": "AloVoice refuses the token: check ALODIAL_PROVIDER_TOKEN",
    "later": "AloVoice asks to wait: run the check again later",
    "unreachable": "nothing was sent: check the network and ALODIAL_PROVIDER_URL",
    "not_sent": "nothing was sent: the reason stands beside it",
}


def extid_fate(body: bytes, content_type: str, extid: str) -> ExtidFate:
    """Returns how an extid came back in a result: as a JSON number, as text, as something else, or not at all."""
    results = [result for result in parse_results(body, content_type) if isinstance(result, CallResult)]
    found_again = any(result.extid == extid for result in results)
    if not found_again:
        other = extid.encode() in body or any(result.extid for result in results)
        return "other" if other else "missing"
    try:
        return "number" if _holds_number(json.loads(body), int(extid)) else "text"
    except (ValueError, RecursionError):
        return "text"


def _holds_number(value: Any, number: int) -> bool:
    if isinstance(value, dict):
        return any(_holds_number(item, number) for item in value.values())
    if isinstance(value, list):
        return any(_holds_number(item, number) for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and value == number


def names_phone(body: bytes, wire_phone: str) -> bool:
    """Returns whether a body holds the number that was rung, for a result that came back without its extid."""
    return wire_phone.lstrip("+").encode() in body


def is_public_source(address: str) -> bool:
    """Returns whether results came straight from an address of the internet, not from a proxy or this machine."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a series showed, for the proposals: ``rang_on`` are refused statuses at which the phone rang all the same."""

    understood: BodyForm | None = None
    rang_on: frozenset[int] = frozenset()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line of ``.env``: the setting, its value, and why."""

    setting: str
    value: str
    reason: str

    @property
    def line(self) -> str:
        """The line as `.env` has it."""
        return f"{self.setting}={self.value}"


def proposals(seen: Seen, *, body: str, refused: frozenset[int], sources: Sequence[str]) -> list[Proposal]:
    """Returns the settings that an exchange proves, without those that are so already.

    No status is proposed as one after which no phone rings: a single exchange cannot prove that.
    """
    proposed = []
    if seen.understood is not None and seen.understood != body:
        proposed.append(Proposal("ALODIAL_PROVIDER_BODY", seen.understood, "the form that AloVoice understood"))
    if seen.rang_on & refused:
        value = json.dumps(sorted(refused - seen.rang_on))
        reason = "the phone rang although AloVoice answered with the status that is left out"
        proposed.append(Proposal("ALODIAL_REFUSED_STATUSES", value, reason))
    addresses = [address for address in dict.fromkeys(seen.sources) if is_public_source(address)]
    if addresses and not sources:
        value = ",".join(addresses)
        reason = "where results came from; ask AloVoice's staff for all their addresses before you set it"
        proposed.append(Proposal("ALODIAL_CALLBACK_SOURCES", value, reason))
    return proposed


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about AloVoice, how we know it, and since when (ISO 8601, for what was observed).

    ``values`` has the parts of an observed text, for a page that puts them into the reader's language.
    """

    name: str
    text: str
    status: FactStatus
    at: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


UNPROVEN: tuple[Fact, ...] = (
    Fact("body_form", "nested fields travel as bracket names", "inferred"),
    Fact("answer", "a call that was taken is answered 200 with JSON", "inferred"),
    Fact("extid", "the extid comes back in externalid, as an integer", "documented"),
    Fact("callback", "the result is POSTed after the call; its encoding is not stated", "documented"),
    Fact("dialstatus", "the words of an Asterisk-style PBX: ANSWER, BUSY, NOANSWER", "inferred"),
    Fact("source", "the addresses that results come from are not known", "inferred"),
)


def facts(cassette: Cassette | None) -> list[Fact]:
    """Returns what is known, each as documented, observed or inferred; a recorded exchange replaces what it proves."""
    known = {fact.name: fact for fact in UNPROVEN}
    if cassette is None:
        return list(known.values())
    at = cassette.recorded_at

    def observe(name: str, text: str, **values: str) -> None:
        known[name] = Fact(name, text.format_map(values), "observed", at, values)

    for post in cassette.posts:
        answer = "no answer" if post.status is None else f"status {post.status}"
        outcome = post.outcome or "unknown"
        observe("answer", "{form}: {answer}, classed as {outcome}", form=post.form, answer=answer, outcome=outcome)
        if post.outcome == "taken":
            observe("body_form", "form {form} is understood", form=post.form)
    for callback in cassette.callbacks:
        observe("callback", "the result is POSTed as {kind}", kind=callback.content_type or "no content type")
        # A placeholder is no JSON number: any digits take its place.
        body = callback.body.replace("{extid}", "1234567").replace("{phone}", "712037006").encode()
        fate = extid_fate(body, callback.content_type, "1234567")
        observe("extid", "the extid comes back: {fate}", fate=fate)
        words = {
            result.dialstatus for result in parse_results(body, callback.content_type) if isinstance(result, CallResult)
        }
        if words - {""}:
            observe("dialstatus", "seen: {words}", words=", ".join(sorted(words - {""})))
        if is_public_source(callback.address):
            observe("source", "a result came from {address}", address=callback.address)
    return list(known.values())
