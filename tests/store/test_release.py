"""Channels that lost results hold are freed, and no others."""

import pytest
from test_limits import Harness

from alodial.store.channels import held_channels, release
from alodial.store.keys import Keys
from alodial.store.sansio import run
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


@pytest.fixture
def harness(redis_server: EmbeddedRedis) -> Harness:
    return Harness(redis_server, max_concurrent_calls=3)


def test_the_channel_of_a_call_without_a_result_is_freed_and_the_call_still_waits(harness: Harness) -> None:
    harness.enqueue(4)
    taken = [harness.take() for _ in range(3)]
    for call, outcome in zip(taken, ("taken", "unconfirmed", ""), strict=True):
        harness.arm(call)
        if outcome:
            harness.settle(call, outcome)  # type: ignore[arg-type]  # one of SettleOutcome
    assert harness.claim().status == "cap"
    channels, after = run(harness.store.redis, held_channels(keys, "default", ""))
    assert {(channel.record, channel.state) for channel in channels} == {
        (taken[0].record, "submitted"),
        (taken[1].record, "unconfirmed"),
    }
    # The page is read by Redis' own clock, and these scripts ran by another.
    assert (all(channel.since >= 0 for channel in channels), after) == (True, "")
    names = [call.record for call in taken] + ["999"]
    for _ in range(2):
        assert harness.store.run(release(names)) == ["released", "released", "kept", "kept"]
        assert harness.used() == 1
    assert harness.store.redis.zcard(keys.AWAIT) == 2
    harness.result(taken[0].record)
    assert harness.store.redis.hget(keys.record(taken[0].record), "s") == b"completed"
    assert len(harness.claim(5).calls) == 1
