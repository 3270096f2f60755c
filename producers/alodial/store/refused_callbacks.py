"""Counts callbacks that were refused, so that every process sees that results do not arrive; six fields at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio as aioredis

from .answers import number, text
from .keys import Keys

WINDOW: Final = 300.0
"""Seconds after the last refusal for which they are remembered."""

NEAR_MISSES: Final = ("other_source", "trailing_slash", "double_slash", "quotes", "other_host")
"""What was wrong with addresses that are nearly ours, the surest first; ``secret`` is any other."""


@dataclass(frozen=True, slots=True)
class RefusedCallbacks:
    """How many were refused since there were none for WINDOW seconds, and what was wrong with the address: ``reason`` is one
    of NEAR_MISSES, or ``secret``."""

    count: int = 0
    reason: str = "secret"


NONE_REFUSED: Final = RefusedCallbacks()


async def count_refused(client: "aioredis.Redis", keys: Keys, refused: Mapping[str, int]) -> None:
    """Adds refusals by their reason."""
    async with client.pipeline(transaction=False) as pipe:
        for reason, count in refused.items():
            pipe.hincrby(keys.CALLBACKS_REFUSED, reason, count)
        pipe.pexpire(keys.CALLBACKS_REFUSED, round(WINDOW * 1000))
        await pipe.execute()


def read_refused(raw: Mapping[bytes, Any]) -> RefusedCallbacks:
    """Reads the hash of them."""
    counts = {text(name): number(value) for name, value in raw.items()}
    reason = next((name for name in NEAR_MISSES if counts.get(name)), "secret")
    return RefusedCallbacks(sum(counts.values()), reason)
