"""Enqueueing with a deadline: Redis rejects late requests."""

import os
import signal
import time
from pathlib import Path

import pytest

from alodial import CallQueue, StoreUnavailable, TwoWayCall
from alodial.settings import Settings
from alodial.store import keys
from alodial.testing.redis_server import EmbeddedRedis

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


def test_a_clock_that_was_set_is_learned_and_the_call_is_stored(settings: Settings) -> None:
    with CallQueue(settings=settings) as queue:
        queue.store.clock.learn(int(time.time() * 1000) - 3_600_000)
        assert queue.enqueue(CALL).created
