"""Frequency caps: how often one number rings, over all campaigns, single calls and roles."""

import itertools

import pytest
from campaign_harness import Desk, phone

from alodial.store import call_transitions
from alodial.testing.redis_server import EmbeddedRedis

AGENT = "+998712037006"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def test_a_campaigns_row_waits_until_its_number_may_ring_again(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1h")
    first, second = desk.submit(1, "first"), desk.submit(2, "second")
    begun = desk.ms
    assert len(desk.ring_all()) == 2
    (waits,) = [x for x, record in desk.records().items() if record["s"] == "scheduled"]
    assert desk.due(waits) == begun + HOUR
    desk.check(first, second)
    desk.later(3599.999)
    assert desk.ring_all() == []
    desk.later(0.001)
    assert [call.record for call in desk.ring_all()] == [waits]
    desk.pace()
    assert {desk.campaign(g).state for g in (first, second)} == {"completed"}
    desk.check(first, second)


def test_a_single_call_over_the_cap_is_refused_and_says_why(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="2/1d")
    for _ in range(2):
        desk.enqueue(phone(0), phone(1))
        desk.ring()
    third = desk.enqueue(phone(2), phone(0))
    assert desk.claim().calls == []
    assert (desk.state(third), desk.reason(third)) == ("rejected", "frequency_cap")
    desk.later(86_400)
    desk.enqueue(phone(0), phone(1))
    desk.ring()
    desk.check()


def test_every_role_counts_and_calls_of_campaigns_count_for_single_ones(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d", own_numbers=AGENT)
    desk.submit([phone(0)], call={"kind": "two-way", "callfrom": AGENT})
    assert len(desk.ring_all()) == 1
    as_initiator = desk.enqueue(phone(0), phone(1))
    as_target = desk.enqueue(AGENT, phone(0))
    assert desk.claim(2).calls == []
    assert {desk.reason(one) for one in (as_initiator, as_target)} == {"frequency_cap"}
    desk.enqueue(AGENT, phone(1))
    desk.ring()


def test_our_own_numbers_have_no_cap(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d", own_numbers=AGENT)
    desk.submit(30, call={"kind": "two-way", "callfrom": AGENT})
    assert len(desk.ring_all()) == 30


def test_two_claimed_calls_to_one_number_do_not_both_ring(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d", max_concurrent_calls=2)
    first, second = desk.submit(1, "first", channels=1), desk.submit(1, "second", channels=1)
    desk.pace()
    calls = desk.claim(2).calls
    assert len(calls) == 2
    assert desk.arm(*calls) == ["armed", "lost"]
    assert desk.state(calls[1].record) == "scheduled"
    desk.enqueue(phone(7), phone(8))
    assert len(desk.claim(2).calls) == 1, "who waits holds no channel"
    desk.check(first, second)


@pytest.mark.parametrize("outcome", ["retry", "rejected", "auth", "release"])
def test_a_post_that_rang_nobody_gives_its_number_back(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d")
    desk.enqueue(phone(0), phone(1))
    call = desk.take()
    desk.post(call, outcome, delay=1000)
    desk.store.run(call_transitions.resume())
    desk.enqueue(phone(0), phone(2), priority="u")
    assert desk.post(desk.take()) == "submitted"


@pytest.mark.parametrize("outcome", ["taken", "unconfirmed"])
def test_what_rang_or_may_have_rung_stays_counted(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d")
    desk.enqueue(phone(0), phone(1))
    desk.post(desk.take(), outcome)
    other = desk.enqueue(phone(0), phone(2))
    assert desk.claim().calls == []
    assert desk.reason(other) == "frequency_cap"


def test_a_worker_that_died_after_arm_has_perhaps_rung(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d")
    desk.enqueue(phone(0), phone(1))
    desk.arm(desk.take())
    desk.later(60)
    desk.sweep()
    other = desk.enqueue(phone(1), phone(2))
    assert desk.claim().calls == []
    assert desk.reason(other) == "frequency_cap"


def test_several_caps_hold_together_and_giving_back_disturbs_none(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1h,3/1d")
    campaign = desk.submit(1, redial={"max_attempts": 9, "delays": {"busy": [60]}})
    for turn in range(3 * 24 * 4):
        for call in desk.claim(5).calls:
            if turn % 3 and desk.arm(call) == ["armed"]:
                desk.rung.pop()
                desk.settle(call, "release")
            elif desk.post(call) == "submitted":
                desk.result(call.extid, "busy")
        desk.pace()
        desk.later(900)
    at = [row.at for row in desk.rung]
    assert len(at) >= 7
    assert min(b - a for a, b in itertools.pairwise(at)) >= HOUR
    assert min(b - a for a, b in zip(at, at[3:], strict=False)) >= DAY
    desk.check(campaign)


def test_a_redial_of_a_single_call_over_the_cap_is_refused_not_rung(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d")
    extid = desk.enqueue(phone(0), phone(1), redial='{"max_attempts":3,"delays":{"busy":[60]}}')
    desk.ring("busy")
    desk.later(60)
    desk.pace()
    assert desk.claim().calls == []
    assert (desk.state(extid), desk.reason(extid)) == ("rejected", "frequency_cap")


def test_a_capped_row_expires_while_it_waits(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server, frequency_caps="1/1d")
    desk.enqueue(phone(0), phone(1))
    desk.ring()
    campaign = desk.submit(1, row_ttl=3600)
    assert desk.ring_all() == []
    desk.later(3600)
    desk.sweep()
    desk.pace()
    assert desk.campaign(campaign).counts["expired"] == 1
    assert desk.campaign(campaign).state == "completed"
    desk.check(campaign)
