"""The sweeper's rounds: what they remove, and when not yet."""

import time
from types import SimpleNamespace

import pytest

from alodial.settings import Settings
from alodial.store import workers
from alodial.store.client import Store
from alodial_workers.broker import worker_broker
from alodial_workers.sweeper import AWAY, SLOW_EVERY, Sweeper


def test_a_silent_worker_is_forgotten_only_after_redis_has_answered_for_a_minute(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("alodial_workers.sweeper.time", SimpleNamespace(monotonic=lambda: now))
    sweeper = Sweeper(store, settings, worker_broker(settings), "reader", store.server_ms())

    def rounds(seconds: float) -> int:
        """The workers that are left after rounds every AWAY seconds."""
        nonlocal now
        for _ in range(round(seconds / AWAY)):
            now += AWAY
            sweeper.sweep()
        return len(store.call(workers.heartbeats))

    silent_at = store.server_ms() - round(2 * workers.GONE_AFTER * 1000)
    for name in ("one", "two"):
        store.call(workers.write_heartbeat, workers.Heartbeat(name, silent_at, 1, "host", 0))
    assert rounds(SLOW_EVERY - AWAY) == 2, "this process has just begun"
    now += 2 * workers.GONE_AFTER
    assert rounds(SLOW_EVERY) == 2, "Redis was away, and nobody could write a heartbeat"
    assert rounds(2 * SLOW_EVERY) == 0
