"""What a call's page shows, computed from its record: changes of state, attempts, phones, the timeline. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alodial_schemas import ENDS

from ..calls.call_timeline import TimelineMoment, initiator_of, numbers_differ, phone_moments, targets_of, unix_seconds
from ..calls.explain import change_reason, reason_text
from ..campaigns.exporting.terms import redial_text
from ..i18n import Translator
from ..store.call_context import CallContext
from ..store.records import CallRecord, iso
from . import call_rows
from .timeline_svg import StateSpan, Timeline, draw_timeline

RESULT_FIELDS: Final = (
    *("dialstatus", "begin_time", "answer_time", "end_time", "duration", "from_numbers", "to_numbers"),
    *("trunk_number", "call_ids"),
)
TIMES: Final = frozenset({"begin_time", "answer_time", "end_time"})
NUMBERS: Final = frozenset({"from_numbers", "to_numbers", "trunk_number"})


@dataclass(frozen=True, slots=True)
class StateChange:
    """``seconds`` is how long the state lasted; None for the last state of a call that has ended."""

    state: str
    at: str
    clock: str
    seconds: float | None
    goes_on: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """``worker_state`` is alive, silent or gone; ``answer`` explains AloVoice's answer, ``body`` is its start as it came."""

    number: int
    extid: str
    submitted_at: str | None
    worker: str
    worker_state: str
    outcome: str
    answer: str
    status: str
    ms: int | None
    body: str
    disposition: str
    result: list[tuple[str, str]]
    raw: str
    conflicting: str
    talk_limit: str
    recording: str
    recording_text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class PhoneMoment:
    """An event at a phone; ``at`` is ISO 8601, ``clock`` the reader's time."""

    clock: str
    at: str
    party: str
    number: str
    event: str


def _iso(at: float) -> str:
    return iso(round(at * 1000))


def changes_of(record: CallRecord, context: CallContext, t: Translator) -> list[StateChange]:
    """Every change of state, the earliest first."""
    ongoing = record.state not in ENDS
    ends = [*(change["at"] for change in record.timeline[1:]), iso(context.now) if ongoing else None]
    changes = []
    for index, (change, end) in enumerate(zip(record.timeline, ends, strict=True)):
        at = change["at"]
        seconds = None
        if end is not None:
            seconds = max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(at)).total_seconds())
        last = index + 1 == len(record.timeline)
        reason = change_reason(change, t)
        changes.append(StateChange(change["state"], at, t.exact(at), seconds, last and ongoing, reason))
    return changes


def _value(name: str, value: Any, t: Translator, *, full: bool) -> str:
    if value in (None, "", []):
        return "–"
    if name in TIMES:
        at = unix_seconds(value)
        return t.exact(_iso(at))[:19] if at is not None else str(value)[:100]
    if name == "duration" and isinstance(value, (int, float)):
        return t.span(value)
    texts = [str(item)[:100] for item in (value if isinstance(value, list) else [value])[:10]]
    if name in NUMBERS:
        texts = [call_rows.number(text, full=full) for text in texts]
    return ", ".join(texts)


def attempt_view(
    attempt: Mapping[str, Any], record: CallRecord, context: CallContext, t: Translator, *, full: bool
) -> AttemptView:
    """One of the record's attempts; ``full`` shows phone numbers unmasked."""
    answer: Mapping[str, Any] = attempt["answer"] or {}
    result: Mapping[str, Any] = attempt["result"] or {}
    other = attempt["conflicting_result"]
    status, ms = answer.get("status"), answer.get("ms")
    link = call_rows.recording(result.get("record"))
    return AttemptView(
        number=attempt["attempt"],
        extid=attempt["extid"],
        submitted_at=attempt["submitted_at"],
        worker=attempt["worker"] or "",
        worker_state=context.worker(attempt["worker"]),
        outcome=str(answer.get("outcome") or ""),
        answer=reason_text(str(answer.get("code") or ""), t),
        status="" if status is None else str(status)[:20],
        ms=ms if isinstance(ms, int) else None,
        body=call_rows.raw(str(answer.get("body") or ""), full=full),
        disposition=attempt["disposition"] or "",
        result=[(name, _value(name, result.get(name), t, full=full)) for name in RESULT_FIELDS] if result else [],
        raw=call_rows.raw(result, full=full) if result else "",
        conflicting=call_rows.raw(other, full=full) if other else "",
        talk_limit="" if attempt["talk_limited_to"] is None else t.span(attempt["talk_limited_to"]),
        recording=link,
        recording_text="" if link else call_rows.text(str(result.get("record") or "")[:300], full=full),
        differs=numbers_differ(result, record.request),
    )


