"""Pause and cancel reach calls that a worker has claimed already."""

from campaign_harness import Harness

from alodial.testing.redis_server import EmbeddedRedis


def test_a_call_claimed_before_the_pause_is_not_rung_and_goes_first_afterwards(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, max_concurrent_calls=3)
    campaign = harness.submit(20)
    harness.pace()
    calls = harness.claim(3).calls
    harness.pause(campaign)
    assert harness.arm(*calls) == ["hold"] * 3
    assert [harness.settle(call, "release", code="hold") for call in calls] == ["queued"] * 3
    assert harness.claim(3).calls == []
    harness.resume(campaign)
    again = harness.claim(3).calls
    assert {call.record for call in again} == {call.record for call in calls}
    assert harness.arm(*again) == ["armed"] * 3
    harness.check(campaign)


def test_a_call_claimed_before_the_cancel_never_rings(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(20)
    harness.pace()
    calls = harness.claim(3).calls
    harness.cancel(campaign)
    assert harness.arm(*calls) == ["hold"] * 3
    for call in calls:
        harness.settle(call, "release", code="hold")
    harness.clean()
    assert {record["s"] for record in harness.records(campaign).values()} == {"canceled"}
    assert harness.rung == []
    harness.check(campaign)


def test_a_campaign_is_over_with_its_last_result_and_not_before(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2)
    harness.pace()
    first, last = harness.claim(2).calls
    for call in (first, last):
        assert harness.post(call) == "submitted"
    harness.result(first.extid)
    harness.pace()
    assert harness.campaign(campaign).state == "running"
    harness.result(last.extid)
    harness.pace()
    assert harness.campaign(campaign).state == "completed"
    harness.result(last.extid, "busy")
    harness.pace()
    assert harness.campaign_events(campaign).count("completed") == 1
    harness.check(campaign)
