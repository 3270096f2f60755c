"""Reads calls back by their names."""

from collections.abc import Sequence
from typing import Final

import redis
import redis.asyncio as aioredis

from alodial_schemas import extid_of

from .caller import INSTALLATION, Caller
from .keys import Keys
from .records import CallRecord, read_record
from .sansio import Steps, run, run_async

_MAX_EXTID: Final = 15


def possible_extid(name: str) -> str | None:
    """The extid under which a call of this id or extid is kept; None when it can be neither."""
    if name.isascii() and name.isdigit() and len(name) <= _MAX_EXTID:
        return name
    return extid_of(name)


def _records(keys: Keys, extids: Sequence[str]) -> Steps[list[CallRecord | None]]:
    raws = (yield [("HGETALL", keys.record(extid)) for extid in extids]) if extids else []
    return [read_record(extid, raw) for extid, raw in zip(extids, raws, strict=True)]


def _find(keys: Keys, name: str, viewer: Caller) -> Steps[CallRecord | None]:
    extid = possible_extid(name)
    if extid is None:
        return None
    places = [extid]
    if name == extid:
        aliases = yield [("GET", keys.own_extid(viewer.extids_of, extid)), ("GET", keys.alias(extid))]
        own, redialed = (value.decode().partition(":")[0] if isinstance(value, bytes) else "" for value in aliases)
        places = [place for place in (own, extid, redialed) if place]
    for record in (yield from _records(keys, places)):
        if record is None or name not in (extid, record.id) or (viewer.tenant and record.owner != viewer.owner):
            continue
        return record
    return None


def find(client: "redis.Redis", keys: Keys, name: str, viewer: Caller = INSTALLATION) -> CallRecord | None:
    """The call with this id, extid, or extid of a redial; None when there is none that ``viewer`` may see."""
    return run(client, _find(keys, name, viewer))


async def find_async(
    client: "aioredis.Redis", keys: Keys, name: str, viewer: Caller = INSTALLATION
) -> CallRecord | None:
    """As :func:`find`."""
    return await run_async(client, _find(keys, name, viewer))


def read_hashes(keys: Keys, extids: Sequence[str]) -> Steps[list[dict[bytes, bytes]]]:
    """The fields of records as Redis keeps them; {} for those that are gone."""
    return (yield [("HGETALL", keys.record(extid)) for extid in extids]) if extids else []


def find_records(client: "redis.Redis", keys: Keys, extids: Sequence[str]) -> list[CallRecord | None]:
    """The records of calls by the extids of their first attempts, in one round trip; None for those that are gone."""
    return run(client, _records(keys, extids))
