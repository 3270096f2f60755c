"""What stands around a call that has not ended: its moments, and what keeps its account's calls back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio as aioredis

from . import keys
from .holds import read_stop
from .sansio import Command, Steps, run_async

SILENT_AFTER = 10.0
"""Seconds without a heartbeat after which a worker is taken for dead; they beat every second or two."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """``due`` is when it goes out, ``deadline`` when its result is given up, Unix ms. ``held_for`` are seconds that the
    account pauses, ``held_why`` its code; ``workers`` are names and the seconds since each was heard of."""

    now: int
    due: int | None = None
    deadline: int | None = None
    stopped: str | None = None
    held_for: float = 0.0
    held_why: str = ""
    breaker: bool = False
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


def _number(value: Any) -> int | None:
    return None if value is None else int(float(value))


def _beats(rows: Mapping[bytes, bytes], now: int) -> dict[str, float]:
    found = {}
    for name, raw in rows.items():
        try:
            at = float(json.loads(raw)["at"])
        except (ValueError, TypeError, LookupError):
            continue
        found[name.decode("utf-8", "replace")] = max(0.0, (now - at) / 1000)
    return found


def _standing(extid: str, account: str, campaign: str) -> Steps[CallContext]:
    commands: list[Command] = [
        ("TIME",),
        ("ZSCORE", keys.DUE, extid),
        ("ZSCORE", keys.AWAIT, extid),
        ("GET", keys.STOP),
        ("HMGET", keys.account(account), "hold", "why", "brk"),
        ("HGETALL", keys.WORKERS),
        ("HGET", keys.campaign(campaign), "s"),
    ]
    clock, due, deadline, stop, held, beats, state = yield commands
    now = int(clock[0]) * 1000 + int(clock[1]) // 1000
    hold, why, breaker = held
    return CallContext(
        now=now,
        due=_number(due),
        deadline=_number(deadline),
        stopped=None if (told := read_stop(stop)) is None else told.reason,
        held_for=max(0.0, (float(hold or 0) - now) / 1000),
        held_why=(why or b"").decode("utf-8", "replace"),
        breaker=breaker is not None,
        campaign=(state or b"").decode("utf-8", "replace") if campaign else "",
        workers=_beats(beats, now),
    )


async def call_context_async(client: "aioredis.Redis", extid: str, account: str, campaign: str = "") -> CallContext:
    """One round trip. ``extid`` is that of the record."""
    return await run_async(client, _standing(extid, account, campaign))


def _deadlines(extids: list[str]) -> Steps[tuple[CallContext, dict[str, int]]]:
    around = yield from _standing("", "default", "")
    scores = (yield [("ZSCORE", keys.AWAIT, extid) for extid in extids]) if extids else []
    return around, {extid: int(float(score)) for extid, score in zip(extids, scores, strict=True) if score is not None}


async def deadlines_async(client: "aioredis.Redis", extids: Iterable[str]) -> tuple[CallContext, dict[str, int]]:
    """When the results of calls are given up, Unix ms, by their records' extids; and who is alive."""
    return await run_async(client, _deadlines(list(extids)))