def moments_of(record: CallRecord) -> list[TimelineMoment]:
    """What the phones did in all attempts, by their results."""
    moments = [moment for attempt in record.attempts for moment in phone_moments(attempt["result"], record.request)]
    return sorted(moments, key=lambda moment: moment.at)


def phone_rows(moments: Sequence[TimelineMoment], t: Translator, *, full: bool) -> list[PhoneMoment]:
    """The moments as rows of a table; ``full`` shows phone numbers unmasked."""
    return [
        PhoneMoment(t.exact(at), at, moment.party, call_rows.number(moment.number, full=full), moment.event)
        for moment, at in ((moment, _iso(moment.at)) for moment in moments)
    ]


def timeline_of(record: CallRecord, moments: Sequence[TimelineMoment], context: CallContext, t: Translator) -> Timeline:
    """The picture of the call."""

    def label(kind: str, seconds: float | None) -> str:
        group, dot, name = kind.partition(".")
        text = t.known("one" if group == "state" else "happened", name) if dot else t.known("lane", kind)
        return text if seconds is None else f"{text} {t.short(seconds)}"

    times = [_iso(moment.at) for moment in moments] + [change["at"] for change in record.timeline]
    return draw_timeline(
        [StateSpan(unix_seconds(change["at"]) or 0.0, change["state"]) for change in record.timeline],
        moments,
        context.now / 1000,
        over=record.state in ENDS,
        label=label,
        clock=lambda at: t.time_among(_iso(at), times),
    )


def request_terms(record: CallRecord, t: Translator, *, full: bool) -> list[tuple[str, str]]:
    """What the call's request says, as label and value: the numbers in the order in which they ring, and the terms."""
    request = record.request
    terms: list[tuple[str, str]] = []
    if first := initiator_of(request):
        terms.append((t("side.initiator"), _number_and_language(first, request.get("callfrom"), full=full)))
    to = request.get("callto")
    for (party, number), entry in zip(targets_of(request), to if isinstance(to, list) else [to], strict=False):
        terms.append((t(f"side.{party}"), _number_and_language(number, entry, full=full)))
    ivr = [name for name in ("ivrid", "fromline") if name in request]
    terms += [(t(f"terms.{name}"), call_rows.number(str(request[name]), full=full)) for name in ivr]
    terms.append((t("terms.account"), record.account))
    terms.append((t("terms.priority"), t.known("priority", record.priority)))
    for name, at in (("not_before", record.not_before), ("expires_at", record.expires_at)):
        if at:
            terms.append((t(f"call.asked.{name}"), t.moment(at)))
    terms.append((t("call.asked.on_unconfirmed"), t.known("call.asked.on_unconfirmed", record.on_unconfirmed)))
    if record.redial:
        terms.append((t("terms.redial"), redial_text(record.redial, t)))
    for name, value in record.metadata.items():
        terms.append((call_rows.text(name, full=full), call_rows.text(value, full=full)))
    return terms


def _number_and_language(number: str, entry: object, *, full: bool) -> str:
    language = entry.get("lang") if isinstance(entry, Mapping) else None
    return call_rows.number(number, full=full) + (f" ({language})" if language else "")
