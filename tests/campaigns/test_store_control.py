"""What people do to a campaign reaches calls that a worker holds already."""

from campaign_harness import Desk

from alodial.testing.redis_server import EmbeddedRedis


def test_a_call_claimed_before_the_pause_is_not_rung_and_goes_first_afterwards(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, max_concurrent_calls=3)
    campaign = desk.submit(20)
    desk.pace()
    calls = desk.claim(3).calls
    desk.pause(campaign)
    assert desk.arm(*calls) == ["hold"] * 3
    assert [desk.settle(call, "release", code="hold") for call in calls] == ["queued"] * 3
    assert desk.claim(3).calls == []
    desk.resume(campaign)
    again = desk.claim(3).calls
    assert {call.record for call in again} == {call.record for call in calls}
    assert desk.arm(*again) == ["armed"] * 3
    desk.check(campaign)


def test_a_call_claimed_before_the_cancel_is_not_rung_ever(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(20)
    desk.pace()
    calls = desk.claim(3).calls
    desk.cancel(campaign)
    assert desk.arm(*calls) == ["hold"] * 3
    for call in calls:
        desk.settle(call, "release", code="hold")
    desk.clean()
    assert {record["s"] for record in desk.records(campaign).values()} == {"canceled"}
    assert desk.rung == []
    desk.check(campaign)


def test_a_campaign_is_over_with_its_last_result_and_not_before(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(2)
    desk.pace()
    first, last = desk.claim(2).calls
    for call in (first, last):
        assert desk.post(call) == "submitted"
    desk.result(first.extid)
    desk.pace()
    assert desk.campaign(campaign).state == "running"
    desk.result(last.extid)
    desk.pace()
    assert desk.campaign(campaign).state == "completed"
    desk.result(last.extid, "busy")
    desk.pace()
    assert desk.campaign_events(campaign).count("completed") == 1
    desk.check(campaign)
