"""Numbers on a do-not-call list are not called from the moment they are on it, wherever their call is."""

import pytest
from campaign_harness import Harness, phone

from alodial.store import do_not_call
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

AGENT = "+998712037006"
OF_AGENT = {"kind": "two-way", "callfrom": AGENT}


@pytest.mark.parametrize("scope", ["all", "campaign", "erased"])
@pytest.mark.parametrize("when", ["packed", "queued", "claimed"])
def test_a_number_is_not_rung_from_the_moment_it_is_on_a_list(
    redis_server: EmbeddedRedis, when: str, scope: str
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3)

    def forbid() -> None:
        if scope == "erased":
            harness.forget(phone(0))
        else:
            harness.forbid(phone(0), scope=campaign if scope == "campaign" else "")

    if when == "packed":
        forbid()
        harness.pace()
        calls = harness.claim(3).calls
    elif when == "queued":
        harness.pace()
        forbid()
        calls = harness.claim(3).calls
    else:
        harness.pace()
        calls = harness.claim(3).calls
        forbid()
    for call in calls:
        harness.post(call)
    assert [row.numbers[0] for row in harness.rung] == [phone(1), phone(2)]
    (refused,) = [record for record in harness.records(campaign).values() if record["s"] == "rejected"]
    assert refused["why"] == "do_not_call"
    assert phone(0) in refused["b"]
    assert [event["data"]["attempt"] for event in harness.events("call.rejected")] == [1]
    harness.check(campaign)


def test_an_erased_number_is_not_rung_and_nobody_can_read_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.enqueue(phone(1), phone(0))
    call = harness.take()
    harness.forget(phone(0))
    assert harness.arm(call) == ["lost"], "a single call that was claimed already"
    client = harness.store.redis
    entries = client.hgetall(keys.ERASED)
    assert phone(0).encode() not in b"".join([*entries, *entries.values()])
    assert do_not_call.is_listed(client, keys, [phone(0), phone(1)]) == [True, False]
    assert [entry.reason for entry in do_not_call.find(client, keys, phone(0))] == ["erased"]
    assert do_not_call.find(client, keys, phone(0), ["~shop"]) == [], "a tenant learns nothing of it"
    harness.forget(phone(0), phone(2))
    assert do_not_call.count_erased(client, keys) == 2
    assert do_not_call.remove(client, keys, [phone(0)]) == 1
    assert do_not_call.is_listed(client, keys, [phone(0), phone(2)]) == [False, True]


def test_a_campaigns_own_list_does_not_apply_to_others(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    one, other = harness.submit(1, "one"), harness.submit(1, "other")
    harness.forbid(phone(0), scope=one)
    assert [call.campaign for call in harness.ring_all()] == [other]
    harness.enqueue(phone(0), phone(5))
    assert harness.post(harness.take()) == "submitted"


def test_a_redial_checks_the_list_too(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, redial={"delays": {"busy": [60]}})
    call = harness.ring_all("busy")[0]
    harness.forbid(phone(0))
    harness.later(60)
    assert harness.ring_all() == []
    assert (harness.state(call.record), harness.reason(call.record)) == ("rejected", "do_not_call")
    assert harness.campaign(campaign).state == "completed", "nothing is left of it"
    assert len(harness.rung) == 1
    harness.check(campaign)


def test_a_retried_post_checks_the_list_too(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(1)
    harness.pace()
    call = harness.take()
    assert harness.post(call, "retry", delay=5) == "scheduled"
    harness.forbid(phone(0))
    harness.later(5)
    assert harness.ring_all() == []
    assert harness.reason(call.record) == "do_not_call"


def test_single_calls_are_refused_in_whatever_role_the_number_is(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.forbid(phone(0))
    first, second = harness.enqueue(phone(0), phone(1)), harness.enqueue(phone(2), phone(3), phone(0))
    third = harness.enqueue(phone(2), phone(3))
    assert [call.record for call in harness.claim(3).calls] == [third]
    assert [harness.reason(record) for record in (first, second)] == ["do_not_call"] * 2
    urgent = harness.enqueue(phone(2), phone(0), priority="u")
    assert harness.claim(3).calls == []
    assert harness.state(urgent) == "rejected"
    harness.check()


def test_an_initiator_on_the_list_is_not_rung_by_a_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2, call=OF_AGENT)
    harness.pace()
    calls = harness.claim(2).calls
    harness.forbid(AGENT)
    assert harness.arm(*calls) == ["lost", "lost"]
    harness.check(campaign)


def test_the_line_that_a_menu_calls_from_is_not_a_called_number(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(1)
    harness.forbid(AGENT)
    assert len(harness.ring_all()) == 1


def test_a_number_removed_from_the_list_is_called_again(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(2)
    harness.pace()
    harness.forbid(phone(0), phone(1))
    do_not_call.remove(harness.store.redis, keys, [phone(1)])
    assert len(harness.ring_all()) == 1


def test_a_suppressed_call_gives_back_its_channels_and_takes_nothing_of_the_day(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, max_concurrent_calls=1, daily_calls=1, frequency_caps="1/1d")
    campaign = harness.submit(2, channels=1, daily={"calls": 1})
    harness.pace()
    call = harness.take()
    harness.forbid(phone(0))
    assert harness.arm(call) == ["lost"]
    assert harness.arm(call) == ["lost"], "asked again it says the same"
    assert harness.settle(call, "release") == "kept"
    assert harness.post(harness.take()) == "submitted"
    harness.check(campaign)


def test_numbers_put_on_the_list_do_not_pause_a_campaign_as_failures_do(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(10, stop={"failures_in_row": 3})
    harness.pace()
    harness.forbid(*(phone(n) for n in range(9)))
    assert len(harness.ring_all()) == 1
    assert harness.campaign(campaign).state == "completed"
