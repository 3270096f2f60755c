"""Why calls ended badly, counted by the hour, with an example of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio as aioredis

from alodial_schemas import State

from . import keys
from .sansio import Command, Steps, run_async

BAD_ENDS: tuple[State, ...] = (State.FAILED, State.REJECTED, State.EXPIRED, State.TIMED_OUT)

EXAMPLES_AMONG = 500
"""Newest of an end that are looked through for an example of each reason."""

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Calls that ended in one way for one reason, "" where the end says it all. ``example`` is an extid, "" when none is
    among the newest."""

    state: str
    reason: str
    day: int
    week: int
    example: str


@dataclass(frozen=True, slots=True)
class FailureReasons:
    """``day_since`` and ``week_since`` are the beginnings of the first hours that were counted, Unix ms."""

    groups: list[ReasonGroup]
    day_since: int
    week_since: int


def _reasons(states: Sequence[str]) -> Steps[FailureReasons]:
    (clock,) = yield [("TIME",)]
    now = int(clock[0]) * 1000
    this = now // HOUR_MS
    hours: list[Command] = [("HGETALL", keys.hour(this - back)) for back in range(168)]
    newest: list[Command] = [("XREVRANGE", keys.ended(one), "+", "-", "COUNT", EXAMPLES_AMONG) for one in states]
    answers = yield [*hours, *newest]
    counts: dict[tuple[str, str], list[int]] = {}
    for back, fields in enumerate(answers[: len(hours)]):
        for name, value in fields.items():
            kind, state, reason = (*name.decode("utf-8", "replace").split(":", 2), "", "")[:3]
            if kind != "y" or state not in states:
                continue
            both = counts.setdefault((state, reason), [0, 0])
            both[1] += int(value)
            if back < 24:
                both[0] += int(value)
    examples: dict[tuple[str, str], str] = {}
    for state, rows in zip(states, answers[len(hours) :], strict=True):
        for _, entry in rows:
            examples.setdefault((state, entry.get(b"y", b"").decode("utf-8", "replace")), entry[b"x"].decode())
    groups = [
        ReasonGroup(state, reason, day, week, examples.get((state, reason), ""))
        for (state, reason), (day, week) in counts.items()
    ]
    groups.sort(key=lambda group: (-group.day, -group.week, group.state, group.reason))
    return FailureReasons(groups, (this - 23) * HOUR_MS, (this - 167) * HOUR_MS)


async def reasons_async(client: "aioredis.Redis") -> FailureReasons:
    """Two round trips, most frequent of the last day first."""
    return await run_async(client, _reasons([state.value for state in BAD_ENDS]))
