"""A call's events, found again in the stream: each was written in the moment of a change that the call's timeline knows."""

import json
from collections.abc import Iterable
from typing import Any

import redis.asyncio as aioredis

from . import keys
from .steps import Command, Steps, run_async

MOMENTS = 30
"""The last moments of a call that are looked at."""

WITHIN_MS = 20
"""An entry's own clock may be read this much after the script's: a script of 250 calls takes 5 ms."""

ENTRIES = 300
"""Of one moment. At 5,000 calls a second 20 ms hold about 200 events."""


def _events(id: str, moments: Iterable[int]) -> Steps[list[dict[str, Any]]]:
    wanted = sorted(set(moments))[-MOMENTS:]
    commands: list[Command] = [("XRANGE", keys.EVENTS, str(ms), str(ms + WITHIN_MS), "COUNT", ENTRIES) for ms in wanted]
    answers = (yield commands) if commands else []
    mark = f'"subject":"{id}"'.encode()
    found: dict[bytes, dict[str, Any]] = {}
    for rows in answers:
        for position, fields in rows:
            raw = fields.get(b"event", b"")
            if position in found or mark not in raw:
                continue
            try:
                event = json.loads(raw)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("subject") == id:
                found[position] = event
    return list(found.values())


async def call_events_async(client: "aioredis.Redis", id: str, moments: Iterable[int]) -> list[dict[str, Any]]:
    """The events of the call with this id that are still in the stream, oldest first; ``moments`` are Unix ms."""
    return await run_async(client, _events(id, moments))
