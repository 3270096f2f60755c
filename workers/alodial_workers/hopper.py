"""Keeps each campaign's hopper filled: a few rows become calls shortly before they are dialled, the rest stay packed."""

import math
from collections import OrderedDict

import structlog

from alodial.campaigns.calendar import know_zone
from alodial.campaigns.row_codec import PackedRow, unpack
from alodial.campaigns.row_to_call import Expander
from alodial.campaigns.stored_fields import expander_of
from alodial.settings import Settings
from alodial.store import call_transitions, campaign_transitions, campaigns
from alodial.store.client import Store

log = structlog.get_logger("alodial.hopper")

AHEAD = 10.0
"""Seconds of the account's rate that a hopper holds."""

LEAST, MOST = 50, 5000
UNLIMITED = 4000
"""Calls in a hopper of an account without a rate limit."""

STEP = 250
"""Rows stored by one script: about 5 ms of Redis."""

CACHED = 16
"""Chunks kept unpacked: a slow campaign takes fifty rows at a time out of five hundred."""


def hopper_room(rate: float) -> int:
    """How many calls the hopper of a campaign holds at this rate, calls a second."""
    return UNLIMITED if rate == 0 else min(MOST, max(LEAST, math.ceil(rate * AHEAD)))


class HopperFiller:
    """One for a pacer. Several at once do no harm: the store takes rows only from where the campaign's cursor stands."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._chunks: OrderedDict[tuple[str, int], tuple[int, list[PackedRow]]] = OrderedDict()
        self._zones: set[tuple[str, str]] = set()

    def rooms(self) -> dict[str, int]:
        """For the pace script: by account, how many calls a hopper holds."""
        return {
            name: hopper_room(self._settings.account(name).calls_per_second) for name in self._settings.account_names
        }

    def fill(self, hopper: call_transitions.HopperNeed) -> list[str]:
        """Up to ``hopper.room`` rows of one campaign become calls; answers the accounts to ring."""
        stored = self._store.call(campaigns.read, [hopper.campaign])
        if not stored:
            return []
        expander = expander_of(stored[0])
        ring: set[str] = set()
        cursor, index, offset, room = hopper.cursor, hopper.chunk, hopper.offset, hopper.room
        while room > 0 and cursor < expander.total:
            base, rows = self._chunk(hopper.campaign, index)
            some = rows[offset : offset + min(STEP, room)]
            calls = [expander.expand(base + offset + i, row) for i, row in enumerate(some)]
            self._know_zones(expander, hopper.campaign, calls)
            offset += len(some)
            if offset >= len(rows):
                index, offset = index + 1, 0
            said = self._store.run(
                campaign_transitions.fill(hopper.campaign, cursor, calls, chunk=index, offset=offset)
            )
            if said is None:
                break  # paused, canceled, or another worker's filler was here
            ring.update(said)
            cursor += len(some)
            room -= len(some)
        return sorted(ring)

    def _chunk(self, campaign: str, index: int) -> tuple[int, list[PackedRow]]:
        """The chunk's first place and its rows; without rows for one that held only bad ones."""
        known = self._chunks.get((campaign, index))
        if known is not None:
            self._chunks.move_to_end((campaign, index))
            return known
        chunk = self._store.call(campaigns.chunk, campaign, index)
        fresh = (0, []) if chunk is None else (chunk.base, unpack(chunk.blob))
        if chunk is not None:
            self._chunks[campaign, index] = fresh
            while len(self._chunks) > CACHED:
                self._chunks.popitem(last=False)
        return fresh

    def _know_zones(self, expander: Expander, campaign: str, calls: list[campaign_transitions.HopperRow]) -> None:
        for zone in {call.zone for call in calls if call.zone}:
            if (campaign, zone) not in self._zones:
                know_zone(self._store, self._settings, expander.request, campaign, zone)
                self._zones.add((campaign, zone))


PURGE_STEP = 500


def purge(store: Store, campaign: str) -> int:
    """Cancels some of what still waits of a campaign that has ended; answers how many. Done, it is taken off the list."""
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
    position = stored[0].number("pc")
    if waiting <= 0:
        store.call(campaigns.purged, campaign)
        return 0
    if position >= stored[0].number("cur"):
        # One came back while its place was looked at, from a POST that was refused: the next sweep begins anew.
        store.call(campaigns.purge_position, campaign, 0)
        return 0
    expander = expander_of(stored[0])
    last = min(position + PURGE_STEP, stored[0].number("cur"))
    names = [extid for place in range(position, last) for extid in expander.extids(place)]
    rows = store.run(call_transitions.cancel(names, reason, campaign=campaign))
    store.call(campaigns.purge_position, campaign, last)
    return sum(row.outcome == "canceled" for row in rows)
