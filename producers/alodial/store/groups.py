"""Groups of readers of the event stream: joining one, and leaving it without taking unfinished events along."""

from typing import Any

import redis.exceptions

from . import keys


def make_group(client: Any, group: str, start: str) -> None:
    try:
        client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)
    except redis.exceptions.ResponseError as exc:
        if not str(exc).startswith("BUSYGROUP"):
            raise


async def make_group_async(client: Any, group: str, start: str) -> None:
    try:
        await client.xgroup_create(keys.EVENTS, group, id=start, mkstream=True)
    except redis.exceptions.ResponseError as exc:
        if not str(exc).startswith("BUSYGROUP"):
            raise


def leave(client: Any, group: str, reader: str) -> None:
    """Takes the reader's name out of the group, unless it leaves unfinished events behind for others."""
    try:
        if not client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            client.xgroup_delconsumer(keys.EVENTS, group, reader)
    except (redis.exceptions.RedisError, OSError):
        return


async def leave_async(client: Any, group: str, reader: str) -> None:
    try:
        if not await client.xpending_range(keys.EVENTS, group, "-", "+", 1, consumername=reader):
            await client.xgroup_delconsumer(keys.EVENTS, group, reader)
    except (redis.exceptions.RedisError, OSError):
        return
