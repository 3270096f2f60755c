"""A failover between applying a result and removing its body: the promoted primary gets the body once more."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "store"))
from fake_sentinel import FakeSentinel

from alodial.settings import Settings
from alodial.store import inbox, keys
from alodial.store.client import Store
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers import collect as collecting


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
            inbox.create_group(client)
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
