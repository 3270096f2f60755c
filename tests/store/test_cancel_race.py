"""Cancel against claim and arm, on a real Redis from real threads: a call is canceled or goes out, never both."""

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.call_transitions import Arming, NewCall
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import new_ids

keys = Keys()

TRIES = 10_000
ROUND = 250


def _enqueue(store: Store, count: int) -> list[str]:
    calls = []
    for _ in range(count):
        call_id, extid = new_ids()
        calls.append(NewCall(extid, call_id, "{}"))
    store.run(call_transitions.enqueue(calls, store.settings))
    return [call.extid for call in calls]


def _cancel(settings: Settings, extids: Sequence[str], start: threading.Barrier, canceled: set[str]) -> None:
    store = Store(settings)
    start.wait()
    for at in range(0, len(extids), 5):
        rows = store.run(call_transitions.cancel(extids[at : at + 5]))
        canceled.update(row.record for row in rows if row.outcome == "canceled")
    store.close()


def _work(settings: Settings, start: threading.Barrier, armed: list[str]) -> None:
    store = Store(settings)
    limits = settings.account("default")
    start.wait()
    while claim := store.run(
        call_transitions.claim(settings, "default", limits, epoch="epoch", room=6, horizon=0, attend=0)
    ):
        if not claim.calls:
            break
        items = [Arming(call.record, call.token, call.slot) for call in claim.calls]
        answers = store.run(call_transitions.arm(settings, limits, items, epoch="epoch", worker="w"))
        armed += [item.record for item, answer in zip(items, answers, strict=True) if answer.outcome == "armed"]
    store.close()


@pytest.mark.slow
def test_a_call_is_canceled_or_armed_and_never_both(
    redis_server: EmbeddedRedis, settings: Settings, store: Store
) -> None:
    store.redis.set(keys.EPOCH, "epoch")
    seen: Counter[str] = Counter()
    for _ in range(TRIES // ROUND):
        extids = _enqueue(store, ROUND)
        canceled: set[str] = set()
        armed: list[str] = []
        start = threading.Barrier(3)
        threads = [
            threading.Thread(target=_cancel, args=(settings, extids, start, canceled)),
            threading.Thread(target=_work, args=(settings, start, armed)),
            threading.Thread(target=_work, args=(settings, start, armed)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(armed) == len(set(armed)), "armed by two workers"
        assert canceled.isdisjoint(armed)
        assert canceled | set(armed) == set(extids), "neither canceled nor armed"
        with store.redis.pipeline(transaction=False) as pipe:
            for extid in extids:
                pipe.hget(keys.record(extid), "s")
            states = dict(zip(extids, pipe.execute(), strict=True))
        assert all(states[x] == (b"canceled" if x in canceled else b"submitting") for x in extids)
        seen.update(canceled=len(canceled), armed=len(armed))
    assert seen.total() == TRIES
    assert min(seen["canceled"], seen["armed"]) > TRIES // 50, f"not a race: {dict(seen)}"
