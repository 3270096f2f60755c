"""What a worker does when this machine lets it open no connections: it pauses, says so, and leaves the work to other workers."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from alodial.observability.finding_texts import REMEDIES
from alodial.settings.open_files import file_limit

log = structlog.get_logger("alodial.worker")

FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 30.0
"""Seconds without new connections: doubling from the first to the longest while none comes about."""

EARLY: Final = 0.01
"""Seconds by which a timer may end before the pause does: what fails then has waited for it."""

REMEMBERED: Final = 60.0
"""Seconds after the last such error for which it is a finding, and until it is logged once more."""


class LocalTrouble:
    """Counts errors of our own machine, by code. Of one loop; :meth:`findings` may be read by other threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._times = 0
        self._until = 0.0
        self._last: dict[str, float] = {}
        self._logged: dict[str, float] = {}

    def note(self, code: str) -> None:
        """Takes an error down and begins a pause, unless one is under way."""
        now = self._now()
        self._last[code] = now
        if now >= self._until - EARLY:
            self._times += 1
            self._until = now + min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(self._times - 1, 30))
        if now - self._logged.get(code, -REMEMBERED) >= REMEMBERED:
            self._logged[code] = now
            log.error("worker.cannot_connect", code=code, hint=REMEDIES[code])

    def passed(self) -> None:
        """An exchange was possible. What was under way when the pause began counts no further."""
        if self._times and self.pause <= EARLY:
            self._times = 0

    @property
    def pause(self) -> float:
        """Seconds that are left of the pause, 0 without one."""
        return max(0.0, self._until - self._now()) if self._times else 0.0

    def bounded(self, limit: int) -> int:
        """How many may be under way: ``limit``, and a single one until that shows that it can connect."""
        return 1 if self._times else limit

    def findings(self) -> dict[str, str]:
        """The codes of the last minute, each with what it is: for files their limit, that of the process."""
        oldest = self._now() - REMEMBERED
        recent = [code for code, at in tuple(self._last.items()) if at > oldest]
        return {code: str(file_limit()) if code == "out_of_files" else "" for code in recent}
