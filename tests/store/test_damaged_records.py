"""What other programs, older versions or accidents left in Redis hides nothing else and ends no reader."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from redis.exceptions import ResponseError

from alodial import CallQueue
from alodial.errors import NotFound, StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_context, campaigns, events, inbox, overview, webhooks, workers
from alodial.store.client import AsyncStore, Store
from alodial.store.keys import Keys
from alodial.store.server_clock import server_ms
from alodial.store.workers import GONE_AFTER, REPLACED_AFTER, Heartbeat

keys = Keys()

CALL = {"callfrom": "712037006", "callto": ["994412860"]}


def heartbeat(store: Store, name: str, *, silent: float = 0, host: str = "pbx1") -> None:
    now = server_ms(store.redis)
    started_at = now - round((silent + 5) * 1000)
    store.call(workers.write_heartbeat, Heartbeat(name, now - round(silent * 1000), 1, host, 0, started_at))


@pytest.mark.parametrize("damage", [b"{", b"[]", b"5", b'{"name": "x"}', b'{"at": "soon"}'])
def test_a_damaged_heartbeat_hides_no_other_worker(settings: Settings, store: Store, damage: bytes) -> None:
    heartbeat(store, "sound")
    store.redis.hset(keys.WORKERS, "damaged", damage)
    assert [beat.name for beat in workers.heartbeats(store.redis, keys)] == ["sound"]
    assert [worker.name for worker in overview.read(store.redis, keys, settings).workers] == ["sound"]

    async def context() -> call_context.CallContext:
        own = AsyncStore(settings)
        try:
            return await own.call(call_context.call_context_async, "77", "default")
        finally:
            await own.aclose()

    assert asyncio.run(context()).workers.keys() == {"sound"}


def test_a_silent_worker_is_forgotten_after_an_hour_or_once_its_host_has_a_later_one(store: Store) -> None:
    heartbeat(store, "gone", silent=GONE_AFTER + 5, host="pbx2")
    heartbeat(store, "replaced", silent=REPLACED_AFTER + 5)
    heartbeat(store, "silent", silent=REPLACED_AFTER + 5, host="pbx3")
    heartbeat(store, "alive")
    store.call(workers.forget_silent)
    assert [beat.name for beat in workers.heartbeats(store.redis, keys)] == ["alive", "silent"]


def test_a_call_whose_events_cannot_be_read_shows_those_that_can(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)
    subject = f'"subject":"{call.id}"'
    for event in (f"{{{subject}", f"[{{{subject}}}]", json.dumps({"subject": "other", "note": f"{{{subject}}}"})):
        queue.store.redis.xadd(keys.EVENTS, {"event": event})
    queue.store.redis.xadd(keys.EVENTS, {"other": "field"})
    created = round(datetime.fromisoformat(queue.get(call.id).created_at).timestamp() * 1000)

    shown = queue.store.call(events.call_events, call.id, [created, created])
    assert [event["type"] for event in shown] == ["alodial.call.queued"]


def test_a_key_of_another_kind_is_an_error_and_no_missing_group(store: Store) -> None:
    store.redis.set(keys.EVENTS, "not a stream")
    store.redis.set(keys.INBOX, "not a stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.call(events.create_group, "shipping", "0")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.call(inbox.read_new, "reader", 10)


def test_collectors_that_left_nothing_unfinished_are_forgotten_and_others_are_not(store: Store) -> None:
    store.call(inbox.create_group)
    store.redis.xadd(keys.INBOX, {"b": b"{}", "t": "application/json"})
    assert store.call(inbox.read_new, "busy", 10)
    store.redis.xgroup_createconsumer(keys.INBOX, keys.INBOX_GROUP, "idle")
    store.call(inbox.forget_readers, 3600.0)
    assert readers(store) == {"busy", "idle"}
    store.call(inbox.forget_readers, -1.0)
    assert readers(store) == {"busy"}


def readers(store: Store) -> set[str]:
    rows = store.redis.xinfo_consumers(keys.INBOX, keys.INBOX_GROUP)
    return {row["name"].decode() for row in rows}  # type: ignore[union-attr]  # a blocking client's


def test_a_spool_whose_mark_a_failover_lost_is_not_confirmed(settings: Settings) -> None:
    async def work() -> None:
        own = AsyncStore(settings)
        try:
            with pytest.raises(StoreUnavailable, match="a failover lost"):
                await own.call(inbox.confirm_spooled, "segment-1", ("WAIT", 0, 10))
            await own.redis.set(keys.spool_mark("segment-1"), 10)
            await own.call(inbox.confirm_spooled, "segment-1", ("WAIT", 0, 10))
        finally:
            await own.aclose()

    asyncio.run(work())


def test_an_endpoint_that_no_worker_ever_served_is_forgotten(store: Store) -> None:
    store.redis.sadd(keys.WEBHOOKS, "ghost", "served")
    store.redis.hset(keys.webhook("served"), "seen", server_ms(store.redis))
    store.call(webhooks.forget_old)
    assert store.redis.smembers(keys.WEBHOOKS) == {b"served"}


def test_expired_campaigns_leave_the_list_and_take_their_indexes_along(queue: CallQueue) -> None:
    request: dict[str, Any] = {"call": {"callfrom": "712037006"}}
    gone, kept = (queue.submit_campaign([phone], request | {"name": phone}) for phone in ("994412860", "994412861"))
    store = queue.store
    store.redis.delete(keys.campaign(gone.id))
    store.redis.lpush(keys.campaign_calls(gone.id), "77")
    assert [stored.id for stored in store.call(campaigns.read, [gone.id, kept.id])] == [kept.id]
    assert [record.id for record in queue.campaigns.list().campaigns] == [kept.id]
    assert store.call(campaigns.forget_gone) == 1
    assert store.call(campaigns.forget_gone) == 0
    assert not store.redis.exists(keys.campaign_calls(gone.id))
    assert store.redis.zrange(keys.CAMPAIGNS, 0, -1) == [kept.id.encode()]


def test_a_name_that_leads_to_a_call_that_is_gone_finds_nothing(queue: CallQueue) -> None:
    call = queue.enqueue(CALL)
    queue.store.redis.set(keys.alias("77"), f"{call.extid}:2")
    assert queue.get("77").id == call.id
    queue.store.redis.delete(keys.record(call.extid))
    with pytest.raises(NotFound):
        queue.get("77")
