"""Every script whose answer is lost on the way and which is run again: the same answer, the same store."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.exceptions

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, inbox
from alodial.store.archiving import EndedCall, restore, shorten
from alodial.store.call_transitions import Applying, Arming, Claimed, NewCall, Settling
from alodial.store.client import Operation, Store
from alodial.store.connect import connect
from alodial.store.keys import Keys
from alodial.store.scripts import NAMES
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import new_ids

keys = Keys()


class Lossy(Store):
    """A store on which the answer of the next script never comes."""

    def lose_next(self) -> None:
        execute = self._connections.execute

        def lost(*words: Any) -> Any:
            self._connections.execute = execute  # type: ignore[method-assign]  # the fault is in this one store
            execute(*words)
            raise redis.exceptions.ConnectionError("Connection closed by server.")

        self._connections.execute = lost  # type: ignore[method-assign]  # as above


@pytest.fixture
def lossy(redis_server: EmbeddedRedis, settings: Settings) -> Lossy:
    store = Lossy(settings, client=connect(redis_server.url, repeat=0))
    store.redis.set(keys.EPOCH, "epoch")
    for name in NAMES:
        store.redis.script_load(store._scripts[name].text)
    return store


def everything(store: Store) -> dict[bytes, Any]:
    """All keys and what they hold, but for the moments at which a pacer looked at the clock and a script at the memory."""
    client: Any = store.redis
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": client.hgetall,
        b"string": client.get,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"set": client.smembers,
        b"stream": client.xrange,
    }
    names = [name for name in sorted(client.keys()) if not name.endswith(b":seen") and b":room:" not in name]
    return {name: read[client.type(name)](name) for name in names}


def lose_and_repeat(store: Lossy, op: Operation[Any]) -> tuple[Any, Any]:
    """The answer that was lost and the one that came; the store must not differ between them."""
    answers = []
    kept = Operation(op.script, op.args, lambda raw: answers.append(op.read(raw)))
    store.lose_next()
    with pytest.raises(StoreUnavailable):
        store.run(kept)
    before = everything(store)
    again = store.run(op)
    assert everything(store) == before
    return before, again


def enqueued(store: Store, **options: Any) -> str:
    call_id, extid = new_ids()
    store.run(call_transitions.enqueue([NewCall(extid, call_id, "{}", **options)], store.settings))
    return extid


def claimed(store: Store) -> Claimed:
    limits = store.settings.account("default")
    claim = store.run(
        call_transitions.claim(store.settings, "default", limits, epoch="epoch", room=1, horizon=0, attend=0)
    )
    return claim.calls[0]


def arming(store: Store, call: Claimed) -> Operation[Any]:
    limits = store.settings.account("default")
    return call_transitions.arm(
        store.settings, limits, [Arming(call.record, call.token, call.slot)], epoch="epoch", worker="w"
    )


def armed(store: Store, **options: Any) -> Claimed:
    enqueued(store, **options)
    call = claimed(store)
    store.run(arming(store, call))
    return call


def settling(store: Store, call: Claimed, outcome: call_transitions.SettleOutcome) -> Operation[Any]:
    item = Settling(call.record, call.token, outcome, 1, 0, '{"status":200}', "code")
    return call_transitions.settle(store.settings, store.settings.account("default"), [item])


def test_enqueue_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    call_id, extid = new_ids()
    op = call_transitions.enqueue([NewCall(extid, call_id, "{}", key="k", digest="d")], lossy.settings)
    _, (ring, rows) = lose_and_repeat(lossy, op)
    assert rows == [call_transitions.Enqueued("created", extid, call_id, rows[0].state, extid)]
    assert ring == [], "the bell was set by the first run; the pacer rings within a second"


def test_a_lost_claim_leaves_calls_that_the_sweeper_requeues(lossy: Lossy) -> None:
    extids = [enqueued(lossy), enqueued(lossy)]
    limits = lossy.settings.account("default")
    lossy.lose_next()
    with pytest.raises(StoreUnavailable):
        lossy.run(call_transitions.claim(lossy.settings, "default", limits, epoch="epoch", room=1, horizon=0, attend=0))
    assert claimed(lossy).record == extids[1]
    lossy.redis.zadd(keys.LEASE, {extids[0]: 1})
    _, swept = lossy.run(call_transitions.sweep(lossy.settings))
    assert [(row.action, row.record) for row in swept] == [("given_back", extids[0])]
    assert claimed(lossy).record == extids[0]


def test_claim_repeated_gives_the_same_calls(lossy: Lossy) -> None:
    extids = [enqueued(lossy) for _ in range(3)]
    limits = lossy.settings.account("default")
    op = call_transitions.claim(lossy.settings, "default", limits, epoch="epoch", room=2, horizon=1, attend=0)
    _, again = lose_and_repeat(lossy, op)
    assert [call.record for call in again.calls] == extids[:2]


def test_confirm_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    enqueued(lossy)
    _, again = lose_and_repeat(lossy, call_transitions.confirm(claimed(lossy)))
    assert again is True


def test_arm_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    enqueued(lossy)
    _, again = lose_and_repeat(lossy, arming(lossy, claimed(lossy)))
    assert [row.outcome for row in again] == ["armed"]


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        ("taken", "submitted"),
        ("rejected", "rejected"),
        ("unconfirmed", "unconfirmed"),
        ("retry", "scheduled"),
        ("auth", "auth"),
        ("unsent", "scheduled"),
        ("release", "queued"),
    ],
)
def test_settle_repeated_gives_the_same_answer(
    lossy: Lossy, outcome: call_transitions.SettleOutcome, answer: str
) -> None:
    _, again = lose_and_repeat(lossy, settling(lossy, armed(lossy), outcome))
    assert again == [answer]


def test_settle_of_an_automatic_redial_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    _, again = lose_and_repeat(lossy, settling(lossy, armed(lossy, on_unconfirmed="redial"), "unconfirmed"))
    assert again == ["scheduled"]


@pytest.mark.parametrize(("disposition", "answer"), [("answered", "completed"), ("busy", "redial")])
def test_apply_repeated_gives_the_same_answer(lossy: Lossy, disposition: str, answer: str) -> None:
    call = armed(lossy, redial='{"max_attempts":2,"delays":{"busy":[60]}}')
    op = call_transitions.apply_results([Applying(call.extid, "{}", "digest", disposition)])
    _, again = lose_and_repeat(lossy, op)
    assert [row.outcome for row in again] == [answer]
    third = call_transitions.apply_results([Applying(call.extid, "{}", "digest", disposition)])
    [twice] = lossy.run(third)
    assert twice.outcome == "duplicate", (op.args, third.args)


def test_a_correction_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    call = armed(lossy)
    lossy.run(call_transitions.apply_results([Applying(call.extid, "{}", "first", "answered")]))
    _, again = lose_and_repeat(lossy, call_transitions.apply_results([Applying(call.extid, "{}", "second", "busy")]))
    assert [row.outcome for row in again] == ["corrected"]


def test_cancel_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    _, again = lose_and_repeat(lossy, call_transitions.cancel([enqueued(lossy)]))
    assert [row.outcome for row in again] == ["canceled"]


def test_a_shorter_life_given_twice_is_the_same(lossy: Lossy) -> None:
    extid = enqueued(lossy)
    lossy.run(call_transitions.cancel([extid]))
    version = int(lossy.redis.hget(keys.record(extid), "v") or 0)
    now = lossy.server_ms()
    ended, changed = EndedCall(extid, version, now), EndedCall(extid, version + 1, now)
    lose_and_repeat(lossy, shorten([changed], 3600))
    assert lossy.redis.ttl(keys.record(extid)) > 3600, "the record has changed since it was read"
    _, again = lose_and_repeat(lossy, shorten([ended], 3600))
    assert again == [True]
    assert lossy.redis.ttl(keys.record(extid)) <= 3600
    live = enqueued(lossy)
    assert lossy.run(shorten([EndedCall(live, 1, now)], 3600)) == [False]
    assert lossy.redis.ttl(keys.record(live)) == -1


def test_an_archived_record_put_back_twice_is_the_same(lossy: Lossy) -> None:
    extid = enqueued(lossy)
    lossy.run(call_transitions.cancel([extid]))
    record = lossy.redis.hgetall(keys.record(extid))
    lossy.redis.delete(keys.record(extid))
    _, again = lose_and_repeat(lossy, restore([(extid, record)], 3600))
    assert again == [True]
    assert lossy.redis.hgetall(keys.record(extid)) == record


def test_pace_repeated_moves_nothing(lossy: Lossy) -> None:
    extid = enqueued(lossy, not_before=4_000_000_000_000)
    lossy.redis.zadd(keys.DUE, {extid: 1})
    _, again = lose_and_repeat(lossy, call_transitions.pace())
    assert again.moved == 0
    assert claimed(lossy).record == extid


def test_sweep_repeated_moves_nothing(lossy: Lossy) -> None:
    call = armed(lossy)
    lossy.redis.zadd(keys.LEASE, {call.record: 1})
    _, again = lose_and_repeat(lossy, call_transitions.sweep(lossy.settings))
    assert again == (False, [])
    assert lossy.redis.hget(keys.record(call.record), "s") == b"unconfirmed"


def test_park_keeps_a_body_once(lossy: Lossy) -> None:
    inbox.create_group(lossy.redis, keys)
    lossy.redis.xadd(keys.INBOX, {"b": b"?", "t": "text/plain"})
    [entry] = inbox.read_new(lossy.redis, keys, "reader", 1)
    op = inbox.park("ack", entry.id, [inbox.ParkedResult("unreadable", entry.body, "text/plain", "why")], 600)
    lose_and_repeat(lossy, op)
    assert lossy.redis.xlen(keys.DEAD) == 1


def test_resume_repeated_gives_the_same_answer(lossy: Lossy) -> None:
    enqueued(lossy)
    lossy.redis.set(keys.STOP, "operator")
    lose_and_repeat(lossy, call_transitions.resume())
    assert not lossy.redis.exists(keys.STOP)
