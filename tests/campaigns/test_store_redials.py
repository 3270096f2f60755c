"""A campaign's redials: by disposition, at most so many in all and a day, another hour the next day."""

from datetime import datetime

import pytest
from campaign_harness import Harness

from alodial.testing.redis_server import EmbeddedRedis

OF_THE_ISSUE = {"busy": [300, 900], "no_answer": [3600, 14400]}


def test_each_disposition_has_its_own_delays_and_the_last_one_repeats(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, redial={"max_attempts": 6, "delays": OF_THE_ISSUE})
    delays = []
    for disposition in ("busy", "no_answer", "busy", "busy", "no_answer", "busy"):
        harness.pace()
        call = harness.ring(disposition)
        if harness.state(call.record) == "scheduled":
            delays.append((harness.due(call.record) - harness.ms) // 1000)
            harness.at_ms(harness.due(call.record))
    assert delays == [300, 3600, 900, 900, 14400]
    assert (harness.state(call.record), call.attempt) == ("completed", 6)
    stored = harness.campaign(campaign)
    assert (stored.state, stored.counts["d:busy"]) == ("completed", 1)
    assert (stored.counts["a:busy"], stored.counts["a:no_answer"], stored.counts["attempts"]) == (4, 2, 6)
    harness.check(campaign)


def test_the_expected_end_waits_for_the_latest_redial(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 10:00")
    redial = {"delays": {"busy": [300], "no_answer": [50_000]}}
    campaign = harness.submit(3, hours="09:00-20:00", redial=redial)
    harness.pace()
    harness.ring("no_answer")
    harness.ring("busy")
    soon = datetime.fromisoformat(harness.front.get(campaign).expected_end or "")
    harness.ring("answered")
    end = datetime.fromisoformat(harness.front.get(campaign).expected_end or "")
    # Due at 23:53, when the hours are over: the next morning at nine, and the length of a call.
    assert soon == end == datetime.fromisoformat("2027-01-16T09:00:45+05:00")
    harness.until("2027-01-16 09:00")
    harness.ring_all()
    assert harness.front.get(campaign).state == "completed"


@pytest.mark.parametrize("disposition", ["answered", "failed", "unknown"])
def test_a_disposition_that_the_policy_does_not_name_is_not_redialed(
    redis_server: EmbeddedRedis, disposition: str
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, redial={"delays": OF_THE_ISSUE})
    harness.pace()
    harness.ring(disposition)
    assert harness.campaign(campaign).state == "completed"


def test_a_redial_goes_before_rows_that_were_never_dialled(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.submit(5, redial={"delays": {"busy": [60]}})
    harness.pace()
    first = harness.ring("busy")
    harness.later(60)
    harness.pace()
    again = harness.take()
    assert (again.record, again.attempt) == (first.record, 2)
    assert again.extid != first.extid


def test_the_attempts_of_a_day_go_on_the_next_day_at_another_hour_inside_the_hours(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 10:00")
    redial = {"max_attempts": 6, "max_attempts_per_day": 2, "delays": {"busy": [600]}, "next_day_shift": 10_800}
    campaign = harness.submit(1, hours="09:00-20:00", redial=redial)
    at = []
    for _ in range(6):
        harness.pace()
        call = harness.ring("busy")
        at.append(harness.clock().strftime("%d %H:%M"))
        if harness.state(call.record) == "scheduled":
            harness.at_ms(harness.due(call.record))
    assert at == ["15 10:00", "15 10:10", "16 13:10", "16 13:20", "17 16:20", "17 16:30"]
    assert harness.campaign(campaign).state == "completed"


def test_a_shift_past_the_close_comes_round_to_the_opening(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    harness.until("2027-01-15 18:00")
    redial = {"max_attempts_per_day": 1, "delays": {"busy": [600]}, "next_day_shift": 10_800}
    harness.submit(1, hours="09:00-20:00", redial=redial)
    harness.pace()
    call = harness.ring("busy")
    assert harness.clock(harness.due(call.record)).strftime("%d %H:%M") == "16 10:00"


def test_no_redial_is_planned_past_the_rows_end_or_the_campaigns(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    rows = harness.submit(1, "rows", row_ttl=3600, redial={"delays": {"busy": [3600]}})
    ends = harness.submit(1, "ends", redial={"delays": {"busy": [3600]}})
    harness.pace()
    harness.front.change(ends, actor="test", ends_at=harness.clock(harness.ms + 3_600_000))
    harness.ring("busy")
    harness.ring("busy")
    assert {harness.campaign(g).state for g in (rows, ends)} == {"completed"}


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_redial_obeys_pause_and_cancel(redis_server: EmbeddedRedis, action: str) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, redial={"delays": {"busy": [60]}})
    harness.pace()
    call = harness.ring("busy")
    getattr(harness, action)(campaign)
    harness.later(60)
    harness.pace()
    assert harness.claim().calls == []
    if action == "pause":
        harness.check(campaign)
        harness.resume(campaign)
        assert harness.ring().record == call.record
    else:
        assert harness.state(call.record) == "canceled"
    harness.check(campaign)


def test_a_result_after_the_cancel_brings_no_redial(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1, redial={"delays": {"busy": [60]}})
    harness.pace()
    call = harness.take()
    harness.post(call)
    harness.cancel(campaign)
    assert harness.result(call.extid, "busy").outcome == "completed"
    harness.clean()
    harness.check(campaign)


def of_unconfirmed(harness: Harness, **redial: object) -> str:
    call = {"kind": "ivr", "ivrid": 7, "fromline": "712037006", "on_unconfirmed": "redial"}
    return harness.submit(1, call=call, redial={"delays": {"busy": [60]}, **redial})


def test_an_unconfirmed_call_is_not_redialed_more_often_than_the_policy_says(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = of_unconfirmed(harness, max_attempts=2)
    harness.pace()
    assert harness.post(harness.take(), "unconfirmed") == "scheduled"
    harness.later(120)
    harness.pace()
    assert harness.post(harness.take(), "unconfirmed") == "unconfirmed"
    harness.check(campaign)


def test_an_unconfirmed_call_uses_up_its_attempts_of_the_day_too(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    of_unconfirmed(harness, max_attempts_per_day=1)
    harness.pace()
    call = harness.take()
    assert harness.post(call, "unconfirmed") == "scheduled"
    assert harness.clock(harness.due(call.record)).strftime("%d %H:%M") == "16 16:00"


def test_a_call_unconfirmed_after_the_cancel_is_not_redialed(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = of_unconfirmed(harness)
    harness.pace()
    call = harness.take()
    harness.arm(call)
    harness.cancel(campaign)
    assert harness.settle(call, "unconfirmed") == "unconfirmed"
    harness.check(campaign)
