"""Counts the reasons for which calls ended badly, by the hour, with an example of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio as aioredis

from alodial_schemas import State

from .answers import text
from .keys import Keys
from .sansio import Command, Steps, run_async
from .server_clock import to_ms

BAD_ENDS: tuple[State, ...] = (State.FAILED, State.REJECTED, State.EXPIRED, State.TIMED_OUT)

EXAMPLES_AMONG = 500
"""Newest calls of an end that are searched for an example of each reason."""

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Calls of the last day and week that ended in ``state`` for one reason, which is "" where the state explains itself.

    ``example`` is an extid, "" when none is among the newest.
    """

    state: str
    reason: str
    day: int
    week: int
    example: str


@dataclass(frozen=True, slots=True)
class FailureReasons:
    """``day_since`` and ``week_since`` are the starts of the first hours counted, Unix ms."""

    groups: list[ReasonGroup]
    day_since: int
    week_since: int


def _reasons(keys: Keys, states: Sequence[str]) -> Steps[FailureReasons]:
    (clock,) = yield [("TIME",)]
    this_hour = to_ms(clock) // HOUR_MS
    hours: list[Command] = [("HGETALL", keys.hour(this_hour - back)) for back in range(168)]
    newest: list[Command] = [("XREVRANGE", keys.ended(state), "+", "-", "COUNT", EXAMPLES_AMONG) for state in states]
    answers = yield [*hours, *newest]
    counts: dict[tuple[str, str], list[int]] = {}
    for back, fields in enumerate(answers[: len(hours)]):
        for name, value in fields.items():
            kind, state, reason = (*text(name).split(":", 2), "", "")[:3]
            if kind != "y" or state not in states:
                continue
            day_week = counts.setdefault((state, reason), [0, 0])
            day_week[1] += int(value)
            if back < 24:
                day_week[0] += int(value)
    examples: dict[tuple[str, str], str] = {}
    for state, rows in zip(states, answers[len(hours) :], strict=True):
        for _, entry in rows:
            examples.setdefault((state, text(entry.get(b"y"))), text(entry[b"x"]))
    groups = [
        ReasonGroup(state, reason, day, week, examples.get((state, reason), ""))
        for (state, reason), (day, week) in counts.items()
    ]
    groups.sort(key=lambda group: (-group.day, -group.week, group.state, group.reason))
    return FailureReasons(groups, (this_hour - 23) * HOUR_MS, (this_hour - 167) * HOUR_MS)


async def reasons_async(client: "aioredis.Redis", keys: Keys) -> FailureReasons:
    """The reasons of the last day and week, most frequent of the day first; two round trips."""
    return await run_async(client, _reasons(keys, [state.value for state in BAD_ENDS]))
