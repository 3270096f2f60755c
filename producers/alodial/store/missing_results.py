"""Finds calls whose results do not come, by what waits and when the last callback came."""

from dataclasses import dataclass
from typing import Any, Final

from .keys import Keys
from .sansio import Command

MISSING_AFTER: Final = (45.0, 180.0, 600.0)
"""Seconds after which submitted calls are counted; how many of them are too many is the diagnosis' to say."""


@dataclass(frozen=True, slots=True)
class MissingResults:
    """Submitted calls since whose submission no callback came at all.

    ``counts`` has for each of MISSING_AFTER how many were submitted longer ago than that; ``silent`` is the seconds since
    the last callback, None without any for a week.
    """

    counts: tuple[int, ...] = ()
    silent: float | None = None
    oldest: float = 0.0


ALL_THERE: Final = MissingResults()


def missing_commands(keys: Keys, last: int, now: int, timeout: float) -> list[Command]:
    """Counts of calls submitted after the callback of ``last``, and of those among them that are unconfirmed."""
    commands: list[Command] = []
    for seconds in MISSING_AFTER:
        until = now - round(seconds * 1000)
        wait = round(timeout * 1000)
        commands.append(("ZCOUNT", keys.AWAIT, f"({last + wait}", until + wait))
        commands.append(("ZCOUNT", keys.UNCONFIRMED, f"({last}", until))
    commands.append(
        ("ZRANGEBYSCORE", keys.AWAIT, f"({last + round(timeout * 1000)}", "+inf", "WITHSCORES", "LIMIT", 0, 1)
    )
    return commands


def read_missing(last: int, now: int, answers: list[Any], timeout: float) -> MissingResults:
    """Reads their answers."""
    counts = tuple(max(0, answers[2 * n] - answers[2 * n + 1]) for n in range(len(MISSING_AFTER)))
    first = answers[-1]
    oldest = max(0.0, now / 1000 - (float(first[1]) / 1000 - timeout)) if first else 0.0
    return MissingResults(counts, (now - last) / 1000 if last else None, oldest)
