"""Lists of calls: a page of them, how many there are, all that a filter means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import redis.asyncio as aioredis

from alodial_schemas import ENDS, Disposition, State

from . import keys
from .call_filter import CallFilter, recipients
from .call_indexes import BadCursor, index_for
from .records import CallRecord, read_record
from .sansio import Steps, run, run_async

PAGE_SCAN = 2000
"""Records looked at for one page: about 50 ms in all. A page that found too few comes back short, with its cursor."""

CHUNK = 200

MOST = 10_000
"""Calls that are acted on at once."""

CURSOR = re.compile(r"[a-z][0-9.-]{1,40}")

Hash = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor`` continues after the last row looked at; None at the end."""

    calls: list[CallRecord]
    cursor: str | None


def _walk(
    wanted: CallFilter, cursor: str | None, limit: int, scan: int
) -> Steps[tuple[list[tuple[str, Hash]], str | None]]:
    """Up to ``limit`` records after looking at ``scan`` at most, and where to go on. Raises BadCursor."""
    source, exact = yield from index_for(wanted)
    place = ""
    if cursor:
        if not CURSOR.fullmatch(cursor) or cursor[0] != source.kind:
            raise BadCursor(cursor)
        place = cursor[1:]
    found: list[tuple[str, Hash]] = []
    seen, looked = {place.partition(".")[2]}, 0
    while looked < scan:
        rows = yield from source.read(place, min(limit - len(found) + 1, CHUNK) if exact else CHUNK)
        if not rows:
            return found, None
        named = [(x, at) for x, at in rows if x]
        # Rows of which no record is read cost a tenth.
        looked += len(named) + (len(rows) - len(named)) // 10 + 1
        raws: list[Hash] = (yield [("HGETALL", keys.record(x)) for x, _ in named]) if named else []
        for (x, at), raw in zip(named, raws, strict=True):
            if x in seen or not wanted.matches(raw) or _shown_elsewhere(wanted, at, raw):
                continue
            seen.add(x)
            found.append((x, raw))
            if len(found) >= limit:
                return found, source.kind + at
        place = rows[-1][1]
    return found, source.kind + place


def _shown_elsewhere(wanted: CallFilter, at: str, raw: Hash) -> bool:
    """Whether it belongs to the other of a number's two lists: those that ring it as a recipient, those it asked for."""
    if not wanted.phone or wanted.reference:
        return False
    return (wanted.phone in recipients(raw)) is at.startswith("1.")


def _page(wanted: CallFilter, cursor: str | None, limit: int) -> Steps[Page]:
    found, after = yield from _walk(wanted, cursor, limit, PAGE_SCAN)
    calls = [record for x, raw in found if (record := read_record(x, raw)) is not None]
    return Page(calls, after)


def page(client: "redis.Redis", wanted: CallFilter, cursor: str | None, limit: int) -> Page:
    """Up to ``limit`` calls. Newest first; scheduled ones by their time, queued ones as they will go, ended ones as they
    ended. Raises BadCursor."""
    return run(client, _page(wanted, cursor, limit))


async def page_async(client: "aioredis.Redis", wanted: CallFilter, cursor: str | None, limit: int) -> Page:
    """As :func:`page`."""
    return await run_async(client, _page(wanted, cursor, limit))


@dataclass(frozen=True, slots=True)
class Count:
    """``more`` says that there are more than were counted."""

    number: int
    more: bool


def _known_count(wanted: CallFilter) -> Steps[int | None]:
    """A figure that the store keeps for just this filter; None where it has to be counted."""
    rest = (wanted.phone, wanted.reference, wanted.account, wanted.owner, wanted.reason)
    if any(rest) or wanted.since is not None or wanted.until is not None:
        return None
    if wanted.disposition and wanted.state not in ("", State.COMPLETED):
        return 0
    if wanted.campaign:
        key = keys.campaign_counts(wanted.campaign)
        if wanted.disposition:
            (value,) = yield [("HGET", key, f"d:{wanted.disposition}")]
            return int(value or 0)
        states = [wanted.state] if wanted.state else list(State)
        (values,) = yield [("HMGET", key, *states)]
        return sum(int(value or 0) for value in values)
    if wanted.disposition:
        (length,) = yield [("XLEN", keys.ended(f"completed:{wanted.disposition}"))]
        return int(length)
    if not wanted.state:
        (length,) = yield [("XLEN", keys.INDEX)]
        return int(length)
    if wanted.state in ENDS:
        labels = (
            [f"completed:{name}" for name in sorted(Disposition)] if wanted.state == State.COMPLETED else [wanted.state]
        )
        lengths = yield [("XLEN", keys.ended(label)) for label in labels]
        return sum(lengths)
    (value,) = yield [("HGET", keys.COUNTS, wanted.state)]
    return int(value or 0)


def _count(wanted: CallFilter, limit: int) -> Steps[Count]:
    known = yield from _known_count(wanted)
    if known is not None:
        return Count(known, more=False)
    names, more = yield from _select(wanted, limit)
    return Count(len(names), more)


def count(client: "redis.Redis", wanted: CallFilter, limit: int = MOST) -> Count:
    """How many calls a filter means. Where the store has no figure they are counted up to ``most``, looking at twice as
    many: 25 microseconds each."""
    return run(client, _count(wanted, limit))


async def count_async(client: "aioredis.Redis", wanted: CallFilter, limit: int = MOST) -> Count:
    """As :func:`count`."""
    return await run_async(client, _count(wanted, limit))


def _select(wanted: CallFilter, limit: int) -> Steps[tuple[list[str], bool]]:
    names: list[str] = []
    cursor: str | None = None
    budget = max(2 * limit, PAGE_SCAN)  # records looked at, of a filter that finds few
    while True:
        found, cursor = yield from _walk(wanted, cursor, limit - len(names), PAGE_SCAN)
        names += [x for x, _ in found]
        budget -= PAGE_SCAN
        if cursor is None or len(names) >= limit or budget <= 0:
            return names, cursor is not None


def select(client: "redis.Redis", wanted: CallFilter, limit: int = MOST) -> tuple[list[str], bool]:
    """The extids of what a filter means, and whether there are more."""
    return run(client, _select(wanted, limit))
