"""Enqueueing with a deadline: Redis rejects late requests."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from redis.exceptions import ResponseError

from alodial import AsyncCallQueue, CallQueue, StoreUnavailable, TwoWayCall
from alodial.calls.bulk_actions import CHUNK
from alodial.calls.prepare import key_hash
from alodial.settings import Settings
from alodial.store import call_transitions
from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.store.server_clock import ServerClock
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])


@pytest.mark.slow
def test_a_call_refused_while_redis_hung_is_not_queued_when_it_goes_on(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path, fsync="no") as server, server.client() as client:
        settings = Settings(_env_file=None, redis_url=server.url, redis_timeout=0.5)  # type: ignore[call-arg] # pydantic-settings' own
        with CallQueue(settings=settings) as queue:
            queue.enqueue(CALL)
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                with pytest.raises(StoreUnavailable):
                    queue.enqueue(CALL)
                time.sleep(0.2)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            assert client.ping()
            queue.enqueue(CALL)
            assert client.xlen(keys.INDEX) == 2


def test_a_call_that_is_stored_before_an_error_in_its_batch_is_claimed(settings: Settings, store: Store) -> None:
    store.redis.lpush(keys.record("10002"), "no record")
    calls = [call_transitions.NewCall(extid, f"id-{extid}", "{}") for extid in ("10001", "10002")]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.run(call_transitions.enqueue(calls, settings))
    assert store.redis.hget(keys.COUNTS, "queued") == b"1"
    assert store.redis.lrange(keys.ready("default", "normal"), 0, -1) == [b"10001"]


def test_a_clock_that_was_set_is_learned_and_the_call_is_stored(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        queue.store.clock.learn(int(time.time() * 1000) - 3_600_000)
        assert queue.enqueue(CALL).created


def test_in_an_event_loop_a_clock_that_was_set_is_learned_too(settings: Settings) -> None:
    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            queue.store.clock.learn(int(time.time() * 1000) - 3_600_000)
            assert (await queue.enqueue(CALL)).created

    asyncio.run(work())


def test_a_redis_that_is_too_late_twice_is_unavailable_and_nothing_was_stored(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ServerClock.learn
    monkeypatch.setattr(ServerClock, "learn", lambda clock, server_ms: real(clock, server_ms - 3_600_000))
    with CallQueue(settings=settings) as queue, pytest.raises(StoreUnavailable, match="Redis took too long"):
        queue.enqueue(CALL)

    async def work() -> None:
        async with AsyncCallQueue(settings=settings) as queue:
            with pytest.raises(StoreUnavailable, match="Redis took too long"):
                await queue.enqueue(CALL)

    asyncio.run(work())
    assert store.redis.xlen(keys.INDEX) == 0


def test_a_batch_goes_on_although_redis_forgot_its_scripts_or_closed_the_connection(settings: Settings) -> None:
    def calls(queue: CallQueue) -> Iterator[TwoWayCall]:
        for n in range(3 * CHUNK):
            if n == CHUNK:
                queue.store.redis.script_flush()
            if n == 2 * CHUNK:
                queue.store.redis.client_kill_filter(_type="normal", skipme=True)
            yield CALL

    with CallQueue(settings=settings) as queue:
        assert sum(row.created for row in queue.enqueue_many(calls(queue))) == 3 * CHUNK
        assert queue.store.redis.xlen(keys.INDEX) == 3 * CHUNK


def _lifetime(queue: CallQueue, key: str) -> int:
    """The ms until a key is forgotten; -1 for one that has no expiry."""
    return cast(int, queue.store.redis.pttl(f"{keys.PREFIX}k:{key_hash(key)}"))


def test_an_idempotency_key_lives_as_long_as_its_call_and_then_its_retention(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        in_a_month = datetime.now(UTC) + timedelta(days=30)
        placed = queue.enqueue(CALL, idempotency_key="k", not_before=in_a_month)
        assert _lifetime(queue, "k") == -1
        assert queue.enqueue(CALL, idempotency_key="k", not_before=in_a_month) == placed._replace(created=False)
        queue.cancel(placed.id)
        retention = settings.idempotency_retention * 1000
        assert retention - 60_000 < _lifetime(queue, "k") <= retention


def test_a_key_that_an_older_version_stored_with_an_expiry_lives_on_once_it_is_used_again(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        placed = queue.enqueue(CALL, idempotency_key="k")
        queue.store.redis.hdel(keys.record(placed.extid), "ik")
        queue.store.redis.pexpire(f"{keys.PREFIX}k:{key_hash('k')}", 60_000)
        assert queue.enqueue(CALL, idempotency_key="k").id == placed.id
        assert _lifetime(queue, "k") == -1
        queue.cancel(placed.id)
        assert _lifetime(queue, "k") > 60_000


def test_a_call_with_many_keys_is_bounded_and_its_extid_still_names_it(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        rows = [queue.enqueue(CALL, idempotency_key=f"k{n}", extid="77") for n in range(40)]
        assert len({row.id for row in rows}) == 1
        assert len(cast(bytes, queue.store.redis.hget(keys.record("77"), "ik"))) < 600
        assert _lifetime(queue, "k0") == -1
        assert _lifetime(queue, "k39") > 0


def test_an_id_counts_for_its_owner_only_and_a_batch_sent_again_gets_the_same_answer(settings: Settings) -> None:
    theirs = call_transitions.NewCall("109", "id-a", "{}", owner="shop")
    first = call_transitions.NewCall("109", "id-a", "{}", owner="crm", tenant="1", digest="d1", spare="10001 id-10001")
    second = first._replace(id="id-b", digest="d2", spare="10002 id-10002")
    with CallQueue(settings=settings) as queue:
        queue.store.run(call_transitions.enqueue([theirs], settings))
        op = call_transitions.enqueue([first, second], settings)
        rows = [row for _, row in [queue.store.run(op), queue.store.run(op)]]
    assert rows[0] == rows[1]
    assert [(row.outcome, row.extid) for row in rows[0]] == [("created", "10001"), ("conflict", "10001")]
