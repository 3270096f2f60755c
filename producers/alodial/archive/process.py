"""The process of ``alodial archive``: the lease, the loop, and what it does while something is away."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine

from ..errors import ArchiveUnavailable, ConfigurationError, StoreUnavailable
from ..store import archiving, shared_work
from ..store.client import Store
from .archiver import Archiver
from .migrate import migrate
from .retention import RetentionPolicy, apply_policy

log = structlog.get_logger("alodial.archive")

LEASE: Final = 15.0
RENEW: Final = 5.0
"""Seconds between two renewals of the lease, and between two looks of a process that waits for it."""

FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
"""Seconds until a failed step is repeated: doubled from the first to the longest."""

POLICY_EVERY: Final = 3600.0
"""Seconds between two looks at what is old enough to be masked or deleted."""


class ArchiveProcess:
    """Archives until :meth:`request_stop`. Two of them may run: one works, the other waits to take over."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        archiver: Archiver,
        name: str,
        policy: RetentionPolicy,
        *,
        lease: float = LEASE,
    ) -> None:
        self._store = store
        self._engine = engine
        self._archiver = archiver
        self._name = name
        self._policy = policy
        self._lease = lease
        self._stop = threading.Event()
        self._renewed = self._swept = float("-inf")
        self._working = False

    def request_stop(self) -> None:
        """Ends :meth:`run` after the step under way."""
        self._stop.set()

    def run(self) -> None:
        """Works until it is asked to stop; then it gives the lease back. Raises ConfigurationError for an archive of a later
        version."""
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self._tried(self._round, pause)
        self._give_back()
        log.info("archive.stopped")

    def _tried(self, work: Callable[[], float], pause: float) -> float:
        """Runs a round; returns the seconds until the next."""
        try:
            return work()
        except StoreUnavailable as exc:
            log.warning("archive.store_unavailable", error=str(exc))
        except ArchiveUnavailable as exc:
            log.error("archive.unavailable", trouble=exc.trouble, error=str(exc))
            self._note(str(exc), exc.trouble)
        except ConfigurationError:
            raise
        except Exception as exc:
            # It goes on as every loop does: a restart by a supervisor would meet the same batch.
            log.exception("archive.failed", error=type(exc).__name__)
            self._note(f"unexpected error: {type(exc).__name__}", "failed")
        self._working = False
        return min(MAX_PAUSE, pause * 2 if pause >= FIRST_PAUSE else FIRST_PAUSE)

    def _round(self) -> float:
        if time.monotonic() - self._renewed > min(RENEW, self._lease / 4) and not self._hold():
            return min(RENEW, self._lease / 4)
        if not self._working:
            migrate(self._engine)
            self._archiver.begin()
            self._working = True
            log.info("archive.started", process=self._name)
        self._archiver.step()
        if time.monotonic() - self._swept > POLICY_EVERY:
            self._swept = time.monotonic()
            done = apply_policy(self._engine, self._policy, self._store.server_ms())
            if done.days or done.masked:
                log.info("archive.policy_applied", days=done.days, masked=done.masked)
        return 0.0

    def _hold(self) -> bool:
        held = self._store.run(shared_work.hold(archiving.GROUP, self._name, lease=self._lease))
        if held.outcome == "other":
            if self._working:
                log.warning("archive.lease_lost")
            self._working = False
            return False
        self._renewed = time.monotonic()
        return True

    def _note(self, error: str, trouble: str) -> None:
        try:
            self._store.call(archiving.write_trouble, error, trouble, self._store.server_ms())
        except StoreUnavailable as exc:
            log.warning("archive.store_unavailable", error=str(exc))

    def _give_back(self) -> None:
        try:
            if self._renewed > float("-inf"):
                self._store.run(shared_work.hold(archiving.GROUP, self._name, lease=0))
        except StoreUnavailable as exc:
            log.warning("archive.store_unavailable", error=str(exc))
