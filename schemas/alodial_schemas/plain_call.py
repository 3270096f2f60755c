"""The canonical body of a call of plain numbers and a reference, as most rows of bulk are; a model costs ten times as much."""

from functools import lru_cache
from typing import Final

from .call_problems import MAX_RECIPIENTS, MAX_REFERENCE
from .phones import normalise_phone

_SAME_INITIATORS: Final = 32
"""Numbers that are remembered: the rows of a batch mostly share theirs."""


def plain_body(source: object, allowed: tuple[str, ...]) -> str | None:
    """Returns what `body_json` writes of this two-way call when it is read by `parse_call`.

    Each number is a text or an object that holds just the phone. None for any other call and for whatever is wrong with it:
    the model reads those, and names the problem.
    """
    if type(source) is not dict:
        return None
    callto, reference = source.get("callto"), source.get("reference", "")
    if len(source) != (3 if "reference" in source else 2) or type(callto) is not list:
        return None
    if type(reference) is not str or not (
        len(reference) <= MAX_REFERENCE and reference.isascii() and reference.isprintable()
    ):
        return None
    try:
        head = _head(_plain_number(source.get("callfrom")), allowed)
        if len(callto) == 1:
            return f'{head}{normalise_phone(_plain_number(callto[0]), allowed=allowed)}"}}]}}'
        if not 1 <= len(callto) <= MAX_RECIPIENTS:
            return None
        numbers = [normalise_phone(_plain_number(number), allowed=allowed) for number in callto]
    except ValueError:
        return None
    return head + '"},{"phone":"'.join(numbers) + '"}]}'


def _plain_number(value: object) -> str:
    """The text of a number. Raises ValueError for a value of another form."""
    if type(value) is dict and len(value) == 1:
        value = value.get("phone")
    if type(value) is not str:
        raise ValueError("no plain number")
    return value


@lru_cache(_SAME_INITIATORS)
def _head(initiator: str, allowed: tuple[str, ...]) -> str:
    return f'{{"callfrom":{{"phone":"{normalise_phone(initiator, allowed=allowed)}"}},"callto":[{{"phone":"'
