"""What the phones of a call did, as far as it is known: told by the sandbox, or worked out from a result. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from alodial_schemas import disposition_of, parties_of

Party = Literal["initiator", "recipient", "queue", "ivr", "call"]

PARTIES: Final[tuple[Party, ...]] = ("initiator", "recipient", "queue", "ivr", "call")
EVENTS: Final = frozenset(
    {
        *("ringing", "answered", "busy", "no_answer", "congestion", "unavailable"),
        *("announced", "connected", "ended", "canceled", "rejected", "unknown"),
    }
)

MOST: Final = 200
"""Moments of one attempt that are read: 20 recipients make about 80."""

LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class TimelineMoment:
    """``at`` is Unix seconds. ``file`` is the announcement's."""

    at: float
    party: Party
    number: str
    event: str
    file: str = ""


def unix(value: object) -> float | None:
    """From ISO 8601 with a zone, or Unix seconds; None for what is neither, or no time of a call."""
    if isinstance(value, bool) or value in (None, "", 0, "0"):
        return None
    try:
        if isinstance(value, (int, float)) or (isinstance(value, str) and value.isascii() and value.isdigit()):
            at = float(value)
        else:
            moment = datetime.fromisoformat(str(value)[:40])
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 946_684_800 <= at < 4_102_444_800 else None  # of this century: 2000 to 2100


def of_sandbox(timeline: object) -> list[TimelineMoment]:
    """CONTRACT's ``timeline`` of ``GET /sandbox/calls/{extid}``; entries that are none are left out."""
    found: list[TimelineMoment] = []
    for entry in timeline[:MOST] if isinstance(timeline, list) else []:
        if not isinstance(entry, Mapping):
            continue
        at, party, event = unix(entry.get("at")), entry.get("party"), entry.get("event")
        known = next((one for one in PARTIES if one == party), None)
        if at is None or known is None or event not in EVENTS:
            continue
        found.append(TimelineMoment(at, known, _text(entry.get("number")), str(event), _text(entry.get("file"))))
    return found


def _text(value: object) -> str:
    return str(value)[:LONGEST] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def digits(number: object) -> str:
    """The last nine digits of a number, by which two spellings of it are compared; a short one as it is."""
    text = "".join(ch for ch in _text(number) if ch.isdigit())
    return text[-9:]


def initiator_of(request: Mapping[str, Any]) -> str:
    """The number that rings first; "" for an IVR call."""
    return next((number for party, number in _parties(request) if party == "initiator"), "")


def targets_of(request: Mapping[str, Any]) -> list[tuple[Party, str]]:
    """The recipients of the call, in the order of ringing."""
    return [(party, number) for party, number in _parties(request) if party != "initiator"]


def _parties(request: Mapping[str, Any]) -> list[tuple[Party, str]]:
    try:
        return [(party, number[:LONGEST]) for party, number in parties_of(request)]
    except ValueError:
        return []  # a record that our own validation has not seen


def _party_of(number: str, request: Mapping[str, Any]) -> tuple[Party, str]:
    """Who a number of a result is, in the spelling of the request where it is one of the request's."""
    first = initiator_of(request)
    if first and digits(number) == digits(first):
        return "initiator", first
    for party, target in targets_of(request):
        if digits(number) == digits(target):
            return party, target
    return "recipient", number


def _legs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    legs = result.get("attempts")
    return [leg for leg in legs[:40] if isinstance(leg, Mapping)] if isinstance(legs, list) else []


def _leg(leg: Mapping[str, Any], request: Mapping[str, Any]) -> list[TimelineMoment]:
    begin, answer, end = (unix(leg.get(name)) for name in ("begin_time", "answer_time", "end_time"))
    if begin is None:
        return []
    party, number = _party_of(_text(leg.get("to_number")), request)
    found = [TimelineMoment(begin, party, number, "ringing")]
    if answer is not None:
        found.append(TimelineMoment(max(begin, answer), party, number, "connected"))
    elif end is not None:
        found.append(TimelineMoment(max(begin, end), party, number, disposition_of(leg.get("dialstatus"))))
    return found


def of_result(result: Mapping[str, Any] | None, request: Mapping[str, Any]) -> list[TimelineMoment]:
    """What a result tells: its legs where it names them, else its begin, answer and end."""
    if not result:
        return []
    found = [moment for leg in _legs(result) for moment in _leg(leg, request)]
    begin, answer, end = (unix(result.get(name)) for name in ("begin_time", "answer_time", "end_time"))
    if not found and begin is not None:
        numbers = result.get("to_numbers")
        taken = _text(numbers[0]) if isinstance(numbers, list) and numbers else ""
        targets = targets_of(request)
        first = initiator_of(request)
        party, number = (
            _party_of(taken, request) if taken else targets[0] if len(targets) == 1 else ("initiator", first)
        )
        found.append(TimelineMoment(begin, party, number, "ringing"))
        if answer is not None:
            found.append(TimelineMoment(max(begin, answer), party, number, "connected"))
        elif end is not None:
            found.append(TimelineMoment(max(begin, end), party, number, disposition_of(result.get("dialstatus"))))
    if found and end is not None:
        found.append(TimelineMoment(max(end, *(moment.at for moment in found)), "call", "", "ended"))
    return sorted(found, key=lambda moment: moment.at)


def failed_first(
    moments: Iterable[TimelineMoment], result: Mapping[str, Any] | None, request: Mapping[str, Any]
) -> bool:
    """Whether the number that is rung first did not answer, so that nobody else was rung."""
    first = initiator_of(request)
    if not first:
        return False
    known = list(moments)
    if known:
        reached = any(one.party == "initiator" and one.event in ("answered", "connected") for one in known)
        others = any(one.party in ("recipient", "queue") for one in known)
        return any(one.party == "initiator" for one in known) and not reached and not others
    legs = _legs(result or {})
    return bool(legs) and all(digits(leg.get("to_number")) == digits(first) for leg in legs)


def numbers_differ(result: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether a result names a number that the call never asked for: a transfer, or a result that somebody forged."""
    asked = {digits(number) for _, number in targets_of(request)} | {digits(initiator_of(request))}
    to, by = result.get("to_numbers"), result.get("from_numbers")
    named: Sequence[object] = [*(to if isinstance(to, list) else []), *(by if isinstance(by, list) else [])]
    return any(len(digits(number)) == 9 and digits(number) not in asked for number in named)
