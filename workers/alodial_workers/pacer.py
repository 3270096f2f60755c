"""A thread in every worker process, no leader: moves due calls, wakes workers for unattended accounts, writes the heartbeat."""

import threading
import time
from collections.abc import Callable

import structlog

from alodial.errors import AlodialError, StoreUnavailable
from alodial.store import call_transitions, inbox, workers
from alodial.store.client import Store
from alodial.wakeup import Waker

from .hopper import HopperFiller

log = structlog.get_logger("alodial.pacer")

TICK = 0.25
"""Longest sleep, seconds: a lost wake-up is repeated after at most this and the wake-up key's own second."""

AWAY_TICK = 1.0
HEARTBEAT = 2.0
"""Seconds between heartbeats."""


class Pacer(threading.Thread):
    """Runs until ``stop``. Logs once when the store goes away and once when it is back."""

    def __init__(
        self, store: Store, waker: Waker, filler: HopperFiller, heartbeat: Callable[[], workers.Heartbeat]
    ) -> None:
        super().__init__(name="pacer", daemon=True)
        self._store = store
        self._waker = waker
        self._filler = filler
        self._heartbeat = heartbeat
        self._ended = threading.Event()
        self._away = False
        self._next_heartbeat = 0.0

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                pause = self._tick()
                if self._away:
                    self._away = False
                    log.info("store.recovered")
            except StoreUnavailable as exc:
                if not self._away:
                    self._away = True
                    log.error("store.unavailable", error=str(exc))
                pause = AWAY_TICK
            except AlodialError as exc:
                log.error("pacer.failed", error=str(exc))
                pause = AWAY_TICK
            except Exception:  # a pacer that dies strands due calls: log it and go on
                log.exception("pacer.failed")
                pause = AWAY_TICK
            self._ended.wait(pause)

    def _tick(self) -> float:
        pace = self._store.run(call_transitions.pace(self._filler.rooms()))
        self._waker.submit(pace.accounts)
        for hopper in pace.hoppers:
            self._waker.submit(self._filler.fill(hopper))
        if self._store.call(inbox.claim_wakeup):
            self._waker.collect()
        if time.monotonic() >= self._next_heartbeat:
            self._store.call(workers.write_heartbeat, self._heartbeat())
            self._next_heartbeat = time.monotonic() + HEARTBEAT
        if pace.next_due is None:
            return TICK
        return min(TICK, max(0.001, pace.next_due))

    def stop(self) -> None:
        self._ended.set()
