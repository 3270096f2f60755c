"""Explains in one sentence why a call did or did not ring, for every state and reason. Pure; the texts are in ``calls.json``.

A reason is the code that a script writes beside a change of state. ``KNOWN`` lists the codes of each state; for any other
text, such as a reason that somebody typed, the state has a sentence of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from alodial_schemas import Disposition, State

from ..i18n import Translator
from ..store.call_context import CallContext
from ..store.records import CallRecord, iso
from .call_timeline import initiator_failed

_RETRY: Final = (
    "connect_failed",
    "connect_timeout",
    "not_sent",
    "tls_failed",
    "tls_untrusted",
    "too_many_requests",
    "refused_for_now",
)
_AMBIGUOUS: Final = (
    *("answer_empty", "answer_encoded", "answer_error", "answer_lost", "answer_timeout", "answer_too_long"),
    *("answer_unreadable", "worker_lost"),
)
DISPOSITIONS: Final = tuple(disposition.value for disposition in Disposition)

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    State.SCHEDULED: (
        *_RETRY,
        *("token_refused", "status", "window", "frequency_cap", "on_unconfirmed", "operator"),
        *(name for name in DISPOSITIONS if name != "answered"),
    ),
    State.QUEUED: ("token_refused", "store_unavailable", "woke_late", "slot_far", "stop", "hold"),
    State.SUBMITTING: ("arm_forgotten", "redial_withdrawn"),
    State.SUBMITTED: (),
    State.UNCONFIRMED: (*_AMBIGUOUS, "status"),
    State.COMPLETED: (*DISPOSITIONS, "late_result"),
    State.REJECTED: (
        "token_refused_repeatedly",
        "status",
        "do_not_call",
        "phone_not_allowed",
        "record_unreadable",
        "frequency_cap",
    ),
    State.FAILED: (*_RETRY, "status", "poison", "provider_unreachable"),
    State.EXPIRED: ("expires_at", "ends_at"),
    State.CANCELED: ("canceled_by_caller", "canceled_by_operator", "campaign_canceled", "campaign_completed"),
    State.TIMED_OUT: (),
}
"""``status`` stands for every ``status_NNN``."""

_STATUS: Final = re.compile(r"status_([0-9]{3})")
_RETRIED: Final = frozenset({*_RETRY, "status"})


@dataclass(frozen=True, slots=True)
class Explanation:
    """``text`` is the sentence; ``level`` is good, warn, bad or plain, and gives it its colour."""

    text: str
    level: str


def reason_code(note: str | None) -> str:
    """The code of a change's note: its first word; ``status`` for any ``status_NNN``."""
    word = (note or "").split(" ", 1)[0]
    return "status" if _STATUS.fullmatch(word) else word


def reason_text(note: str | None, t: Translator) -> str:
    """A reason in the reader's language; a text that is no known code as it is; "" without one."""
    if not note:
        return ""
    word, _, rest = note.partition(" ")
    if status := _STATUS.fullmatch(word):
        return t("cause.status", status=status[1])
    if word == "operator":
        return t("cause.operator", who=rest or "–")
    if t.has("cause", word):
        return t(f"cause.{word}")
    return t(f"disposition.{word}") if t.has("disposition", word) else note[:200]


def change_reason(change: Mapping[str, Any], t: Translator) -> str:
    """The reason of a change of state; for a call that a worker claimed, the worker's name."""
    note = change.get("note")
    if change.get("state") == State.SUBMITTING and note and reason_code(note) != "arm_forgotten":
        return t("call.by_worker", worker=note)
    return reason_text(note, t)


def _last_note(record: CallRecord) -> str | None:
    note: str | None = record.timeline[-1].get("note") if record.timeline else None
    return note


def _when(ms: int | None, t: Translator) -> tuple[str, str]:
    """A moment in Unix ms as text, and the duration until then."""
    if ms is None:
        return "–", "–"
    text = iso(ms)
    return t.moment(text), t.until(text)


def _scheduled(record: CallRecord, context: CallContext, t: Translator) -> Explanation:
    note = _last_note(record)
    code = reason_code(note)
    moment, span = _when(context.due, t)
    if context.stopped is not None:
        return Explanation(t("why.queued.stop", reason=context.stopped or "–"), "bad")
    if context.due is not None and context.due <= context.now and not context.attended:
        return Explanation(t("why.queued.no_worker"), "bad")
    values = {"moment": moment, "span": span}
    if code in _RETRIED:
        reason = reason_text(note, t)
        return Explanation(t("why.scheduled.retry", reason=reason, tries=t.number(record.tries), **values), "warn")
    if code == "token_refused":
        return Explanation(t("why.scheduled.token_refused", account=record.account, **values), "bad")
    if code in ("window", "frequency_cap", "on_unconfirmed", "operator"):
        return Explanation(t(f"why.scheduled.{code}", **values), "plain")
    if code in DISPOSITIONS:
        disposition = t(f"disposition.{code}")
        return Explanation(
            t("why.scheduled.redial", disposition=disposition, attempt=t.number(record.attempt), **values), "plain"
        )
    return Explanation(t("why.scheduled", **values), "plain")


