"""How much of its memory Redis uses. A full store takes no new calls; ``lua/prelude.lua`` decides by the same share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FULL_SHARE = 0.9
"""Share of ``maxmemory`` above which no call and no campaign is taken: the rest is for stops, cancellations and results."""

WARN_SHARE = 0.8
"""Share from which on it is said that the store fills up."""


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """Bytes that Redis uses, and its ``maxmemory``, 0 for no limit."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """How much of the limit is used, 1 for all; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0

    @property
    def filling(self) -> bool:
        """Whether little memory is left."""
        return self.share > WARN_SHARE

    @property
    def full(self) -> bool:
        """Whether new calls are refused."""
        return self.share > FULL_SHARE


UNLIMITED = StoreMemory(0, 0)


def read_memory(info: Mapping[str, Any]) -> StoreMemory:
    """Reads the section ``memory`` of Redis' ``INFO``, counted as Redis does for its limit: without buffers of its own."""
    used, apart = int(info.get("used_memory", 0)), int(info.get("mem_not_counted_for_evict", 0))
    return StoreMemory(used - apart, int(info.get("maxmemory", 0)))
