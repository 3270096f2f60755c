"""Why a call did not ring, or did: one sentence for every state and reason. Pure; the sentences stand in the words ``calls``.

A reason is the code that a script wrote beside a change of state. ``KNOWN`` lists the codes of each state; a code that is
not there, such as a reason that somebody typed, has the state's own sentence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from alodial_schemas import ENDS, State

from ..store.call_context import CallContext
from ..store.records import CallRecord, iso
from .i18n import Translator

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
DISPOSITIONS: Final = (
    *("answered", "no_answer", "busy", "congestion", "unavailable", "canceled", "rejected", "unknown"),
)

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    State.SCHEDULED: (
        *_RETRY,
        *("status", "window", "frequency_cap", "on_unconfirmed", "operator"),
        *(name for name in DISPOSITIONS if name != "answered"),
    ),
    State.QUEUED: ("token_refused", "store_unavailable", "woke_late", "stop", "hold"),
    State.SUBMITTING: ("arm_forgotten",),
    State.SUBMITTED: (),
    State.UNCONFIRMED: (*_AMBIGUOUS, "status"),
    State.COMPLETED: (*DISPOSITIONS, "late_result"),
    State.REJECTED: ("status", "do_not_call", "phone_not_allowed", "record_unreadable", "frequency_cap"),
    State.FAILED: (*_RETRY, "status", "poison"),
    State.EXPIRED: ("expires_at", "ends_at"),
    State.CANCELED: ("canceled_by_caller", "canceled_by_operator", "campaign_canceled", "campaign_completed"),
    State.TIMED_OUT: (),
}
"""``status`` stands for every ``status_NNN``."""

_STATUS: Final = re.compile(r"status_([0-9]{3})")
_RETRIED: Final = frozenset({*_RETRY, "status"})


@dataclass(frozen=True, slots=True)
class Explanation:
    """``text`` is the sentence; ``level`` is good, warn, bad or plain, for its colour beside the words."""

    text: str
    level: str


def code_of(note: str | None) -> str:
    """The code of a change's note: its first word, any ``status_NNN`` as ``status``."""
    word = (note or "").split(" ", 1)[0]
    return "status" if _STATUS.fullmatch(word) else word


def reason_words(note: str | None, words: Translator) -> str:
    """A reason in words; what is no code of ours as it stands, "" without one."""
    if not note:
        return ""
    word, _, rest = note.partition(" ")
    if found := _STATUS.fullmatch(word):
        return words("cause.status", status=found[1])
    if word == "operator":
        return words("cause.operator", who=rest or "–")
    if words.has("cause", word):
        return words(f"cause.{word}")
    return words(f"disposition.{word}") if words.has("disposition", word) else note[:200]


def change_words(change: Mapping[str, Any], words: Translator) -> str:
    """The reason of one change of state; a worker's name where the state was taken by one."""
    note = change.get("note")
    if change.get("state") == State.SUBMITTING and note and code_of(note) != "arm_forgotten":
        return words("call.by_worker", worker=note)
    return reason_words(note, words)


def _last_note(record: CallRecord) -> str | None:
    note: str | None = record.timeline[-1].get("note") if record.timeline else None
    return note


def _when(ms: int | None, words: Translator) -> tuple[str, str]:
    """A moment, and how long it is until then."""
    if ms is None:
        return "–", "–"
    text = iso(ms)
    return words.moment(text), words.until(text)


def _scheduled(record: CallRecord, around: CallContext, words: Translator) -> Explanation:
    note = _last_note(record)
    code = code_of(note)
    moment, span = _when(around.due, words)
    if around.stopped is not None:
        return Explanation(words("why.queued.stop", reason=around.stopped or "–"), "bad")
    if around.due is not None and around.due <= around.now and not around.attended:
        return Explanation(words("why.queued.no_worker"), "bad")
    values = {"moment": moment, "span": span}
    if code in _RETRIED:
        reason = reason_words(note, words)
        return Explanation(
            words("why.scheduled.retry", reason=reason, tries=words.number(record.tries), **values), "warn"
        )
    if code in ("window", "frequency_cap", "on_unconfirmed", "operator"):
        return Explanation(words(f"why.scheduled.{code}", **values), "plain")
    if code in DISPOSITIONS:
        how = words(f"disposition.{code}")
        return Explanation(
            words("why.scheduled.redial", disposition=how, attempt=words.number(record.attempt), **values), "plain"
        )
    return Explanation(words("why.scheduled", **values), "plain")


