"""Erasing one person: nothing in Redis holds the number any more, everybody else's data stays, and nobody calls the person."""

import json
import zlib
from typing import Any

import pytest
import redis

from alodial import CallQueue
from alodial.calls.erasure import Eraser, ErasureReport
from alodial.settings import Settings
from alodial.store import inbox, webhooks
from alodial.store.call_transitions import HopperNeed
from alodial.store.keys import Keys
from alodial_schemas.campaigns import parse_campaign
from alodial_schemas.number_pattern import number_pattern
from alodial_workers.hopper import HopperFiller

keys = Keys()

PERSON, OTHER = "+998901234567", "+998977076909"
DIGITS = b"901234567"


@pytest.fixture
def client(queue: CallQueue) -> redis.Redis:
    return queue.store.redis


def _everything(client: redis.Redis) -> bytes:
    """Every key and value of Redis, with what is packed unpacked."""
    out: list[Any] = []
    for key in client.scan_iter():
        kind = client.type(key)
        out.append(key)
        if kind == b"string":
            out.append(client.get(key) or b"")  # it may have expired since
        elif kind == b"hash":
            out += [part for pair in client.hgetall(key).items() for part in pair]
        elif kind == b"list":
            out += client.lrange(key, 0, -1)
        elif kind == b"set":
            out += client.smembers(key)
        elif kind == b"zset":
            out += client.zrange(key, 0, -1)
        else:
            out += [part for _, fields in client.xrange(key) for pair in fields.items() for part in pair]
    plain = [zlib.decompress(value) if value[:2] == b"x\x9c" else value for value in out]
    return b"\n".join(plain)


def _forget(queue: CallQueue, *, apply: bool = True) -> ErasureReport:
    return Eraser(queue.store, PERSON, apply=apply).run("cli:test")


def _call(queue: CallQueue, to: str, **more: Any) -> str:
    return queue.enqueue({"callfrom": "712037006", "callto": [to]}, **more).id


def test_nothing_holds_the_number_after_an_erasure_and_all_else_stays(queue: CallQueue, client: redis.Redis) -> None:
    _call(queue, PERSON, reference="her", idempotency_key="k")
    _call(queue, OTHER, reference="call of 90 123-45-67")
    kept = _call(queue, OTHER, reference="order 5", metadata={"about": "a901234567b"})
    queue.cancel(_call(queue, PERSON, metadata={"name": "Aziza"}))
    rows = [{"phone": PERSON, "name": "Aziza", "reference": "r1"}, {"phone": OTHER, "name": "Bek", "reference": "r2"}]
    bad = {"phone": "12", "name": "tel 8 90 123 45 67", "reference": "r3"}
    campaign = queue.submit_campaign(
        [*rows, bad],
        parse_campaign(
            {"name": "c", "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}, "policy": {}}, allowed=()
        ),
    )
    queue.dnc.add([PERSON, "998901111111"], reason="asked")
    client.xadd(keys.LOGS, {"l": '{"event":"call.odd","detail":"998901234567"}'})
    client.xadd(keys.LOGS, {"l": f'{{"event":"call.queued","call_id":"{kept}"}}'})
    queue.store.call(inbox.create_group)
    for body in (b"to=%2B998901234567", b'{"to": "977076909"}'):
        client.xadd(keys.INBOX, {"b": body, "t": "text/plain"})
        entry = queue.store.call(inbox.read_new, "test", 1)[0]
        queue.store.run(inbox.park("ack", entry.id, [inbox.ParkedResult("unreadable", body, "", "odd")], 600))
    event: Any = client.xrange(keys.EVENTS)[0][1][b"event"]
    webhooks.put(client, keys, "hook", [("e1", event)])
    client.sadd(keys.WEBHOOKS, "hook")
    client.xadd(keys.webhook("hook", "parked"), {"id": "e2", "event": event, "tries": 0, "why": "disabled"})

    plan = _forget(queue, apply=False)
    assert DIGITS in _everything(client), "a plan erases nothing"
    report = _forget(queue)
    assert (report.calls, report.rows, report.logs, report.results, report.deliveries, report.lists) == (
        3,
        2,
        1,
        1,
        2,
        1,
    )
    assert (report.under_way, report.archived) == ([], 0)
    assert (plan.calls, plan.rows, plan.results, plan.deliveries) == (3, 2, 1, 2)
    left = _everything(client)
    assert not number_pattern(PERSON).search(left.decode("utf-8", "replace"))
    assert b"Aziza" not in left
    assert b"Bek" in left
    assert b"a901234567b" not in left or queue.get(kept).reference == "order 5"
    assert queue.dnc.find("998901111111"), "the others on the list"
    assert [row.reference for row in queue.calls(limit=10).calls] == ["order 5"]
    assert queue.campaigns.get(campaign.id).rows["good"] == 2
    again = _forget(queue)
    assert (again.total, again.kept) == (0, []), "a second run finds nothing"


def test_a_row_that_was_erased_calls_nobody_and_its_campaign_goes_on(
    queue: CallQueue, client: redis.Redis, settings: Settings
) -> None:
    request = parse_campaign(
        {"name": "c", "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"}, "policy": {}}, allowed=()
    )
    campaign = queue.submit_campaign([{"phone": PERSON}, {"phone": OTHER}], request)
    queue.campaigns.pause(campaign.id, actor="test")
    filler = HopperFiller(queue.store, settings)
    filler._chunk(campaign.id, 0, 0)  # a worker that has its rows unpacked already
    _forget(queue)
    queue.campaigns.resume(campaign.id, actor="test")
    filler.fill(HopperNeed(campaign.id, 0, 0, 0, 10))
    assert DIGITS not in _everything(client)
    bodies = [client.hget(key, "b") for key in client.scan_iter(match=keys.record("*"))]
    assert sorted(json.loads(body)["callto"] for body in bodies if body) == ["+0", OTHER]
    clone = queue.campaigns.clone(campaign.id, actor="test", new_name="again")
    assert clone.rows["good"] == 2


def test_a_call_under_way_ends_first(queue: CallQueue, client: redis.Redis) -> None:
    call = queue.enqueue({"callfrom": "712037006", "callto": [PERSON]})
    client.hset(keys.record(call.extid), "s", "submitting")
    report = _forget(queue)
    assert (report.calls, report.under_way) == (0, [call.id])
    assert queue.get(call.id).state == "submitting"
    assert report.events == 0, "its events are needed until it has ended"
    client.hset(keys.record(call.extid), "s", "completed")
    assert _forget(queue).calls == 1
    assert DIGITS not in _everything(client)
