"""Lists of calls: a page, a count, and all calls that match a filter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import redis.asyncio as aioredis

from alodial_schemas import ENDS, State

from .answers import entries
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
    """A page of calls; ``cursor`` continues after the last record read, None at the end.

    ``incomplete``: the archive did not answer, so that archived calls are missing.
    """

    calls: list[CallRecord]
    cursor: str | None
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """The records that a walk over an index met: ``(extid, place, hash)`` for each that matches, in the index's order.

    ``place`` continues the walk, "" where it ended. ``lowest`` is the least moment of the rows read of the last
    list (:func:`moment_of`), where it was asked for; None when no row had one.
    """

    kind: str
    matches: list[tuple[str, str, Hash]]
    place: str
    lowest: int | None = None


def by_end(filter: CallFilter, kind: str) -> bool:
    """Whether the index of this kind lists calls by their end; all others list them by their creation."""
    return kind == "e" or (kind == "g" and bool(filter.disposition or filter.state in ENDS))


def moment_of(raw: Hash, *, ended: bool) -> int:
    """Unix ms by which a record is listed: of its last change where calls are listed ``by_end``, else of its creation."""
    last = entries(raw[b"tl"])
    return int(last[-1 if ended else 0].split(b" ", 2)[1])


def walk(
    keys: Keys, filter: CallFilter, kind: str, place: str, limit: int, scan: int, *, dated: bool = False
) -> Steps[Walk]:
    """Up to ``limit`` records after reading about ``scan`` at most. ``kind`` and ``place`` are a cursor's, "" at the start.

    ``dated``: with the least moment. Raises BadCursor for a place of another index.
    """
    index, exact = yield from index_for(keys, filter)
    if kind and kind != index.kind:
        raise BadCursor
    ended = by_end(filter, index.kind)
    matches: list[tuple[str, str, Hash]] = []
    lowest: int | None = None
    seen, scanned = {place.partition(".")[2]}, 0
    while scanned < scan:
        rows = yield from index.read(place, min(limit - len(matches) + 1, CHUNK) if exact else CHUNK)
        if not rows:
            return Walk(index.kind, matches, "", lowest)
        if rows[0][1].partition(".")[0] != place.partition(".")[0]:
            lowest = None  # the next list
        named = [(x, at) for x, at in rows if x]
        raws: list[Hash] = (yield [("HGETALL", keys.record(x)) for x, _ in named]) if named else []
        # Rows of which no record is read, or whose record is gone, cost a tenth.
        read = sum(1 for raw in raws if raw)
        scanned += read + (len(rows) - read) // 10 + 1
        for (x, at), raw in zip(named, raws, strict=True):
            if dated and b"tl" in raw:
                moment = moment_of(raw, ended=ended)
                lowest = moment if lowest is None else min(lowest, moment)
            if x in seen or not filter.matches(raw) or _listed_elsewhere(filter, at, raw):
                continue
            seen.add(x)
            matches.append((x, at, raw))
            if len(matches) >= limit:
                return Walk(index.kind, matches, at, lowest)
        place = rows[-1][1]
    return Walk(index.kind, matches, place, lowest)


def _walk(
    keys: Keys, filter: CallFilter, cursor: str | None, limit: int, scan: int
) -> Steps[tuple[list[tuple[str, Hash]], str | None]]:
    """Up to ``limit`` records after reading about ``scan`` at most, and where to go on. Raises BadCursor."""
    kind, place = "", ""
    if cursor:
        if not _CURSOR.fullmatch(cursor):
            raise BadCursor
        kind, place = cursor[0], cursor[1:]
    walked = yield from walk(keys, filter, kind, place, limit, scan)
    after = walked.kind + walked.place if walked.place else None
    return [(x, raw) for x, _, raw in walked.matches], after


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
    dated = filter.since is not None or filter.until is not None
    if any(rest) or dated or filter.ended or filter.is_reported:
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
