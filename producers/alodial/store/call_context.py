"""Due time, deadline and whatever holds back a call that has not ended."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import redis
import redis.asyncio as aioredis

from .answers import number, text
from .holds import read_stop
from .keys import Keys
from .sansio import Command, Steps, run, run_async
from .server_clock import to_ms

SILENT_AFTER = 8.0
"""Seconds without a heartbeat after which a worker counts as dead: four were due. A person must read of it within 15 s, and on a
busy machine the command that says so takes seconds too."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """``due`` is when the call goes out, ``deadline`` when its result is given up, ``now`` Redis' time, all Unix ms.

    ``stopped`` is the emergency stop's reason; ``held_for`` are the seconds that the account pauses, ``held_why`` its
    code; ``campaign`` is the campaign's state; ``workers`` maps names to the seconds since each heartbeat.
    """

    now: int
    due: int | None = None
    deadline: int | None = None
    stopped: str | None = None
    held_for: float = 0.0
    held_why: str = ""
    breaker: bool = False
    unreachable: bool = False
    misaddressed: bool = False
    campaign: str = ""
    workers: Mapping[str, float] = field(default_factory=dict)

    @property
    def attended(self) -> bool:
        """Whether a worker is alive."""
        return any(silent < SILENT_AFTER for silent in self.workers.values())

    def worker(self, name: str | None) -> str:
        """``alive``, ``silent``, or ``gone`` for a name that has left or was forgotten."""
        silent = self.workers.get(name or "")
        return "gone" if silent is None else "alive" if silent < SILENT_AFTER else "silent"


def _silences(rows: Mapping[bytes, bytes], now: int) -> dict[str, float]:
    silences = {}
    for name, raw in rows.items():
        try:
            at = float(json.loads(raw)["at"])
        except (ValueError, TypeError, LookupError):
            continue
        silences[text(name)] = max(0.0, (now - at) / 1000)
    return silences


def _context(keys: Keys, extid: str, account: str, campaign: str) -> Steps[CallContext]:
    commands: list[Command] = [
        ("TIME",),
        ("ZSCORE", keys.DUE, extid),
        ("ZSCORE", keys.AWAIT, extid),
        ("GET", keys.STOP),
        ("HMGET", keys.account(account), "hold", "why", "brk", "bk"),
        ("HGETALL", keys.WORKERS),
        ("HGET", keys.campaign(campaign), "s"),
    ]
    clock, due, deadline, stop_value, held, heartbeats, state = yield commands
    now, stop = to_ms(clock), read_stop(stop_value)
    hold, why, breaker, kind = held
    return CallContext(
        now=now,
        due=None if due is None else number(due),
        deadline=None if deadline is None else number(deadline),
        stopped=None if stop is None else stop.reason,
        held_for=max(0.0, (float(hold or 0) - now) / 1000),
        held_why=text(why),
        breaker=breaker is not None,
        unreachable=kind == b"unsent",
        misaddressed=kind == b"address",
        campaign=text(state) if campaign else "",
        workers=_silences(heartbeats, now),
    )


def call_context(client: "redis.Redis", keys: Keys, extid: str, account: str, campaign: str = "") -> CallContext:
    """The context of the call whose record has this extid, in one round trip."""
    return run(client, _context(keys, extid, account, campaign))


async def call_context_async(
    client: "aioredis.Redis", keys: Keys, extid: str, account: str, campaign: str = ""
) -> CallContext:
    """As :func:`call_context`, on an event loop."""
    return await run_async(client, _context(keys, extid, account, campaign))


def _deadlines(keys: Keys, extids: list[str]) -> Steps[tuple[CallContext, dict[str, int]]]:
    context = yield from _context(keys, "", "default", "")
    scores = (yield [("ZSCORE", keys.AWAIT, extid) for extid in extids]) if extids else []
    return context, {extid: number(score) for extid, score in zip(extids, scores, strict=True) if score is not None}


async def deadlines_async(
    client: "aioredis.Redis", keys: Keys, extids: Iterable[str]
) -> tuple[CallContext, dict[str, int]]:
    """When the results of calls are given up, Unix ms by their records' extids, and a context with the live workers."""
    return await run_async(client, _deadlines(keys, list(extids)))
