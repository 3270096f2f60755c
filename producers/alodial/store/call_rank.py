"""The order that live and archived calls share in a list."""

from dataclasses import dataclass
from typing import Final

from .call_filter import Hash

FUTURE: Final = 10**15
LAST: Final = "z"
"""Stands for an id before all others of its moment, as later ids come first."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A call's place in a list: by section, then newest first, then by id. ``moment`` is Unix ms.

    The sections of a list follow one another: a number's recipients before its initiators, a campaign's ways to end.
    """

    section: int = 0
    moment: int = FUTURE
    id: str = LAST

    @property
    def key(self) -> tuple[int, int, str]:
        """What is later in the list has the lesser key."""
        return -self.section, self.moment, self.id


@dataclass(frozen=True, slots=True)
class RankedCall:
    """A call with its rank, the extid under which Redis keeps or kept it, and the fields that it has or had there."""

    rank: Rank
    wire_extid: str
    raw: Hash


@dataclass(frozen=True, slots=True)
class Section:
    """What is asked for beside a filter: ``ended``: by their end instead of by their creation.

    ``label`` is a state or ``completed:DISPOSITION``, "" for any; ``initiator`` is the role in which the filter's number is
    sought, None for both.
    """

    number: int = 0
    ended: bool = False
    label: str = ""
    initiator: bool | None = None
