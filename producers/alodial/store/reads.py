"""Reading calls back: one by any of its names, or a page of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis
import redis.asyncio as aioredis

from alodial_schemas import extid_of

from . import keys
from .records import CallRecord, read_record

PAGE_SCAN = 2000
"""Records looked at for one page: about 20 ms of Redis. A page that found too few comes back short, with its cursor."""

CHUNK = 200

Hash = Mapping[bytes, bytes]


def possible_extid(name: str) -> str | None:
    """The extid under which a call of this id or extid is kept; None when it can be neither."""
    if name.isascii() and name.isdigit() and len(name) <= 15:
        return name
    return extid_of(name)


def find(client: "redis.Redis", name: str) -> CallRecord | None:
    """By id, by its extid, or by the extid of a redial."""
    extid = possible_extid(name)
    if extid is None:
        return None
    record = read_record(extid, client.hgetall(keys.record(extid)))  # type: ignore[arg-type]  # redis-py types sync as maybe async
    if record is None and name == extid:
        target = client.get(keys.alias(extid))
        if isinstance(target, bytes):
            first = target.decode().partition(":")[0]
            record = read_record(first, client.hgetall(keys.record(first)))  # type: ignore[arg-type]  # as above
    return record if record is not None and name in (record.id, extid) else None


async def find_async(client: "aioredis.Redis", name: str) -> CallRecord | None:
    """As :func:`find`."""
    extid = possible_extid(name)
    if extid is None:
        return None
    record = read_record(extid, await client.hgetall(keys.record(extid)))  # type: ignore[arg-type]  # redis-py types both ways
    if record is None and name == extid:
        target = await client.get(keys.alias(extid))
        if isinstance(target, bytes):
            first = target.decode().partition(":")[0]
            record = read_record(first, await client.hgetall(keys.record(first)))  # type: ignore[arg-type]  # as above
    return record if record is not None and name in (record.id, extid) else None


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. ``cursor`` continues after the last row looked at; None at the end."""

    calls: list[CallRecord]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What a list is narrowed to; an empty text means everything."""

    state: str = ""
    campaign: str = ""
    phone: str = ""
    reference: str = ""

    def matches(self, record: CallRecord) -> bool:
        if self.state and record.state != self.state:
            return False
        if self.campaign and record.campaign_id != self.campaign:
            return False
        if self.reference and record.reference != self.reference:
            return False
        return not self.phone or self.phone in _numbers(record)


def _numbers(record: CallRecord) -> set[str]:
    to = record.request["callto"]
    if isinstance(to, str):
        return {to}
    return {record.request["callfrom"]["phone"], *(entry["phone"] for entry in to if "phone" in entry)}


def _older(cursor: str | None) -> str:
    return f"({cursor}" if cursor else "+"


def _gather(
    rows: list[tuple[bytes, dict[bytes, bytes]]],
    hashes: list[Hash],
    wanted: CallFilter,
    limit: int,
    calls: list[CallRecord],
) -> str | None:
    """Adds what matches; the index id of the last row looked at when the page is full, else None."""
    for (position, fields), raw in zip(rows, hashes, strict=True):
        record = read_record(fields[b"x"].decode(), raw)
        if record is not None and wanted.matches(record):
            calls.append(record)
            if len(calls) >= limit:
                return position.decode()
    return None


def page(client: "redis.Redis", wanted: CallFilter, cursor: str | None, limit: int) -> Page:
    """Up to ``limit`` calls, newest first."""
    calls: list[CallRecord] = []
    for _ in range(PAGE_SCAN // CHUNK):
        rows: list[tuple[bytes, dict[bytes, bytes]]] = client.xrevrange(keys.INDEX, max=_older(cursor), count=CHUNK)  # type: ignore[assignment]  # as above
        if not rows:
            return Page(calls, None)
        with client.pipeline(transaction=False) as pipe:
            for _position, fields in rows:
                pipe.hgetall(keys.record(fields[b"x"].decode()))
            full = _gather(rows, pipe.execute(), wanted, limit, calls)
        if full:
            return Page(calls, full)
        cursor = rows[-1][0].decode()
        if len(rows) < CHUNK:
            return Page(calls, None)
    return Page(calls, cursor)


async def page_async(client: "aioredis.Redis", wanted: CallFilter, cursor: str | None, limit: int) -> Page:
    """As :func:`page`."""
    calls: list[CallRecord] = []
    for _ in range(PAGE_SCAN // CHUNK):
        rows: list[tuple[bytes, dict[bytes, bytes]]] = await client.xrevrange(
            keys.INDEX, max=_older(cursor), count=CHUNK
        )  # type: ignore[assignment]  # as above
        if not rows:
            return Page(calls, None)
        async with client.pipeline(transaction=False) as pipe:
            for _position, fields in rows:
                pipe.hgetall(keys.record(fields[b"x"].decode()))
            full = _gather(rows, await pipe.execute(), wanted, limit, calls)
        if full:
            return Page(calls, full)
        cursor = rows[-1][0].decode()
        if len(rows) < CHUNK:
            return Page(calls, None)
    return Page(calls, cursor)
