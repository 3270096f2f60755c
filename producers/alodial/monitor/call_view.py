"""What a call's page shows, put together from its record: changes, attempts, phones, the picture. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ..store.call_context import CallContext
from ..store.records import CallRecord
from . import call_rows
from .call_timeline import TimelineMoment, initiator_of, numbers_differ, of_result, targets_of, unix
from .explain import change_words, is_over, reason_words, seconds_between
from .i18n import Translator
from .time_format import TimeFormatter
from .timeline_svg import StateSpan, Timeline, draw_timeline

ASKED: Final = 3
"""Of how many attempts, the last ones, the sandbox is asked."""

RESULT_FIELDS: Final = (
    *("dialstatus", "begin_time", "answer_time", "end_time", "duration", "from_numbers", "to_numbers"),
    *("trunk_number", "call_ids"),
)
TIMES: Final = frozenset({"begin_time", "answer_time", "end_time"})
NUMBERS: Final = frozenset({"from_numbers", "to_numbers", "trunk_number"})


@dataclass(frozen=True, slots=True)
class StateChange:
    """``seconds`` is how long it stayed so; None for the last one of a call that has ended."""

    state: str
    at: str
    clock: str
    seconds: float | None
    goes_on: bool
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptShown:
    """``worker_is`` is alive, silent or gone; ``answer`` words of its class, ``body`` the answer itself, bounded."""

    number: int
    extid: str
    submitted_at: str | None
    worker: str
    worker_is: str
    outcome: str
    answer: str
    status: str
    ms: int | None
    body: str
    disposition: str
    result: list[tuple[str, str]]
    raw: str
    conflicting: str
    recording: str
    recording_text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class PhoneMoment:
    clock: str
    at: str
    party: str
    number: str
    event: str
    file: str


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def changes_of(record: CallRecord, around: CallContext, clocks: TimeFormatter) -> list[StateChange]:
    found = []
    over, words = is_over(record), clocks.words
    following = [*(change["at"] for change in record.timeline[1:]), None]
    for change, after in zip(record.timeline, following, strict=True):
        seconds = None if after is None and over else seconds_between(change["at"], after, around.now)
        found.append(
            StateChange(
                change["state"],
                change["at"],
                clocks.exact(change["at"]),
                seconds,
                after is None and not over,
                change_words(change, words),
            )
        )
    return found


def _value(name: str, value: Any, clocks: TimeFormatter, *, full: bool) -> str:
    if value in (None, "", []):
        return "–"
    if name in TIMES:
        at = unix(value)
        return clocks.exact(_iso(at))[:19] if at is not None else str(value)[:100]
    if name == "duration" and isinstance(value, (int, float)):
        return clocks.words.span(value)
    items = value if isinstance(value, list) else [value]
    texts = [str(item)[:100] for item in items[:10]]
    if name in NUMBERS:
        texts = [call_rows.number(one, full=full) for one in texts]
    return ", ".join(texts)


def _attempt(
    attempt: Mapping[str, Any], record: CallRecord, around: CallContext, clocks: TimeFormatter, *, full: bool
) -> AttemptShown:
    answer: Mapping[str, Any] = attempt["answer"] or {}
    result: Mapping[str, Any] | None = attempt["result"]
    other = attempt["conflicting_result"]
    code, status = str(answer.get("code") or ""), answer.get("status")
    ms = answer.get("ms")
    link = call_rows.recording((result or {}).get("record"))
    return AttemptShown(
        number=attempt["attempt"],
        extid=attempt["extid"],
        submitted_at=attempt["submitted_at"],
        worker=attempt["worker"] or "",
        worker_is=around.worker(attempt["worker"]),
        outcome=str(answer.get("outcome") or ""),
        answer=reason_words(code, clocks.words),
        status="" if status is None else str(status)[:20],
        ms=ms if isinstance(ms, int) else None,
        body=call_rows.raw(str(answer.get("body") or ""), full=full),
        disposition=attempt["disposition"] or "",
        result=[(name, _value(name, result.get(name), clocks, full=full)) for name in RESULT_FIELDS] if result else [],
        raw=call_rows.raw(result, full=full) if result else "",
        conflicting=call_rows.raw(other, full=full) if other else "",
        recording=link,
        recording_text="" if link or not result else call_rows.text(str(result.get("record") or "")[:300], full=full),
        differs=bool(result) and numbers_differ(result or {}, record.request),
    )


def attempts_of(record: CallRecord, around: CallContext, clocks: TimeFormatter, *, full: bool) -> list[AttemptShown]:
    """The newest first."""
    return [_attempt(one, record, around, clocks, full=full) for one in reversed(record.attempts)]


def moments_of(record: CallRecord, told: Mapping[str, Sequence[TimelineMoment]]) -> list[TimelineMoment]:
    """What the phones did in all attempts: as the sandbox ``told`` it, else as the results have it."""
    found: list[TimelineMoment] = []
    for attempt in record.attempts:
        found += told.get(attempt["extid"]) or of_result(attempt["result"], record.request)
    return sorted(found, key=lambda moment: moment.at)


def phones_of(moments: Sequence[TimelineMoment], clocks: TimeFormatter, *, full: bool) -> list[PhoneMoment]:
    return [
        PhoneMoment(
            clocks.exact(_iso(one.at)),
            _iso(one.at),
            one.party,
            call_rows.number(one.number, full=full),
            one.event,
            one.file,
        )
        for one in moments
    ]


def picture_of(
    record: CallRecord, moments: Sequence[TimelineMoment], around: CallContext, clocks: TimeFormatter
) -> Timeline:
    words = clocks.words

    def say(kind: str, seconds: float | None) -> str:
        group, dot, name = kind.partition(".")
        text = words.known("one" if group == "state" else "happened", name) if dot else words.known("lane", kind)
        return text if seconds is None else f"{text} {clocks.short(seconds)}"

    beside = [_iso(moment.at) for moment in moments] + [change["at"] for change in record.timeline]
    return draw_timeline(
        [StateSpan(unix(change["at"]) or 0.0, change["state"]) for change in record.timeline],
        moments,
        around.now / 1000,
        over=is_over(record),
        say=say,
        clock=lambda at: clocks.fitting(_iso(at), beside),
    )


def asked_of(record: CallRecord, words: Translator, *, full: bool) -> list[tuple[str, str]]:
    """What was asked for, label and value: whom to ring in which order, and the terms."""
    found: list[tuple[str, str]] = []
    first = initiator_of(record.request)
    if first:
        found.append((words("side.initiator"), _spoken(first, record.request.get("callfrom"), full=full)))
    for (party, number), entry in zip(targets_of(record.request), _entries(record.request.get("callto")), strict=False):
        found.append((words(f"side.{party}"), _spoken(number, entry, full=full)))
    found += [
        (words(f"terms.{name}"), call_rows.number(str(record.request[name]), full=full))
        for name in ("ivrid", "fromline")
        if name in record.request
    ]
    found.append((words("terms.account"), record.account))
    found.append((words("terms.priority"), words.known("priority", record.priority)))
    for name, at in (("not_before", record.not_before), ("expires_at", record.expires_at)):
        if at:
            found.append((words(f"call.asked.{name}"), words.moment(at)))
    found.append((words("call.asked.on_unconfirmed"), words.known("call.asked.on_unconfirmed", record.on_unconfirmed)))
    if record.redial:
        delays: Mapping[str, Any] = record.redial.get("delays") or {}
        rules = "; ".join(
            f"{words.known('disposition', name)}: {', '.join(words.span(one) for one in several)}"
            for name, several in delays.items()
        )
        found.append(
            (
                words("terms.redial"),
                words("terms.redial_of", attempts=record.redial.get("max_attempts", 1), rules=rules),
            )
        )
    for name, value in record.metadata.items():
        found.append((call_rows.text(name, full=full), call_rows.text(value, full=full)))
    return found


def _entries(to: object) -> list[Any]:
    return to if isinstance(to, list) else [to]


def _spoken(number: str, entry: object, *, full: bool) -> str:
    language = entry.get("lang") if isinstance(entry, Mapping) else None
    return call_rows.number(number, full=full) + (f" ({language})" if language else "")
