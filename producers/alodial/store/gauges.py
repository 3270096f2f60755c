"""The store's state in figures, for metrics and the monitor; as quick with a million calls as with one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio as aioredis

from . import keys
from .pauses import read_stop


@dataclass(frozen=True, slots=True)
class Gauges:
    """How many of each there are now. ``ready`` is by account and priority, ``channels`` by account."""

    calls: dict[str, int]
    scheduled: int
    awaiting: int
    inbox: int
    orphans: int
    dead: int
    stopped: str
    ready: dict[tuple[str, str], int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)


async def read_gauges(client: "aioredis.Redis", accounts: Iterable[str] = ()) -> Gauges:
    """Two round trips. ``accounts`` are shown beside those the store has seen, with zeros."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.smembers(keys.ACCOUNTS)
        pipe.hgetall(keys.COUNTS)
        pipe.zcard(keys.DUE)
        pipe.zcard(keys.AWAIT)
        pipe.xlen(keys.INBOX)
        pipe.zcard(keys.ORPHANS)
        pipe.xlen(keys.DEAD)
        pipe.get(keys.STOP)
        answers: list[Any] = await pipe.execute()
    clock, seen, counts, scheduled, awaiting, inbox, orphans, dead, stop = answers
    names = sorted({name.decode() for name in seen} | set(accounts))
    now_ms = clock[0] * 1000 + clock[1] // 1000
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            # A channel whose time is over is free, though nobody has swept it yet.
            pipe.zcount(keys.channels(name), now_ms, "+inf")
            for priority in keys.PRIORITY_LETTERS:
                pipe.llen(keys.ready(name, priority))
        figures = iter(await pipe.execute())
    ready: dict[tuple[str, str], int] = {}
    channels: dict[str, int] = {}
    for name in names:
        channels[name] = next(figures)
        for priority in keys.PRIORITY_LETTERS:
            ready[name, priority] = next(figures)
    return Gauges(
        calls={state.decode(): int(count) for state, count in counts.items()},
        scheduled=scheduled,
        awaiting=awaiting,
        inbox=inbox,
        orphans=orphans,
        dead=dead,
        stopped=told.reason or "?" if (told := read_stop(stop)) else "",
        ready=ready,
        channels=channels,
    )
