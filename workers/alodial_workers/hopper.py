"""Keeps each campaign's hopper filled: a few rows become calls shortly before they are dialled, the rest stay packed."""

import math
import zlib
from collections import OrderedDict

import structlog

from alodial.campaigns.calendar import ensure_zone_calendar
from alodial.campaigns.errors import DamagedRows
from alodial.campaigns.row_codec import PackedRow, unpack
from alodial.campaigns.row_to_call import Expander
from alodial.campaigns.stored_fields import expander_of
from alodial.settings import Settings
from alodial.store import call_transitions, campaign_transitions, campaigns
from alodial.store.client import Store

log = structlog.get_logger("alodial.hopper")

AHEAD = 10.0
"""Seconds of the account's rate that a hopper holds."""

MIN_ROOM, MAX_ROOM = 50, 5000
UNLIMITED_ROOM = 4000
"""Calls in a hopper of an account without a rate limit."""

STEP = 250
"""Rows stored by one script: about 5 ms of Redis."""

MAX_CACHED = 16
"""Chunks kept unpacked: a slow campaign takes fifty rows at a time out of five hundred."""


def hopper_room(rate: float) -> int:
    """Returns how many calls a campaign's hopper holds at ``rate`` calls a second; 0 is no limit."""
    return UNLIMITED_ROOM if rate == 0 else min(MAX_ROOM, max(MIN_ROOM, math.ceil(rate * AHEAD)))


_DAMAGED = (zlib.error, ValueError, TypeError, LookupError, AttributeError)
"""What unpacking raises for damaged rows; a lack of memory or descriptors says nothing about them."""


class HopperFiller:
    """Turns a campaign's next rows into calls.

    Several at once do no harm: the store accepts rows only at the position of the campaign's cursor.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._chunks: OrderedDict[tuple[str, int, int], tuple[int, list[PackedRow]]] = OrderedDict()
        self._zones: set[tuple[str, str]] = set()

    def rooms(self) -> dict[str, int]:
        """Returns how many calls a hopper holds, by account."""
        return {
            name: hopper_room(self._settings.account(name).calls_per_second) for name in self._settings.account_names
        }

    def fill(self, hopper: call_transitions.HopperNeed) -> list[str]:
        """Turns up to ``hopper.room`` rows of one campaign into calls; returns the accounts to wake.

        Raises DamagedRows, StoreUnavailable.
        """
        stored = self._store.call(campaigns.read, [hopper.campaign])
        if not stored:
            return []
        try:
            expander = expander_of(stored[0])
        except _DAMAGED as exc:
            raise DamagedRows(f"its definition cannot be read ({type(exc).__name__})") from None
        woken: set[str] = set()
        cursor, index, offset, room = hopper.cursor, hopper.chunk, hopper.offset, hopper.room
        while room > 0 and cursor < expander.total:
            if index >= stored[0].number("nc"):
                raise DamagedRows(f"rows from number {cursor} on are missing")
            base, rows = self._chunk(hopper.campaign, index, stored[0].number("er"))
            if rows and base + offset != cursor:
                raise DamagedRows(f"rows from number {cursor} to {base} are missing")
            step = rows[offset : offset + min(STEP, room)]
            try:
                calls = [expander.expand(base + offset + i, row) for i, row in enumerate(step)]
            except _DAMAGED as exc:
                raise DamagedRows(f"rows of chunk {index} cannot be read ({type(exc).__name__})") from None
            self._know_zones(expander, hopper.campaign, calls)
            after = (index + 1, 0) if offset + len(step) >= len(rows) else (index, offset + len(step))
            filled = self._store.run(
                campaign_transitions.fill(hopper.campaign, cursor, calls, chunk=after[0], offset=after[1])
            )
            if filled.outcome == "limited" and filled.room:
                room = min(room, filled.room)
                continue
            if filled.outcome != "filled":
                break  # paused, canceled, or filled by another worker meanwhile; or as many as today's limit allows
            woken.update(filled.accounts)
            index, offset = after
            cursor += len(step)
            room -= len(step)
        return sorted(woken)

    def _chunk(self, campaign: str, index: int, erasures: int) -> tuple[int, list[PackedRow]]:
        """Returns the chunk's first position and its rows, none when all of its rows were bad.

        ``erasures`` grows when somebody is erased from the rows: they are read anew then.
        """
        key = campaign, index, erasures
        cached = self._chunks.get(key)
        if cached is not None:
            self._chunks.move_to_end(key)
            return cached
        chunk = self._store.call(campaigns.chunk, campaign, index)
        try:
            fresh = (0, []) if chunk is None else (chunk.base, unpack(chunk.blob))
        except _DAMAGED as exc:
            raise DamagedRows(f"chunk {index} cannot be unpacked ({type(exc).__name__})") from None
        if chunk is not None:
            self._chunks[key] = fresh
            while len(self._chunks) > MAX_CACHED:
                self._chunks.popitem(last=False)
        return fresh

    def _know_zones(self, expander: Expander, campaign: str, calls: list[campaign_transitions.HopperRow]) -> None:
        for zone in {call.zone for call in calls if call.zone}:
            if (campaign, zone) not in self._zones:
                ensure_zone_calendar(self._store, self._settings, expander.request, campaign, zone)
                self._zones.add((campaign, zone))


PURGE_STEP = 500
"""Calls or rows canceled by one script."""


def purge(store: Store, campaign: str) -> int:
    """Cancels some of the calls that still wait of an ended campaign; returns how many.

    0 also means that nothing is left: then the campaign is taken off the purge list. Raises StoreUnavailable.
    """
    ready = store.call(campaigns.waiting_extids, campaign, PURGE_STEP)
    stored = store.call(campaigns.read, [campaign])
    if not stored:
        store.call(campaigns.purged, campaign)
        return 0
    reason = f"campaign_{stored[0].state}"
    if ready:
        rows = store.run(call_transitions.cancel(ready, reason, campaign=campaign))
        store.call(campaigns.drop_waiting, campaign, len(ready))
        return sum(row.outcome == "canceled" for row in rows)
    waiting = stored[0].counts.get("scheduled", 0) + stored[0].counts.get("queued", 0)
    position, cursor = stored[0].number("pc"), stored[0].number("cur")
    if waiting <= 0:
        store.call(campaigns.purged, campaign)
        return 0
    if position >= cursor:
        # A call came back behind this position, from a POST that was refused: the next sweep starts again.
        store.call(campaigns.set_purge_position, campaign, 0)
        return 0
    expander = expander_of(stored[0])
    last = min(position + PURGE_STEP, cursor)
    extids = [extid for place in range(position, last) for extid in expander.extids(place)]
    rows = store.run(call_transitions.cancel(extids, reason, campaign=campaign))
    store.call(campaigns.set_purge_position, campaign, last)
    return sum(row.outcome == "canceled" for row in rows)
