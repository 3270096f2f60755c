"""Reads calls back by their names."""

from collections.abc import Sequence
from typing import Final

import redis
import redis.asyncio as aioredis

from alodial_schemas import extid_of

from . import keys
from .records import CallRecord, read_record
from .sansio import Steps, run, run_async

_MAX_EXTID: Final = 15


def possible_extid(name: str) -> str | None:
    """The extid under which a call of this id or extid is kept; None when it can be neither."""
    if name.isascii() and name.isdigit() and len(name) <= _MAX_EXTID:
        return name
    return extid_of(name)


def _records(extids: Sequence[str]) -> Steps[list[CallRecord | None]]:
    raws = (yield [("HGETALL", keys.record(extid)) for extid in extids]) if extids else []
    return [read_record(extid, raw) for extid, raw in zip(extids, raws, strict=True)]


def _find(name: str) -> Steps[CallRecord | None]:
    extid = possible_extid(name)
    if extid is None:
        return None
    (record,) = yield from _records([extid])
    if record is None and name == extid:
        (target,) = yield [("GET", keys.alias(extid))]
        if isinstance(target, bytes):
            (record,) = yield from _records([target.decode().partition(":")[0]])
            return record
    return record if record is not None and name in (record.id, extid) else None


def find(client: "redis.Redis", name: str) -> CallRecord | None:
    """The call with this id, extid, or extid of a redial; None when there is none."""
    return run(client, _find(name))


async def find_async(client: "aioredis.Redis", name: str) -> CallRecord | None:
    """As :func:`find`."""
    return await run_async(client, _find(name))


def find_records(client: "redis.Redis", extids: Sequence[str]) -> list[CallRecord | None]:
    """The records of calls by the extids of their first attempts, in one round trip; None for those that are gone."""
    return run(client, _records(extids))
