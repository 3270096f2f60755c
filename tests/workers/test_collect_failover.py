"""A failover between applying a result and removing its body: the promoted primary gets the body once more."""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "store"))
from fake_sentinel import FakeSentinel

from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import inbox
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers import collect as collecting

keys = Keys()


@pytest.fixture
def other() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(fsync="no") as server:
        yield server


def test_a_result_applied_on_the_old_primary_is_applied_on_the_new_one(
    redis_server: EmbeddedRedis, other: EmbeddedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = FakeSentinel(("127.0.0.1", redis_server.port))
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/calls/0"
    store = Store(settings.model_copy(update={"redis_url": type(settings.redis_url)(url)}))
    body = b'{"externalid": 123456, "dialstatus": "ANSWER"}'
    with redis_server.client() as old, other.client() as new:
        for client in (old, new):  # the replica had the body when it was promoted
            inbox.create_group(client, keys)
            client.xadd(keys.INBOX, {"b": body, "t": "application/json"}, id="1-1")
        apply = collecting._apply

        def apply_and_fail_over(*args: Any) -> Any:
            answer = apply(*args)
            sentinel.switch(("127.0.0.1", other.port))
            ends = time.monotonic() + 5
            while store.primary_number < 2:
                assert time.monotonic() < ends
                time.sleep(0.01)
            return answer

        monkeypatch.setattr(collecting, "_apply", apply_and_fail_over)
        entries = store.call(inbox.read_new, "reader", 10)
        collecting.process(entries, store, settings)
        rows: Any = new.xrange(keys.INBOX)
        assert [fields[b"b"] for _, fields in rows][-1] == body
        monkeypatch.undo()
        assert [entry.body for entry in store.call(inbox.read_new, "reader", 10)][-1] == body
    store.close()
    sentinel.close()


def test_bodies_are_put_back_once_the_new_primary_takes_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "PUT_AGAIN_PAUSE", 0.0)
    real, refusals = inbox.put_again, [StoreUnavailable("LOADING")] * 2

    def put_again(client: Any, keys: Keys, entries: Any) -> None:
        if refusals:
            raise refusals.pop()
        real(client, keys, entries)

    monkeypatch.setattr(inbox, "put_again", put_again)
    entry = inbox.InboxEntry("1-1", b"{}", "application/json")
    collecting._put_again([entry], store)
    rows: Any = store.redis.xrange(keys.INBOX)
    assert [fields[b"b"] for _, fields in rows] == [b"{}"]
    refusals += [StoreUnavailable("away")] * 1000
    with pytest.raises(StoreUnavailable, match="away"):
        collecting._put_again([entry], store)


def test_an_orphan_applied_while_another_server_became_the_primary_is_applied_again(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = {
        "extid": "77",
        "result": "{}",
        "digest": "d",
        "disposition": "answered",
        "body": "e30=",
        "type": "text/plain",
    }
    store.redis.zadd(keys.ORPHANS, {json.dumps(orphan): 1})
    numbers = itertools.count()
    with monkeypatch.context() as failing_over:
        failing_over.setattr(Store, "primary_number", property(lambda _store: next(numbers)))
        assert collecting.retry_orphans(store, settings, now_ms=2) == 0
    assert store.redis.zcard(keys.ORPHANS) == 1, "it may have been applied on the old one"
    assert collecting.retry_orphans(store, settings, now_ms=2) == 0
    assert store.redis.zcard(keys.ORPHANS) == 0
