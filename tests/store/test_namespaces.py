"""Installations with different namespaces on one Redis: what each writes is its own."""

import asyncio
from typing import Any

import pytest
from redis.crc import key_slot

from alodial import CallQueue, TwoWayCall
from alodial.do_not_call import DoNotCall
from alodial.errors import ConfigurationError
from alodial.key_limits import limits_from_text
from alodial.settings import AccountSettings, Settings, read_settings
from alodial.store import (
    call_transitions,
    inbox,
    key_records,
    log_stream,
    overview,
    redis_checks,
    sessions,
    webhooks,
    workers,
)
from alodial.store.call_filter import CallFilter
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.client import AsyncStore, Store
from alodial.store.inbox import RawResult
from alodial.store.keys import Keys, slot_of
from alodial.wakeup import Waker

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
LIMITS = AccountSettings(calls_per_second=0, max_concurrent_calls=5)
CAMPAIGN = {"name": "spring", "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}}


def a_whole_life(settings: Settings) -> None:
    """Something of every kind that an installation keeps in Redis."""
    store = Store(settings)
    with CallQueue(settings=settings, store=store) as queue:
        epoch = redis_checks.epoch(store.redis, store.keys)
        call = queue.enqueue(CALL, idempotency_key="k", reference="order 5")
        store.run(call_transitions.pace())
        asked = call_transitions.claim(settings, "default", LIMITS, epoch=epoch, room=5, horizon=1, attend=1)
        (claimed,) = store.run(asked).calls
        arming = [Arming(claimed.record, claimed.token, claimed.slot)]
        store.run(call_transitions.arm(settings, LIMITS, arming, epoch=epoch, worker="w"))
        store.run(call_transitions.settle(settings, LIMITS, [Settling(claimed.record, claimed.token, "taken")]))
        store.run(call_transitions.apply_results([Applying(claimed.extid, "{}", "digest", "answered")]))
        assert queue.get(call.id).state == "completed"
        queue.enqueue(CALL)
        list(queue.events("billing", block=0))
        queue.submit_campaign(["+998901234567"], CAMPAIGN)
        DoNotCall(store).add(["+998907654321"], reason="asked", actor="shop")
    chosen: Any = {"own": True, "limits": {}, "base": limits_from_text(""), "expires": None, "actor": "me", "now": 1}
    record, _ = key_records.new_record("shop", ("submit",), **chosen)
    store.run_steps(key_records.create, record)
    store.call(sessions.offer_link, "Aziza")
    store.call(inbox.create_group)
    store.call(workers.write_heartbeat, workers.Heartbeat("w:1", store.server_ms(), 1, "w", 0))
    store.call(webhooks.put, "5e55f6c65e0e", [("e1", b"{}")])
    log_stream.LogWriter(store.redis, store.keys, "p", 100).append(0, [b"{}"])
    asyncio.run(a_callback(settings))
    waker = Waker(settings)
    waker.submit(["default"])
    waker.close()
    store.close()


async def a_callback(settings: Settings) -> None:
    store = AsyncStore(settings)
    await store.call(inbox.put, [RawResult(b"{}", "application/json")], None)
    await store.aclose()


def contents(client: Any) -> dict[bytes, bytes]:
    """Each key that stays with its value as Redis packs it."""
    return {key: client.dump(key) for key in client.keys("*") if client.pttl(key) == -1 or client.pttl(key) >= 5000}


def within(settings: Settings, namespace: str) -> Settings:
    return settings.model_copy(update={"namespace": namespace})


def test_no_key_of_a_whole_life_is_outside_of_the_namespace(settings: Settings, store: Store) -> None:
    a_whole_life(within(settings, "sales-2"))
    names = {key.decode() for key in contents(store.redis)}
    keys = Keys("sales-2")
    outside = {name for name in names if not name.startswith(keys.PREFIX)} - {keys.EVENTS}
    assert len(names) > 40
    assert outside == set()
    assert {slot_of(name) for name in names} == {slot_of("sales-2:events")}


def test_two_installations_on_a_redis_see_and_change_nothing_of_each_other(settings: Settings, store: Store) -> None:
    ours, theirs = within(settings, "alodial"), within(settings, "alodial-2")
    a_whole_life(ours)
    before = contents(store.redis)
    other = Store(theirs)
    with CallQueue(settings=theirs, store=other) as queue:
        assert queue.calls(CallFilter()).calls == []
        assert queue.campaigns.list().campaigns == []
        assert DoNotCall(other).count() == 0
        assert other.run_steps(key_records.read_all) == {}
        assert other.call(log_stream.page, log_stream.LogFilter()).lines == []
        seen = other.call(overview.read, theirs)
        assert (seen.workers, seen.inbox, sum(seen.calls.values())) == ((), 0, 0)
    a_whole_life(theirs)
    after = contents(store.redis)
    assert {key: after.get(key) for key in before} == before
    assert len(after) > 1.9 * len(before)
    other.close()


def test_two_queues_of_a_process_have_calls_of_their_own(settings: Settings) -> None:
    url = settings.redis_url.get_secret_value()
    with CallQueue(url) as ours, CallQueue(url, namespace="sales") as theirs:
        call = theirs.enqueue(CALL)
        assert ours.calls(CallFilter()).calls == []
        assert [row.id for row in theirs.calls(CallFilter()).calls] == [call.id]


@pytest.mark.parametrize("namespace", ["alodial", "sales", "a", "A-1_b", "x" * 40])
def test_the_stream_and_every_key_of_a_namespace_are_in_one_slot(namespace: str) -> None:
    keys = Keys(namespace)
    assert f"{namespace}:events" == keys.EVENTS
    assert keys.PREFIX.startswith(f"{namespace}:{{")
    assert slot_of(keys.record("777000111")) == slot_of(keys.EVENTS) == key_slot(keys.EVENTS.encode())


def test_the_default_namespace_has_the_names_of_older_versions() -> None:
    keys = Keys()
    assert (keys.namespace, keys.PREFIX, keys.EVENTS) == ("alodial", "alodial:{dial}:", "alodial:events")
    assert (keys.BROKER_NAMESPACE, slot_of(keys.EVENTS)) == ("alodial:broker", 1000)


def test_two_installations_with_one_folder_keep_their_files_apart(settings: Settings) -> None:
    folders = {
        folder
        for name in ("alodial", "uploads", "sales")
        for folder in (within(settings, name).spool_folder, within(settings, name).upload_folder)
    }
    assert len(folders) == 6


@pytest.mark.parametrize("wrong", ["", "a b", "a:b", "{a}", "ä", "x" * 41, "a*"])
def test_a_wrong_namespace_is_refused_by_the_name_of_its_setting(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALODIAL_NAMESPACE", wrong)
    with pytest.raises(ConfigurationError, match="ALODIAL_NAMESPACE: "):
        read_settings(_env_file=None)
