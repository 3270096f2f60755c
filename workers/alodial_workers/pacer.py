"""Threads in every worker process, no leader: move due calls, wake workers for unattended work.

Each is a loop of its own, so that a trouble of one leaves the others alone.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from alodial.campaigns.errors import DamagedRows
from alodial.errors import StoreUnavailable
from alodial.store import call_transitions, campaign_transitions, inbox
from alodial.store.client import Store
from alodial.store.supervision import SupervisedThread, Supervisor, process_loops
from alodial.wakeup import Waker

from .hopper import HopperFiller

log = structlog.get_logger("alodial.pacer")

TICK: Final = 0.5
"""Longest sleep, seconds, while there is work, of one worker's pacer; those of several share the looks, up to CALM_TICK each.
What is due sooner is known by then: a retry waits for half a second at least."""

FILL_TICK: Final = 0.25
"""The same while hoppers are filled: without a rate limit one is empty so soon."""

CALM_TICK: Final = 1.0
"""The same while nothing is ready and no campaign lives. Work that comes to this process ends it."""

CALM_AFTER: Final = 5.0
"""Seconds after the last work until it is calm: what failed comes back soon."""

RESULTS_TICK: Final = 2.0
"""Seconds between looks at whether results wait and nobody collects: a callback wakes the collector itself."""


class Pacer(SupervisedThread):
    """Moves due calls, keeps the hoppers filled and wakes workers. Logs once when the store goes away and when it is back.

    ``works`` says whether this process has work.
    """

    def __init__(
        self,
        store: Store,
        waker: Waker,
        filler: HopperFiller,
        supervisor: Supervisor = process_loops,
        *,
        works: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__("pacer", self._round, supervisor)
        self._works = works
        self._calm_from = time.monotonic()
        self._roused = threading.Event()
        self._rests = False
        self._store = store
        self._waker = waker
        self._filler = filler
        self._away = False
        self._paced_at: float | None = None

    def rouse(self) -> None:
        """Ends the long sleep of a calm pacer; safe in threads, and next to nothing where it does not sleep so long."""
        if self._rests:
            self._roused.set()

    def stop(self, timeout: float = 0.0) -> None:
        """As SupervisedThread's, in the midst of a long sleep too."""
        self.ended.set()
        self._roused.set()
        super().stop(timeout)

    def _round(self) -> float:
        pause = self.tick()
        if pause < CALM_TICK:
            return pause
        self._rests = True
        if self._roused.wait(pause):
            self._calm_from = time.monotonic() + CALM_AFTER
        self._rests = False
        self._roused.clear()
        return 0.0

    def tick(self) -> float:
        """Runs one round and returns the seconds to the next. Raises StoreUnavailable."""
        try:
            pause = self._tick()
        except StoreUnavailable as exc:
            if not self._away:
                self._away = True
                log.error("store.unavailable", error=str(exc))
            raise
        if self._away:
            self._away = False
            log.info("store.recovered")
        return pause

    def _tick(self) -> float:
        pace = self._store.run(call_transitions.pace(self._filler.rooms()))
        self._report_step(pace.step)
        self._waker.submit(pace.accounts)
        for hopper in pace.hoppers:
            self._fill(hopper)
        now = time.monotonic()
        if pace.busy or pace.moved or self._works():
            self._calm_from = now + CALM_AFTER
        tick = FILL_TICK if pace.hoppers else TICK
        longest = min(CALM_TICK, tick * max(1, pace.workers)) if now < self._calm_from else CALM_TICK
        if pace.next_due is None:
            return longest
        return min(longest, max(0.001, pace.next_due))

    def _report_step(self, step: float) -> None:
        """Logs that Redis' clock was set, which its own time alone cannot tell from a Redis that was away."""
        now, before = time.monotonic(), self._paced_at
        self._paced_at = now
        if step and before is not None and abs(jump := step - (now - before)) > 1:
            log.warning("store.clock_jumped", seconds=round(jump, 3), hint="leases and holds were moved along with it")
        elif step:
            log.info("store.leases_extended", seconds=round(step, 3))

    def _fill(self, hopper: call_transitions.HopperNeed) -> None:
        """Fills one campaign's hopper. Whatever is wrong with it stops no other campaign, and no single call."""

        def fill() -> None:
            try:
                self._waker.submit(self._filler.fill(hopper))
            except DamagedRows as exc:
                log.error("campaign.rows_damaged", campaign=hopper.campaign, problem=str(exc))
                self._store.run(
                    campaign_transitions.steer(hopper.campaign, "pause", actor="alodial", reason="rows_damaged")
                )

        self._supervisor.attempt(f"hopper of {hopper.campaign}", fill, label="hopper")


class WakeupSender(SupervisedThread):
    """Wakes a collector while results wait in the inbox."""

    def __init__(self, store: Store, waker: Waker, supervisor: Supervisor = process_loops) -> None:
        def step() -> float:
            if store.call(inbox.claim_wakeup):
                waker.collect()
            return RESULTS_TICK

        super().__init__("collector-wakeups", step, supervisor)
