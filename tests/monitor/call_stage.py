"""Calls brought to any state by the real scripts, as a worker would; without one, so that nothing moves by itself."""

import json
import time
from typing import Any

from alodial import CallQueue
from alodial.calls.outcomes import QueuedCall
from alodial.store import call_transitions, redis_checks
from alodial.store.call_transitions import Applying, Arming, SettleOutcome, Settling
from alodial.store.keys import Keys

keys = Keys()

TWO_WAY: dict[str, Any] = {
    "callfrom": {"phone": "712037006"},
    "callto": [{"phone": "994412860"}, {"phone": "977076909"}],
}

RESULT: dict[str, Any] = {
    "call_ids": [17],
    "from_numbers": ["712037006"],
    "to_numbers": ["994412860"],
    "trunk_number": "712000000",
    "begin_time": "2026-11-23T09:00:00Z",
    "answer_time": "2026-11-23T09:00:07Z",
    "end_time": "2026-11-23T09:00:37Z",
    "duration": 30,
    "dialstatus": "ANSWER",
    "record": "https://records.example/17.wav",
    "attempts": [],
}


class Stage:
    """``worker`` is the name under which calls are submitted."""

    def __init__(self, queue: CallQueue, worker: str = "w1") -> None:
        self.queue, self.store, self.worker = queue, queue.store, worker
        self.settings = queue.settings
        self.limits = self.settings.account("default")
        self.epoch = redis_checks.epoch(self.store.redis, keys)

    def place(self, body: dict[str, Any] | None = None, **options: Any) -> QueuedCall:
        return self.queue.enqueue(TWO_WAY if body is None else body, **options)

    def arm(self) -> call_transitions.Claimed:
        """Takes the next ready call up to ``submitting``."""
        claim = self.store.run(
            call_transitions.claim(self.settings, "default", self.limits, epoch=self.epoch, room=1, horizon=1, attend=0)
        )
        call = claim.calls[0]
        items = [Arming(call.record, call.token, call.slot)]
        (armed,) = self.store.run(
            call_transitions.arm(self.settings, self.limits, items, epoch=self.epoch, worker=self.worker)
        )
        assert armed.outcome == "armed"
        return call

    def settle(
        self, outcome: SettleOutcome, code: str = "", *, body: str = "", delay: float = 0
    ) -> call_transitions.Claimed:
        """Submits the next ready call, with this outcome of its POST."""
        call = self.arm()
        answer = {"outcome": outcome, "code": code, "ms": 12, "status": 200, "body": body}
        settling = Settling(call.record, call.token, outcome, delay=delay, answer=json.dumps(answer), code=code)
        self.store.run(call_transitions.settle(self.settings, self.limits, [settling]))
        return call

    def result(self, extid: str, disposition: str = "answered", **changes: Any) -> None:
        text = json.dumps(RESULT | changes)
        self.store.run(
            call_transitions.apply_results([Applying(extid, text, f"{hash(text) & 0xFFFFFF:032x}", disposition, 30)])
        )

    def unconfirmed(self, code: str = "answer_lost", **options: Any) -> QueuedCall:
        placed = self.place(**options)
        self.settle("unconfirmed", code)
        return placed

    def completed(self, disposition: str = "answered", **options: Any) -> QueuedCall:
        placed = self.place(**options)
        self.result(self.settle("taken").extid, disposition)
        return placed

    def rejected(self, code: str = "status_400", body: str = "", **options: Any) -> QueuedCall:
        placed = self.place(**options)
        self.settle("rejected", code, body=body)
        return placed

    def beat(self, silent: float = 0.0) -> None:
        """A heartbeat of the worker, that many seconds old."""
        told = {"name": self.worker, "at": int((time.time() - silent) * 1000), "pid": 1, "host": "h", "in_flight": 0}
        self.store.redis.hset(keys.WORKERS, self.worker, json.dumps(told))