def _queued(record: CallRecord, around: CallContext, words: Translator) -> Explanation:
    if around.stopped is not None:
        return Explanation(words("why.queued.stop", reason=around.stopped or "–"), "bad")
    if not around.attended:
        return Explanation(words("why.queued.no_worker"), "bad")
    if around.breaker:
        return Explanation(words("why.queued.breaker", account=record.account), "bad")
    if around.held_for > 0:
        reason = reason_words(around.held_why, words) or "–"
        span = words.span(around.held_for)
        return Explanation(words("why.queued.hold", account=record.account, reason=reason, span=span), "warn")
    if around.campaign == "paused":
        return Explanation(words("why.queued.campaign_paused"), "warn")
    if record.campaign_id is not None:
        return Explanation(words("why.queued.campaign"), "plain")
    return Explanation(words("why.queued"), "plain")


def _completed(record: CallRecord, words: Translator, *, first_failed: bool) -> Explanation:
    how = record.disposition or "unknown"
    result: Mapping[str, Any] = next((a["result"] for a in reversed(record.attempts) if a["result"]), {})
    talked = result.get("duration")
    if how == "answered" and isinstance(talked, (int, float)) and 0 < talked < 1e7:
        text = words("why.completed.talked", span=words.span(talked))
    elif how not in DISPOSITIONS or how == "unknown":
        return Explanation(
            words("why.completed.unknown", dialstatus=str(result.get("dialstatus") or "–")[:100]), "warn"
        )
    else:
        text = words(f"why.completed.{how}")
    if how != "answered" and first_failed:
        text = f"{text} {words('why.completed.first')}"
    if code_of(_last_note(record)) == "late_result":
        text = f"{text} {words('why.completed.late')}"
    return Explanation(text, "good" if how == "answered" else "warn")


def _rejected(record: CallRecord, words: Translator) -> Explanation:
    note = _last_note(record) or record.reason
    code = code_of(note)
    if code == "status":
        return Explanation(words("why.rejected.status", status=(note or "")[7:10]), "bad")
    if code in KNOWN[State.REJECTED]:
        return Explanation(words(f"why.rejected.{code}"), "bad")
    return Explanation(words("why.rejected", reason=reason_words(note, words) or "–"), "bad")


def _failed(record: CallRecord, words: Translator) -> Explanation:
    note = _last_note(record) or record.reason
    if code_of(note) == "poison":
        return Explanation(words("why.failed.poison"), "bad")
    return Explanation(
        words("why.failed", reason=reason_words(note, words) or "–", tries=words.number(record.tries)), "bad"
    )


def _ended(record: CallRecord, words: Translator) -> Explanation:
    note = _last_note(record)
    code = code_of(note)
    if record.state is State.TIMED_OUT:
        unsure = any(change["state"] == State.UNCONFIRMED for change in record.timeline[-2:])
        return Explanation(words("why.timed_out.unconfirmed" if unsure else "why.timed_out"), "warn")
    if code in KNOWN[record.state]:
        return Explanation(words(f"why.{record.state}.{code}"), "warn" if record.state is State.EXPIRED else "plain")
    if note:
        return Explanation(words(f"why.{record.state}.other", reason=note[:200]), "plain")
    return Explanation(words(f"why.{record.state}"), "plain")


def explain(record: CallRecord, around: CallContext, words: Translator, *, first_failed: bool = False) -> Explanation:
    """The one sentence at the top of a call's page. ``first_failed``: whoever is rung first did not answer."""
    deadline, left = _when(around.deadline, words)
    match record.state:
        case State.SCHEDULED:
            return _scheduled(record, around, words)
        case State.QUEUED:
            return _queued(record, around, words)
        case State.SUBMITTING:
            return Explanation(words("why.submitting"), "plain")
        case State.SUBMITTED:
            return Explanation(words("why.submitted", moment=deadline, span=left), "plain")
        case State.UNCONFIRMED:
            reason = reason_words(_last_note(record), words) or "–"
            return Explanation(words("why.unconfirmed", reason=reason, moment=deadline, span=left), "warn")
        case State.COMPLETED:
            return _completed(record, words, first_failed=first_failed)
        case State.REJECTED:
            return _rejected(record, words)
        case State.FAILED:
            return _failed(record, words)
        case _:
            return _ended(record, words)


def seconds_between(earlier: str, later: str | None, now: int) -> float:
    """From one ISO moment to another, or to ``now`` (Unix ms)."""
    end = datetime.fromisoformat(later) if later else datetime.fromtimestamp(now / 1000, UTC)
    return max(0.0, (end - datetime.fromisoformat(earlier)).total_seconds())


def is_over(record: CallRecord) -> bool:
    return record.state in ENDS
