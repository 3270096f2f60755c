"""Ready calls of tenants: each has a line of its own in which only its calls wait (claim.lua)."""

from collections.abc import Collection, Mapping
from typing import Final

from .answers import text
from .keys import Keys
from .sansio import Steps

MAX_TENANTS: Final = 200
"""Tenants of an account and priority whose lines are read."""

Place = tuple[str, str]
"""An account and a priority."""


def tenant_lines(keys: Keys, places: Collection[Place]) -> Steps[list[tuple[Place, str]]]:
    """The names of all lines, in the order of their turns."""
    if not places:
        return []
    turns = yield [("LRANGE", keys.turns(*place), 0, MAX_TENANTS - 1) for place in places]
    return [
        (place, keys.line(*place, text(owner))) for place, owners in zip(places, turns, strict=True) for owner in owners
    ]


def first_calls(
    keys: Keys, sizes: dict[Place, int], heads: Mapping[Place, list[bytes]]
) -> Steps[list[tuple[Place, bytes]]]:
    """The first calls of all lists: those of ``heads``, and those of lines, whose lengths are added to ``sizes``."""
    lines = yield from tenant_lines(keys, list(sizes))
    answers = (yield [part for _, name in lines for part in (("LLEN", name), ("LINDEX", name, 0))]) if lines else []
    for (place, _), size, head in zip(lines, answers[::2], answers[1::2], strict=True):
        sizes[place] += size
        heads[place].extend([head] if head is not None else [])
    return [(place, extid) for place, extids in heads.items() for extid in extids]
