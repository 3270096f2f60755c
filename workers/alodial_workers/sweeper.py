"""A thread in every worker process, no leader: recovers calls and results abandoned by dead workers, within 30 s."""

import random
import time
from collections.abc import Callable
from functools import partial

import structlog
from dramatiq.brokers.redis import RedisBroker

from alodial.campaigns.calendar import renew_calendars
from alodial.settings import Settings
from alodial.store import call_transitions, campaigns, events, inbox, webhooks, workers
from alodial.store.client import Store, StoreErrors
from alodial.store.list_trim import trim_lists
from alodial.store.supervision import SupervisedThread, Supervisor, process_loops

from .broker import discard_abandoned
from .collect import recover, retry_orphans
from .hopper import purge

log = structlog.get_logger("alodial.sweeper")

EVERY = 4.0
"""Seconds between sweeps, with jitter up to 5: an orphan's lease of 15 s and one sweep stay under 30 s."""

INBOX_IDLE = 10.0
"""Seconds after which a result that a collector has read and not finished is taken over."""

SLOW_EVERY = 60.0
"""Seconds between the rounds that remove what is no longer needed."""

AWAY = 15.0
"""Seconds between two rounds after which Redis, or this process, was away: by then every worker looks dead."""


class Sweeper(SupervisedThread):
    """Sweeps once at its start, then every few seconds. Each part is tried by itself, so that none stops the others.

    ``since_ms`` is the worker's start by Redis' clock.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        broker: RedisBroker,
        reader: str,
        since_ms: int,
        supervisor: Supervisor = process_loops,
    ) -> None:
        super().__init__("sweeper", self._step, supervisor)
        self._store = store
        self._settings = settings
        self._broker = broker
        self._reader = reader
        self._since_ms = since_ms
        self._next_slow = time.monotonic()
        self._swept_at = self._forget_workers_at = time.monotonic() + SLOW_EVERY
        self._is_first = True
        self._max_events = settings.events_max_bytes // events.EVENT_BYTES

    def _step(self) -> float:
        self.sweep()
        if self._is_first:
            # That round may have found that nobody looked at the clock for long; by the next one the pacer has.
            self._is_first = False
            return 1.0
        return EVERY + random.random()

    def sweep(self) -> None:
        """Runs one round. Raises StoreUnavailable."""
        began = time.monotonic()
        if began - self._swept_at > AWAY:
            # Those that live get time to say so: claims wait only for workers with a heartbeat (primary.lua).
            self._forget_workers_at = began + SLOW_EVERY
        self._try("calls", self._sweep_calls)
        self._try("results", self._recover_results)
        self._try("orphans", lambda: retry_orphans(self._store, self._settings, self._store.server_ms()))
        self._try("events", self._trim)
        for campaign in self._store.call(campaigns.purging):
            self._supervisor.attempt(
                f"sweeper.campaign {campaign}", partial(self._purge, campaign), label="sweeper.campaign"
            )
        if time.monotonic() >= self._next_slow:
            self._next_slow = time.monotonic() + SLOW_EVERY
            self._try("readers", lambda: self._store.call(inbox.forget_readers, 600))
            if began >= self._forget_workers_at:
                self._try("workers", lambda: self._store.call(workers.forget_silent))
            self._try("lists", lambda: self._store.call(inbox.forget_old, self._settings.call_retention))
            self._try("calls.lists", lambda: trim_lists(self._store, self._settings))
            self._try("wakeups", self._discard_abandoned)
            self._try("calendars", lambda: renew_calendars(self._store, self._settings, self._since_ms))
            self._try("campaigns", lambda: self._store.call(campaigns.forget_gone))
            self._try("webhooks", lambda: self._store.call(webhooks.forget_old))
            self._try("unread", self._check_unread_events)
        self._swept_at = time.monotonic()

    def _try(self, part: str, work: Callable[[], object]) -> None:
        self._supervisor.attempt(f"sweeper.{part}", work)

    def _sweep_calls(self) -> None:
        more = True
        while more and not self.ended.is_set():
            more, rows = self._store.run(call_transitions.sweep(self._settings))
            for row in rows:
                _report(row)

    def _recover_results(self) -> None:
        while recover(self._store, self._settings, self._reader, INBOX_IDLE) and not self.ended.is_set():
            pass

    def _purge(self, campaign: str) -> None:
        while purge(self._store, campaign) and not self.ended.is_set():
            pass

    def _discard_abandoned(self) -> None:
        with StoreErrors(self._store.settings):
            discard_abandoned(self._broker)

    def _check_unread_events(self) -> None:
        self._max_events = self._store.call(events.length_within, self._settings.events_max_bytes)
        self._warn_of_unread_events()

    def _warn_of_unread_events(self) -> None:
        """Logs that a group comes near the bound at which events are dropped before it has read them."""
        now = self._store.server_ms()
        unread = self._store.call(events.read_unread, now)
        if unread is not None and unread.share >= events.ALARM_SHARE:
            log.warning("events.unread", group=unread.group, events=unread.count, oldest=round(unread.oldest))

    def _trim(self) -> None:
        # 20 steps of 5,000 a sweep keep up with 20,000 events a second and block Redis for 1 ms at a time.
        settings = self._settings
        for _ in range(20):
            op = events.trim(settings.events_keep, max_age=settings.events_max_age, max_length=self._max_events)
            trimmed = self._store.run(op)
            if trimmed.dropped:
                log.error("events.dropped", events=trimmed.dropped, groups=trimmed.groups, length=trimmed.length)
            if trimmed.removed + trimmed.dropped == 0:
                break


def _report(row: call_transitions.Swept) -> None:
    """Logs what a sweep did to a call."""
    ids = {"call_id": row.id, "extid": row.record, "account": row.account, "attempt": row.attempt, "by": "sweeper"}
    match row.action:
        case "given_back":
            log.info("call.requeued", **ids)
        case "expired":
            log.info("call.expired", **ids)
        case "unconfirmed":
            log.warning("call.unconfirmed", **ids, code="worker_lost")
        case "timed_out":
            log.warning("call.timed_out", **ids)
        case other:
            log.error("call.failed", **ids, code=other)
