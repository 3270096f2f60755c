"""Numbers that are not rung: from the moment they are on a list, wherever their call is."""

import pytest
from campaign_harness import Desk, phone

from alodial.store import do_not_call
from alodial.testing.redis_server import EmbeddedRedis

AGENT = "+998712037006"
OF_AGENT = {"kind": "two-way", "callfrom": AGENT}


@pytest.mark.parametrize("scope", ["all", "campaign"])
@pytest.mark.parametrize("when", ["packed", "queued", "claimed"])
def test_a_number_is_not_rung_from_the_moment_it_is_on_a_list(
    redis_server: EmbeddedRedis, when: str, scope: str
) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(3)
    where = campaign if scope == "campaign" else ""
    if when == "packed":
        desk.forbid(phone(0), scope=where)
        desk.pace()
        calls = desk.claim(3).calls
    elif when == "queued":
        desk.pace()
        desk.forbid(phone(0), scope=where)
        calls = desk.claim(3).calls
    else:
        desk.pace()
        calls = desk.claim(3).calls
        desk.forbid(phone(0), scope=where)
    for call in calls:
        desk.post(call)
    assert [row.numbers[0] for row in desk.rung] == [phone(1), phone(2)]
    (refused,) = [record for record in desk.records(campaign).values() if record["s"] == "rejected"]
    assert refused["why"] == "do_not_call"
    assert phone(0) in refused["b"]
    assert [event["data"]["attempt"] for event in desk.events("call.rejected")] == [1]
    desk.check(campaign)


def test_a_campaigns_own_list_is_nobody_elses(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    one, other = desk.submit(1, "one"), desk.submit(1, "other")
    desk.forbid(phone(0), scope=one)
    assert [call.campaign for call in desk.ring_all()] == [other]
    desk.enqueue(phone(0), phone(5))
    assert desk.post(desk.take()) == "submitted"


def test_a_redial_looks_into_the_list_too(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, redial={"delays": {"busy": [60]}})
    call = desk.ring_all("busy")[0]
    desk.forbid(phone(0))
    desk.later(60)
    assert desk.ring_all() == []
    assert (desk.state(call.record), desk.reason(call.record)) == ("rejected", "do_not_call")
    assert desk.campaign(campaign).state == "completed", "nothing is left of it"
    assert len(desk.rung) == 1
    desk.check(campaign)


def test_a_retried_post_looks_into_the_list_too(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.submit(1)
    desk.pace()
    call = desk.take()
    assert desk.post(call, "retry", delay=5) == "scheduled"
    desk.forbid(phone(0))
    desk.later(5)
    assert desk.ring_all() == []
    assert desk.reason(call.record) == "do_not_call"


def test_single_calls_are_refused_in_whatever_role_the_number_is(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.forbid(phone(0))
    first, second = desk.enqueue(phone(0), phone(1)), desk.enqueue(phone(2), phone(3), phone(0))
    third = desk.enqueue(phone(2), phone(3))
    assert [call.record for call in desk.claim(3).calls] == [third]
    assert [desk.reason(record) for record in (first, second)] == ["do_not_call"] * 2
    urgent = desk.enqueue(phone(2), phone(0), priority="u")
    assert desk.claim(3).calls == []
    assert desk.state(urgent) == "rejected"
    desk.check()


def test_an_initiator_on_the_list_is_not_rung_by_a_campaign(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(2, call=OF_AGENT)
    desk.pace()
    calls = desk.claim(2).calls
    desk.forbid(AGENT)
    assert desk.arm(*calls) == ["lost", "lost"]
    desk.check(campaign)


def test_the_line_that_a_menu_calls_from_is_nobody_who_is_rung(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.submit(1)
    desk.forbid(AGENT)
    assert len(desk.ring_all()) == 1


def test_what_came_off_the_list_is_rung_again(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.submit(2)
    desk.pace()
    desk.forbid(phone(0), phone(1))
    do_not_call.remove(desk.store.redis, [phone(1)])
    assert len(desk.ring_all()) == 1


def test_a_suppressed_call_gives_back_its_channels_and_takes_nothing_of_the_day(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, max_concurrent_calls=1, daily_calls=1, frequency_caps="1/1d")
    campaign = desk.submit(2, channels=1, daily={"calls": 1})
    desk.pace()
    call = desk.take()
    desk.forbid(phone(0))
    assert desk.arm(call) == ["lost"]
    assert desk.arm(call) == ["lost"], "asked again it says the same"
    assert desk.settle(call, "release") == "kept"
    assert desk.post(desk.take()) == "submitted"
    desk.check(campaign)


def test_numbers_put_on_the_list_do_not_pause_a_campaign_as_failures_do(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(10, stop={"failures_in_row": 3})
    desk.pace()
    desk.forbid(*(phone(n) for n in range(9)))
    assert len(desk.ring_all()) == 1
    assert desk.campaign(campaign).state == "completed"
