"""A campaign's redials: by disposition, at most so many in all and a day, another hour the next day."""

import pytest
from campaign_harness import Desk

from alodial.testing.redis_server import EmbeddedRedis

OF_THE_ISSUE = {"busy": [300, 900], "no_answer": [3600, 14400]}


def test_each_disposition_has_its_own_delays_and_the_last_one_repeats(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, redial={"max_attempts": 6, "delays": OF_THE_ISSUE})
    delays = []
    for disposition in ("busy", "no_answer", "busy", "busy", "no_answer", "busy"):
        desk.pace()
        call = desk.ring(disposition)
        if desk.state(call.record) == "scheduled":
            delays.append((desk.due(call.record) - desk.ms) // 1000)
            desk.at_ms(desk.due(call.record))
    assert delays == [300, 3600, 900, 900, 14400]
    assert (desk.state(call.record), call.attempt) == ("completed", 6)
    stored = desk.campaign(campaign)
    assert (stored.state, stored.counts["d:busy"]) == ("completed", 1)
    assert (stored.counts["a:busy"], stored.counts["a:no_answer"], stored.counts["attempts"]) == (4, 2, 6)
    desk.check(campaign)


@pytest.mark.parametrize("disposition", ["answered", "failed", "unknown"])
def test_what_the_policy_does_not_name_is_not_dialled_again(redis_server: EmbeddedRedis, disposition: str) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, redial={"delays": OF_THE_ISSUE})
    desk.pace()
    desk.ring(disposition)
    assert desk.campaign(campaign).state == "completed"


def test_a_redial_goes_before_rows_that_were_never_dialled(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.submit(5, redial={"delays": {"busy": [60]}})
    desk.pace()
    first = desk.ring("busy")
    desk.later(60)
    desk.pace()
    again = desk.take()
    assert (again.record, again.attempt) == (first.record, 2)
    assert again.extid != first.extid


def test_the_attempts_of_a_day_go_on_the_next_day_at_another_hour_inside_the_hours(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 10:00")
    redial = {"max_attempts": 6, "max_attempts_per_day": 2, "delays": {"busy": [600]}, "next_day_shift": 10_800}
    campaign = desk.submit(1, hours="09:00-20:00", redial=redial)
    at = []
    for _ in range(6):
        desk.pace()
        call = desk.ring("busy")
        at.append(desk.clock().strftime("%d %H:%M"))
        if desk.state(call.record) == "scheduled":
            desk.at_ms(desk.due(call.record))
    assert at == ["15 10:00", "15 10:10", "16 13:10", "16 13:20", "17 16:20", "17 16:30"]
    assert desk.campaign(campaign).state == "completed"


def test_a_shift_past_the_close_comes_round_to_the_opening(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    desk.until("2027-01-15 18:00")
    redial = {"max_attempts_per_day": 1, "delays": {"busy": [600]}, "next_day_shift": 10_800}
    desk.submit(1, hours="09:00-20:00", redial=redial)
    desk.pace()
    call = desk.ring("busy")
    assert desk.clock(desk.due(call.record)).strftime("%d %H:%M") == "16 10:00"


def test_no_redial_is_planned_past_the_rows_end_or_the_campaigns(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    rows = desk.submit(1, "rows", row_ttl=3600, redial={"delays": {"busy": [3600]}})
    ends = desk.submit(1, "ends", redial={"delays": {"busy": [3600]}})
    desk.pace()
    desk.front.change(ends, actor="test", ends_at=desk.clock(desk.ms + 3_600_000))
    desk.ring("busy")
    desk.ring("busy")
    assert {desk.campaign(g).state for g in (rows, ends)} == {"completed"}


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_redial_obeys_pause_and_cancel(redis_server: EmbeddedRedis, action: str) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, redial={"delays": {"busy": [60]}})
    desk.pace()
    call = desk.ring("busy")
    getattr(desk, action)(campaign)
    desk.later(60)
    desk.pace()
    assert desk.claim().calls == []
    if action == "pause":
        desk.check(campaign)
        desk.resume(campaign)
        assert desk.ring().record == call.record
    else:
        assert desk.state(call.record) == "canceled"
    desk.check(campaign)


def test_a_result_after_the_cancel_brings_no_redial(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = desk.submit(1, redial={"delays": {"busy": [60]}})
    desk.pace()
    call = desk.take()
    desk.post(call)
    desk.cancel(campaign)
    assert desk.result(call.extid, "busy").outcome == "completed"
    desk.clean()
    desk.check(campaign)


def of_unconfirmed(desk: Desk, **redial: object) -> str:
    call = {"kind": "ivr", "ivrid": 7, "fromline": "712037006", "on_unconfirmed": "redial"}
    return desk.submit(1, call=call, redial={"delays": {"busy": [60]}, **redial})


def test_what_is_unconfirmed_is_dialled_no_oftener_than_the_policy_says(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = of_unconfirmed(desk, max_attempts=2)
    desk.pace()
    assert desk.post(desk.take(), "unconfirmed") == "scheduled"
    desk.later(120)
    desk.pace()
    assert desk.post(desk.take(), "unconfirmed") == "unconfirmed"
    desk.check(campaign)


def test_what_is_unconfirmed_uses_its_attempts_of_the_day_too(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    of_unconfirmed(desk, max_attempts_per_day=1)
    desk.pace()
    call = desk.take()
    assert desk.post(call, "unconfirmed") == "scheduled"
    assert desk.clock(desk.due(call.record)).strftime("%d %H:%M") == "16 16:00"


def test_what_is_unconfirmed_after_the_cancel_is_not_dialled_again(redis_server: EmbeddedRedis) -> None:
    desk = Desk(redis_server)
    campaign = of_unconfirmed(desk)
    desk.pace()
    call = desk.take()
    desk.arm(call)
    desk.cancel(campaign)
    assert desk.settle(call, "unconfirmed") == "unconfirmed"
    desk.check(campaign)