def _queued(record: CallRecord, context: CallContext, t: Translator) -> Explanation:
    if context.stopped is not None:
        return Explanation(t("why.queued.stop", reason=context.stopped or "–"), "bad")
    if not context.attended:
        return Explanation(t("why.queued.no_worker"), "bad")
    if context.breaker and context.misaddressed:
        return Explanation(t("why.queued.misaddressed", account=record.account), "bad")
    if context.breaker and context.unreachable:
        return Explanation(t("why.queued.unreachable", account=record.account), "bad")
    if context.breaker:
        return Explanation(t("why.queued.breaker", account=record.account), "bad")
    if context.held_for > 0:
        reason = reason_text(context.held_why, t) or "–"
        span = t.span(context.held_for)
        return Explanation(t("why.queued.hold", account=record.account, reason=reason, span=span), "warn")
    if context.campaign == "paused":
        return Explanation(t("why.queued.campaign_paused"), "warn")
    if record.campaign_id is not None:
        return Explanation(t("why.queued.campaign"), "plain")
    return Explanation(t("why.queued"), "plain")


def _completed(record: CallRecord, t: Translator) -> Explanation:
    disposition = record.disposition or "unknown"
    result: Mapping[str, Any] = next((a["result"] for a in reversed(record.attempts) if a["result"]), {})
    talked = result.get("duration")
    if disposition == "answered" and isinstance(talked, (int, float)) and 0 < talked < 1e7:
        text = t("why.completed.talked", span=t.span(talked))
    elif disposition not in DISPOSITIONS or disposition == "unknown":
        return Explanation(t("why.completed.unknown", dialstatus=str(result.get("dialstatus") or "–")[:100]), "warn")
    else:
        text = t(f"why.completed.{disposition}")
    last = record.attempts[-1]["result"] if record.attempts else None
    if disposition != "answered" and initiator_failed(last, record.request):
        text = f"{text} {t('why.completed.first')}"
    if reason_code(_last_note(record)) == "late_result":
        text = f"{text} {t('why.completed.late')}"
    return Explanation(text, "good" if disposition == "answered" else "warn")


def _rejected(record: CallRecord, t: Translator) -> Explanation:
    note = _last_note(record) or record.reason
    code = reason_code(note)
    if code == "status":
        return Explanation(t("why.rejected.status", status=(note or "")[7:10]), "bad")
    if code in KNOWN[State.REJECTED]:
        return Explanation(t(f"why.rejected.{code}"), "bad")
    return Explanation(t("why.rejected", reason=reason_text(note, t) or "–"), "bad")


def _failed(record: CallRecord, t: Translator) -> Explanation:
    note = _last_note(record) or record.reason
    if (code := reason_code(note)) in ("poison", "provider_unreachable"):
        return Explanation(t(f"why.failed.{code}"), "bad")
    return Explanation(t("why.failed", reason=reason_text(note, t) or "–", tries=t.number(record.tries)), "bad")


def _ended(record: CallRecord, t: Translator) -> Explanation:
    note = _last_note(record)
    code = reason_code(note)
    if record.state is State.TIMED_OUT:
        unsure = any(change["state"] == State.UNCONFIRMED for change in record.timeline[-2:])
        return Explanation(t("why.timed_out.unconfirmed" if unsure else "why.timed_out"), "warn")
    if code in KNOWN[record.state]:
        return Explanation(t(f"why.{record.state}.{code}"), "warn" if record.state is State.EXPIRED else "plain")
    if note:
        return Explanation(t(f"why.{record.state}.other", reason=note[:200]), "plain")
    return Explanation(t(f"why.{record.state}"), "plain")


def explain(record: CallRecord, context: CallContext, t: Translator) -> Explanation:
    """The sentence at the top of a call's page, and of `alodial calls show`."""
    deadline, left = _when(context.deadline, t)
    match record.state:
        case State.SCHEDULED:
            return _scheduled(record, context, t)
        case State.QUEUED:
            return _queued(record, context, t)
        case State.SUBMITTING:
            return Explanation(t("why.submitting"), "plain")
        case State.SUBMITTED:
            return Explanation(t("why.submitted", moment=deadline, span=left), "plain")
        case State.UNCONFIRMED:
            reason = reason_text(_last_note(record), t) or "–"
            return Explanation(t("why.unconfirmed", reason=reason, moment=deadline, span=left), "warn")
        case State.COMPLETED:
            return _completed(record, t)
        case State.REJECTED:
            return _rejected(record, t)
        case State.FAILED:
            return _failed(record, t)
        case _:
            return _ended(record, t)
