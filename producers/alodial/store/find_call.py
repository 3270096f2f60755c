"""Reading one call back by any of its names."""

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


def _find(name: str) -> Steps[CallRecord | None]:
    extid = possible_extid(name)
    if extid is None:
        return None
    (raw,) = yield [("HGETALL", keys.record(extid))]
    record = read_record(extid, raw)
    if record is None and name == extid:
        (target,) = yield [("GET", keys.alias(extid))]
        if isinstance(target, bytes):
            first = target.decode().partition(":")[0]
            (raw,) = yield [("HGETALL", keys.record(first))]
            record = read_record(first, raw)
    return record if record is not None and name in (record.id, extid) else None


def find(client: "redis.Redis", name: str) -> CallRecord | None:
    """By id, by its extid, or by the extid of a redial."""
    return run(client, _find(name))


async def find_async(client: "aioredis.Redis", name: str) -> CallRecord | None:
    """As :func:`find`."""
    return await run_async(client, _find(name))
