"""The POSTs of the last moments: what a worker repeats to a Redis that may have forgotten them."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from alodial.store import holds
from alodial.store.call_transitions import Arming, Settling
from alodial.store.client import AsyncStore
from alodial.store.primary import Generation, Posted

log = structlog.get_logger("alodial.engine")

KEEP = 15.0
"""Seconds that an outcome is remembered after it was recorded: longer than a failover loses (its replication delay, and
up to five seconds in which nobody knows of it yet), or a power failure (one second)."""

LOOKS = 2.0
"""Seconds between two looks at the store: it may know only of the one before the last that it has lost."""

MAX_CALLS = 20_000
"""Calls remembered at most, about 10 MB: those of 15 s at 1,300 calls a second."""

HINT: Final = 'the emergency stop is on; read "Backup and restore" in docs/operations.md before: alodial resume'

RANG = frozenset({"taken", "unconfirmed"})
"""Outcomes after which the telephone may have rung."""


@dataclass(slots=True)
class _Entry:
    account: str
    posted: Posted | None  # None: its arm failed, so that nothing was posted
    settling: Settling | None
    at: float


class PostMemory:
    """Remembers each armed call until its outcome has been in Redis for KEEP seconds of work.

    While Redis is away nothing is armed and nothing forgotten.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._looked_at = 0

    def __len__(self) -> int:
        return len(self._entries)

    def looked(self, now: int, *, is_confirmed: bool) -> None:
        """Notes the store's clock, Unix ms, while it is on the server that is known.

        One that the majority of Sentinels does not confirm does not count: nothing is posted meanwhile, and the next primary may
        know nothing of a long time on it.
        """
        if is_confirmed:
            self._looked_at = now

    def forgotten(self, was: int) -> float:
        """The seconds that a store has lost whose last look was at ``was``, Unix ms, where that is more than is remembered here;
        else 0. A failover and a power failure lose less: it is an old backup.
        """
        lost = (self._looked_at - was) / 1000 if self._looked_at and was else 0.0
        return lost if lost > KEEP - LOOKS else 0.0

    def armed(self, account: str, item: Arming) -> None:
        """Remembers that the POST of a call may leave."""
        self._remember(account, item, Posted(item.record, item.token, item.attempt))

    def not_armed(self, account: str, item: Arming) -> None:
        """Remembers a call whose arm may be in Redis although it failed: another primary may know of the arm alone, and of the
        call's release not."""
        self._remember(account, item, None)

    def _remember(self, account: str, item: Arming, posted: Posted | None) -> None:
        now = time.monotonic()
        self._entries[item.record, item.token] = _Entry(account, posted, None, now)
        self._forget_old(now)

    def settled(self, item: Settling) -> None:
        """Remembers the outcome of a call whose POST was remembered."""
        key = (item.record, item.token)
        if (entry := self._entries.get(key)) is not None:
            entry.settling, entry.at = item, time.monotonic()
            self._entries.move_to_end(key)

    def _forget_old(self, now: float) -> None:
        # Two a POST: one that is added and one more, so that the memory shrinks again.
        for key, entry in list(islice(self._entries.items(), 2)):
            if entry.settling is None:
                self._entries.move_to_end(key)  # still under way
            elif now - entry.at > KEEP or len(self._entries) > MAX_CALLS:
                del self._entries[key]
            else:
                return

    def of_account(self, account: str) -> tuple[list[Posted], list[Settling]]:
        """The POSTs of an account that may have rung, and the outcomes that were recorded, oldest first."""
        entries = [entry for entry in self._entries.values() if entry.account == account]
        rang = [
            entry.posted
            for entry in entries
            if entry.posted is not None and (entry.settling is None or entry.settling.outcome in RANG)
        ]
        return rang, [entry.settling for entry in entries if entry.settling is not None]


async def stop_if_old(store: AsyncStore, memory: PostMemory, current: Generation, worker: str) -> None:
    """Pulls the emergency stop where the store has lost more than ``memory`` holds, as an old backup has.

    Raises StoreUnavailable. A stop and not only this worker's end: others may have started since, and know nothing of what was.
    """
    lost = memory.forgotten(current.was)
    if lost:
        reason = f"Redis went back by {lost:.0f} s, as with an old backup: calls placed since would ring again"
        await store.run(holds.stop(reason, worker))
        log.critical("store.went_back", seconds=round(lost), hint=HINT)
