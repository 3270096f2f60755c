"""Frequency caps: how often one number rings, over all campaigns, single calls and roles."""

import itertools

import pytest
from campaign_harness import Harness, phone

from alodial.store import call_transitions
from alodial.store.call_transitions import Settling
from alodial.store.keys import Keys
from alodial.store.primary import Posted, repeat_posts
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

AGENT = "+998712037006"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def test_a_campaigns_row_waits_until_its_number_may_ring_again(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1h")
    first, second = harness.submit(1, "first"), harness.submit(2, "second")
    begun = harness.ms
    assert len(harness.ring_all()) == 2
    (waits,) = [x for x, record in harness.records().items() if record["s"] == "scheduled"]
    assert harness.due(waits) == begun + HOUR
    harness.check(first, second)
    harness.later(3599.999)
    assert harness.ring_all() == []
    harness.later(0.001)
    assert [call.record for call in harness.ring_all()] == [waits]
    harness.pace()
    assert {harness.campaign(g).state for g in (first, second)} == {"completed"}
    harness.check(first, second)


def test_a_single_call_over_the_cap_is_refused_with_its_reason(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="2/1d")
    for _ in range(2):
        harness.enqueue(phone(0), phone(1))
        harness.ring()
    third = harness.enqueue(phone(2), phone(0))
    assert harness.claim().calls == []
    assert (harness.state(third), harness.reason(third)) == ("rejected", "frequency_cap")
    harness.later(86_400)
    harness.enqueue(phone(0), phone(1))
    harness.ring()
    harness.check()


def test_every_role_counts_and_calls_of_campaigns_count_for_single_ones(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d", own_numbers=AGENT)
    harness.submit([phone(0)], call={"kind": "two-way", "callfrom": AGENT})
    assert len(harness.ring_all()) == 1
    as_initiator = harness.enqueue(phone(0), phone(1))
    as_target = harness.enqueue(AGENT, phone(0))
    assert harness.claim(2).calls == []
    assert {harness.reason(one) for one in (as_initiator, as_target)} == {"frequency_cap"}
    harness.enqueue(AGENT, phone(1))
    harness.ring()


def test_our_own_numbers_have_no_cap(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d", own_numbers=AGENT)
    harness.submit(30, call={"kind": "two-way", "callfrom": AGENT})
    assert len(harness.ring_all()) == 30


def test_two_claimed_calls_to_one_number_do_not_both_ring(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d", max_concurrent_calls=2)
    first, second = harness.submit(1, "first", channels=1), harness.submit(1, "second", channels=1)
    harness.pace()
    calls = harness.claim(2).calls
    assert len(calls) == 2
    assert harness.arm(*calls) == ["armed", "lost"]
    assert harness.state(calls[1].record) == "scheduled"
    harness.enqueue(phone(7), phone(8))
    assert len(harness.claim(2).calls) == 1, "who waits holds no channel"
    harness.check(first, second)


@pytest.mark.parametrize("outcome", ["retry", "rejected", "auth", "release"])
def test_a_post_that_rang_nobody_gives_its_number_back(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d")
    harness.enqueue(phone(0), phone(1))
    call = harness.take()
    harness.post(call, outcome, delay=1000)
    harness.store.run(call_transitions.resume())
    harness.enqueue(phone(0), phone(2), priority="u")
    assert harness.post(harness.take()) == "submitted"


@pytest.mark.parametrize("outcome", ["taken", "unconfirmed"])
def test_a_call_that_rang_or_may_have_rung_stays_counted(
    redis_server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d")
    harness.enqueue(phone(0), phone(1))
    harness.post(harness.take(), outcome)
    other = harness.enqueue(phone(0), phone(2))
    assert harness.claim().calls == []
    assert harness.reason(other) == "frequency_cap"


def test_a_worker_that_died_after_arm_has_perhaps_rung(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d")
    harness.enqueue(phone(0), phone(1))
    harness.arm(harness.take())
    harness.later(60)
    harness.sweep()
    other = harness.enqueue(phone(1), phone(2))
    assert harness.claim().calls == []
    assert harness.reason(other) == "frequency_cap"


def test_several_caps_hold_together_and_giving_back_disturbs_none(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1h,3/1d")
    campaigns = [harness.submit(1, f"campaign {n}") for n in range(9)]
    for turn in range(3 * 24 * 4):
        for call in harness.claim(5).calls:
            if turn % 3 and harness.arm(call) == ["armed"]:
                harness.rung.pop()
                harness.settle(call, "release")
            elif harness.post(call) == "submitted":
                harness.result(call.extid, "busy")
        harness.pace()
        harness.later(900)
    at = [row.at for row in harness.rung]
    assert len(at) >= 7
    assert min(b - a for a, b in itertools.pairwise(at)) >= HOUR
    assert min(b - a for a, b in zip(at, at[3:], strict=False)) >= DAY
    harness.check(*campaigns)


REDIAL = '{"max_attempts":3,"delays":{"busy":[60]}}'


def test_a_calls_own_attempts_do_not_hold_its_redials_back_and_count_for_every_other_call(
    redis_server: EmbeddedRedis,
) -> None:
    harness = Harness(redis_server, frequency_caps="2/1d")
    extid = harness.enqueue(phone(0), phone(1), redial=REDIAL)
    for _ in range(3):
        harness.ring("busy")
        harness.later(60)
        harness.pace()
    assert (harness.state(extid), len(harness.rung)) == ("completed", 3)
    other = harness.enqueue(phone(1), phone(2))
    assert harness.claim().calls == []
    assert (harness.state(other), harness.reason(other)) == ("rejected", "frequency_cap")


def test_a_redial_obeys_the_cap_for_what_other_calls_rang(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="2/1d")
    first = harness.enqueue(phone(0), phone(1), redial=REDIAL)
    harness.ring("busy")
    second = harness.enqueue(phone(0), phone(2), redial=REDIAL)
    harness.ring("busy")
    harness.later(60)
    harness.pace()
    assert len(harness.rung) == 2
    harness.ring("busy")  # beside the other's one attempt it is the second
    assert harness.claim().calls == [], "beside the other's two attempts it would be the third"
    assert sorted(map(harness.state, (first, second))) == ["rejected", "scheduled"]


def test_a_campaigns_redial_goes_out_at_its_own_delay(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d")
    campaign = harness.submit(1, redial={"max_attempts": 3, "delays": {"busy": [60]}})
    for attempt in range(1, 4):
        harness.pace()
        call = harness.take()
        assert (call.attempt, harness.post(call)) == (attempt, "submitted")
        harness.result(call.extid, "busy")
        harness.later(60)
    harness.check(campaign)


def test_a_post_that_a_failover_forgot_counts_again_once_its_worker_repeats_it(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d", daily_calls=5)
    harness.enqueue(phone(0), phone(1))
    harness.enqueue(phone(2), phone(3))
    saved = harness.store.save()
    calls = harness.claim(2).calls
    assert harness.arm(*calls) == ["armed", "armed"]
    harness.store.restore(saved)
    repeated = [Posted(calls[0].record, calls[0].token, 1)]
    for _ in range(2):
        assert harness.store.run(repeat_posts(harness.settings, harness.limits, "w", repeated)) == ["armed"]
    for _ in range(2):
        settled = [Settling(calls[1].record, calls[1].token, "taken", attempt=1)]
        assert harness.store.run(call_transitions.settle(harness.settings, harness.limits, settled)) == ["submitted"]
    for n in (1, 3):
        other = harness.enqueue(phone(n), phone(9))
        assert harness.claim().calls == []
        assert harness.reason(other) == "frequency_cap"
    (used,) = harness.store.redis.keys(f"{keys.PREFIX}use:@default:*")
    assert harness.store.redis.hget(used, "c") == b"2"
    assert harness.settle(calls[0], "retry", delay=1) == "scheduled"
    assert harness.store.redis.hget(used, "c") == b"1", "it rang nobody after all"


def test_a_capped_row_expires_while_it_waits(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, frequency_caps="1/1d")
    harness.enqueue(phone(0), phone(1))
    harness.ring()
    campaign = harness.submit(1, row_ttl=3600)
    assert harness.ring_all() == []
    harness.later(3600)
    harness.sweep()
    harness.pace()
    assert harness.campaign(campaign).counts["expired"] == 1
    assert harness.campaign(campaign).state == "completed"
    harness.check(campaign)


def test_a_key_rings_a_person_as_often_as_its_caps_say_whatever_its_calls_are(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, own_numbers=AGENT)
    for name in ("first", "second", "third"):
        harness.submit([phone(0)], name, quota="shop 0 2 3600 0 0")
    assert len(harness.ring_all()) == 2
    (waits,) = [x for x, record in harness.records().items() if record["s"] == "scheduled"]
    to_queue = {"kind": "queue", "queue": "6000"}
    harness.submit([phone(0)], "queue", call=to_queue, quota="shop 0 2 3600 0 0")
    harness.enqueue(AGENT, phone(0), quota="shop 0 2 3600 0 0")
    harness.submit([phone(0)], "of another key", quota="rival 0 2 3600 0 0")
    assert [call.campaign for call in harness.ring_all()] == [harness.front.get("of another key").id]
    harness.later(3600)
    assert waits in [call.record for call in harness.ring_all()]


def test_a_key_rings_nobody_without_end_as_the_first_phone(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, own_numbers=AGENT)
    quota = "shop 0 9 60 2 3600"
    harness.submit(5, call={"kind": "two-way", "callfrom": phone(99)}, quota=quota)
    assert len(harness.ring_all()) == 2
    single = harness.enqueue(phone(99), phone(50), quota=quota)
    assert harness.claim().calls == []
    assert harness.reason(single) == "frequency_cap"
    harness.submit(5, "of agents", call={"kind": "two-way", "callfrom": AGENT}, quota=quota)
    assert len(harness.ring_all()) == 5, "our own phones have no cap"


def test_a_post_that_rang_nobody_gives_back_what_the_key_used(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(1, quota="shop 0 1 3600 0 0")
    harness.pace()
    assert harness.post(harness.take(), "retry", delay=5) == "scheduled"
    harness.later(5)
    assert len(harness.ring_all()) == 1
