"""Lists of calls: a page, a count, and all calls that match a filter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import redis.asyncio as aioredis

from alodial_schemas import ENDS, State

from .call_filter import CallFilter, recipients
from .call_indexes import BadCursor, index_for, labels_of
from .keys import Keys
from .records import CallRecord, read_record
from .sansio import Steps, run, run_async

PAGE_SCAN = 2000
"""Records read for one page: about 50 ms in all. A page with too few matches comes back short, with its cursor."""

PART_SCAN = 10_000
"""The same for a part of a number or a name, which no index has: about 250 ms."""

CHUNK = 200
"""Records of one round trip."""

MAX_CALLS = 10_000
"""Calls that one order acts on."""

_CURSOR = re.compile(r"[a-z][0-9.-]{1,40}")

Hash = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of calls; ``cursor`` continues after the last record read, None at the end."""

    calls: list[CallRecord]
    cursor: str | None


def _walk(
    keys: Keys, filter: CallFilter, cursor: str | None, limit: int, scan: int
) -> Steps[tuple[list[tuple[str, Hash]], str | None]]:
    """Up to ``limit`` records after reading about ``scan`` at most, and where to go on. Raises BadCursor."""
    index, exact = yield from index_for(keys, filter)
    place = ""
    if cursor:
        if not _CURSOR.fullmatch(cursor) or cursor[0] != index.kind:
            raise BadCursor
        place = cursor[1:]
    matches: list[tuple[str, Hash]] = []
    seen, scanned = {place.partition(".")[2]}, 0
    while scanned < scan:
        rows = yield from index.read(place, min(limit - len(matches) + 1, CHUNK) if exact else CHUNK)
        if not rows:
            return matches, None
        named = [(x, at) for x, at in rows if x]
        # Rows of which no record is read cost a tenth.
        scanned += len(named) + (len(rows) - len(named)) // 10 + 1
        raws: list[Hash] = (yield [("HGETALL", keys.record(x)) for x, _ in named]) if named else []
        for (x, at), raw in zip(named, raws, strict=True):
            if x in seen or not filter.matches(raw) or _listed_elsewhere(filter, at, raw):
                continue
            seen.add(x)
            matches.append((x, raw))
            if len(matches) >= limit:
                return matches, index.kind + at
        place = rows[-1][1]
    return matches, index.kind + place


def _listed_elsewhere(filter: CallFilter, at: str, raw: Hash) -> bool:
    """Whether a call belongs to the other of a number's lists: the first two are of recipients, the others of initiators."""
    if not filter.phone or filter.reference:
        return False
    return (filter.phone in recipients(raw)) is at.startswith(("2.", "3."))


def _page(keys: Keys, filter: CallFilter, cursor: str | None, limit: int) -> Steps[Page]:
    rows, after = yield from _walk(keys, filter, cursor, limit, PART_SCAN if filter.part else PAGE_SCAN)
    calls = [record for x, raw in rows if (record := read_record(x, raw)) is not None]
    return Page(calls, after)


def page(client: "redis.Redis", keys: Keys, filter: CallFilter, cursor: str | None, limit: int) -> Page:
    """Up to ``limit`` calls that match, after ``cursor``. Raises BadCursor.

    Newest first; scheduled calls by their time, queued calls as they will go, ended calls as they ended.
    """
    return run(client, _page(keys, filter, cursor, limit))


async def page_async(client: "aioredis.Redis", keys: Keys, filter: CallFilter, cursor: str | None, limit: int) -> Page:
    """As :func:`page`."""
    return await run_async(client, _page(keys, filter, cursor, limit))


@dataclass(frozen=True, slots=True)
class Count:
    """A number of calls; ``more`` when there are more than were counted."""

    number: int
    more: bool


def _known_count(keys: Keys, filter: CallFilter) -> Steps[int | None]:
    """The figure that the store keeps for just this filter; None where the calls have to be counted."""
    rest = (filter.phone, filter.reference, filter.account, filter.owner, filter.reason, filter.part, filter.calls)
    if any(rest) or filter.since is not None or filter.until is not None:
        return None
    if filter.disposition and filter.state not in ("", State.COMPLETED):
        return 0
    if filter.campaign:
        key = keys.campaign_counts(filter.campaign)
        if filter.disposition:
            (value,) = yield [("HGET", key, f"d:{filter.disposition}")]
            return int(value or 0)
        states = [filter.state] if filter.state else list(State)
        (values,) = yield [("HMGET", key, *states)]
        return sum(int(value or 0) for value in values)
    if filter.disposition:
        (length,) = yield [("XLEN", keys.ended(f"completed:{filter.disposition}"))]
        return int(length)
    if not filter.state:
        (length,) = yield [("XLEN", keys.INDEX)]
        return int(length)
    if filter.state in ENDS:
        lengths = yield [("XLEN", keys.ended(label)) for label in labels_of(filter.state, "")]
        return sum(lengths)
    (value,) = yield [("HGET", keys.COUNTS, filter.state)]
    return int(value or 0)


def _count(keys: Keys, filter: CallFilter, limit: int) -> Steps[Count]:
    known = yield from _known_count(keys, filter)
    if known is not None:
        return Count(known, more=False)
    names, more = yield from _select(keys, filter, limit)
    return Count(len(names), more)


def count(client: "redis.Redis", keys: Keys, filter: CallFilter, limit: int = MAX_CALLS) -> Count:
    """How many calls match. Where the store keeps no figure they are counted up to ``limit``, reading at most twice as
    many records: 25 microseconds each."""
    return run(client, _count(keys, filter, limit))


async def count_async(client: "aioredis.Redis", keys: Keys, filter: CallFilter, limit: int = MAX_CALLS) -> Count:
    """As :func:`count`."""
    return await run_async(client, _count(keys, filter, limit))


def _select(keys: Keys, filter: CallFilter, limit: int) -> Steps[tuple[list[str], bool]]:
    names: list[str] = []
    cursor: str | None = None
    budget = max(2 * limit, PAGE_SCAN)  # records read for a filter that matches few
    while True:
        rows, cursor = yield from _walk(keys, filter, cursor, limit - len(names), PAGE_SCAN)
        names += [x for x, _ in rows]
        budget -= PAGE_SCAN
        if cursor is None or len(names) >= limit or budget <= 0:
            return names, cursor is not None


def select(client: "redis.Redis", keys: Keys, filter: CallFilter, limit: int = MAX_CALLS) -> tuple[list[str], bool]:
    """The extids of up to ``limit`` calls that match, and whether there are more."""
    return run(client, _select(keys, filter, limit))
