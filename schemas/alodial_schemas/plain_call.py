"""The canonical body of a call of plain numbers and a reference, as most rows of bulk are; a model costs five times as much."""

from typing import Final

from .calls import MAX_RECIPIENTS, MAX_REFERENCE
from .phones import normalise_phone

_KEYS: Final = frozenset({"callfrom", "callto", "reference"})


def plain_body(source: object, allowed: tuple[str, ...]) -> str | None:
    """Returns what `body_json` writes of this two-way call when it is read by `parse_call`.

    None for any other call and for whatever is wrong with it: the model reads those, and names the problem.
    """
    if type(source) is not dict or not source.keys() <= _KEYS:
        return None
    callfrom, callto, reference = source.get("callfrom"), source.get("callto"), source.get("reference", "")
    if type(callfrom) is not str or type(callto) is not list or not 1 <= len(callto) <= MAX_RECIPIENTS:
        return None
    if type(reference) is not str or len(reference) > MAX_REFERENCE:
        return None
    if not (reference.isascii() and reference.isprintable()):
        return None
    try:
        initiator = normalise_phone(callfrom, allowed=allowed)
        targets = ",".join([f'{{"phone":"{normalise_phone(number, allowed=allowed)}"}}' for number in callto])
    except ValueError:
        return None
    return f'{{"callfrom":{{"phone":"{initiator}"}},"callto":[{targets}]}}'
