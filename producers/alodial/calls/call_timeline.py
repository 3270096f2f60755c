"""What the phones of a call did, as its results tell it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from alodial_schemas import disposition_of, parties_of

Party = Literal["initiator", "recipient", "queue", "ivr", "call"]

MAX_TEXT = 200
MAX_LEGS = 40


@dataclass(frozen=True, slots=True)
class TimelineMoment:
    """An event at one phone. ``at`` is Unix seconds; ``number`` is "" for the call itself.

    ``event`` is ``ringing``, ``connected``, ``ended``, or the disposition with which the phone's part ended.
    """

    at: float
    party: Party
    number: str
    event: str


def unix_seconds(value: object) -> float | None:
    """Unix seconds of ISO 8601 or of Unix seconds; None for anything else and for times outside the years 2000 to 2100."""
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
    return at if 946_684_800 <= at < 4_102_444_800 else None


def _text(value: object) -> str:
    return str(value)[:MAX_TEXT] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _digits(number: object) -> str:
    """The last nine digits, by which two spellings of a number are compared."""
    return "".join(ch for ch in _text(number) if ch.isdigit())[-9:]


def initiator_of(request: Mapping[str, Any]) -> str:
    """The number that rings first; "" for an IVR call."""
    return next((number for party, number in _parties(request) if party == "initiator"), "")


def targets_of(request: Mapping[str, Any]) -> list[tuple[Party, str]]:
    """The recipients, the queue or the IVR number of a call, in the order in which they ring."""
    return [(party, number) for party, number in _parties(request) if party != "initiator"]


def _parties(request: Mapping[str, Any]) -> list[tuple[Party, str]]:
    try:
        return [(party, number[:MAX_TEXT]) for party, number in parties_of(request)]
    except ValueError:
        return []  # somebody wrote the record past our validation


def _party_of(number: str, request: Mapping[str, Any]) -> tuple[Party, str]:
    """Whose number a result names, in the request's spelling where the request has it."""
    first = initiator_of(request)
    if first and _digits(number) == _digits(first):
        return "initiator", first
    for party, target in targets_of(request):
        if _digits(number) == _digits(target):
            return party, target
    return "recipient", number


def _legs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    legs = result.get("attempts")
    return [leg for leg in legs[:MAX_LEGS] if isinstance(leg, Mapping)] if isinstance(legs, list) else []


def _phone_moments(times: Mapping[str, Any], party: Party, number: str) -> list[TimelineMoment]:
    """The ring of one phone, and its connection or its end; ``times`` is a result or a leg of it."""
    begin, answer, end = (unix_seconds(times.get(name)) for name in ("begin_time", "answer_time", "end_time"))
    if begin is None:
        return []
    moments = [TimelineMoment(begin, party, number, "ringing")]
    if answer is not None:
        moments.append(TimelineMoment(max(begin, answer), party, number, "connected"))
    elif end is not None:
        moments.append(TimelineMoment(max(begin, end), party, number, disposition_of(times.get("dialstatus"))))
    return moments


def phone_moments(result: Mapping[str, Any] | None, request: Mapping[str, Any]) -> list[TimelineMoment]:
    """What the phones did, in order: by the result's legs where it names them, else by its begin, answer and end."""
    if not result:
        return []
    moments: list[TimelineMoment] = []
    for leg in _legs(result):
        moments += _phone_moments(leg, *_party_of(_text(leg.get("to_number")), request))
    if not moments:
        numbers, targets = result.get("to_numbers"), targets_of(request)
        taker = _text(numbers[0]) if isinstance(numbers, list) and numbers else ""
        if taker:
            party, number = _party_of(taker, request)
        else:
            party, number = targets[0] if len(targets) == 1 else ("initiator", initiator_of(request))
        moments = _phone_moments(result, party, number)
    end = unix_seconds(result.get("end_time"))
    if moments and end is not None:
        moments.append(TimelineMoment(max(end, *(moment.at for moment in moments)), "call", "", "ended"))
    return sorted(moments, key=lambda moment: moment.at)


def initiator_failed(result: Mapping[str, Any] | None, request: Mapping[str, Any]) -> bool:
    """Whether only the number that rings first was dialled, so that no recipient rang."""
    first = _digits(initiator_of(request))
    legs = _legs(result or {})
    return bool(first and legs) and all(_digits(leg.get("to_number")) == first for leg in legs)


def numbers_differ(result: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether a result names a number that the call does not have: a transfer, or a forged result."""
    requested = {_digits(number) for _, number in targets_of(request)} | {_digits(initiator_of(request))}
    to, by = result.get("to_numbers"), result.get("from_numbers")
    named: Sequence[object] = [*(to if isinstance(to, list) else []), *(by if isinstance(by, list) else [])]
    return any(len(_digits(number)) == 9 and _digits(number) not in requested for number in named)
