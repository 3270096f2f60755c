"""What reports group a call by, read from its record: line, operator, initiator, its first attempt. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alodial_schemas import parties_of

from .answers import unix_ms
from .records import CallRecord

NO_VALUE: Final = "none"
"""In a filter: calls of no line, no operator, no initiator, no campaign."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """An empty text means that there is none. ``called_at`` is Unix ms of the first POST, None where none went out.

    ``operator`` is that of ``called``, the recipient whom AloVoice called last.
    """

    parties: Sequence[tuple[Any, str]]
    initiator: str
    recipients: Sequence[str]
    called: str
    line: str
    operator: str
    called_at: int | None


def facts_of(record: CallRecord) -> CallFacts:
    """The facts of a call."""
    last = next((attempt for attempt in reversed(record.attempts) if attempt["disposition"]), None)
    sent = next((attempt["submitted_at"] for attempt in record.attempts if attempt["attempt"] == 1), None)
    return facts_from(record.request, (last and last["result"]) or {}, unix_ms(sent))


def facts_from(request: Mapping[str, Any], result: Mapping[str, Any], called_at: int | None) -> CallFacts:
    """The facts of a call with this body, the result of its last attempt that has a disposition, and this first POST."""
    parties = _parties(request)
    recipients = [number for party, number in parties if party in ("recipient", "ivr")]
    called = called_in(result, recipients)
    return CallFacts(
        parties=parties,
        initiator=next((number for party, number in parties if party == "initiator"), ""),
        recipients=recipients,
        called=called,
        line=str(result.get("trunk_number") or ""),
        operator=code_of(called),
        called_at=called_at,
    )


def called_in(result: Mapping[str, Any], recipients: Sequence[str]) -> str:
    """The recipient whom AloVoice called last, as the call names them; the first where there is no result."""
    numbers = [str(number) for number in result.get("to_numbers") or ()]
    for number in reversed(numbers):
        digits = number.lstrip("+")
        for recipient in recipients:
            if digits and recipient.endswith(digits[-9:]):
                return recipient
    return recipients[0] if recipients else ""


def code_of(number: str) -> str:
    """The operator's code of an E.164 number of Uzbekistan; of another one its first digits, "" for no number."""
    if number.startswith("+998"):
        return number[4:6]
    return number[:3] if number.startswith("+") else ""


def _parties(request: Mapping[str, Any]) -> list[tuple[Any, str]]:
    try:
        return list(parties_of(request))
    except ValueError:
        return []
