"""How a row ended is kept as long as its campaign, although its call's record has gone."""

import pytest
from campaign_harness import Harness, phone

from alodial.campaigns.errors import CampaignNotAllowed, InvalidCampaign
from alodial.campaigns.row_codec import CHUNK_ROWS
from alodial.campaigns.submission import CampaignSubmission
from alodial.store import campaigns
from alodial.store.call_transitions import SettleOutcome
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()


def forget_records(harness: Harness, campaign: str) -> None:
    """What Redis does once ALODIAL_CALL_RETENTION is over."""
    for extid in harness.records(campaign):
        harness.store.redis.delete(keys.record(extid))


def test_a_retry_rings_nobody_who_answered_though_the_records_have_expired(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    ends = ("answered", "busy", "no_answer", "unavailable")
    campaign = harness.submit(8)
    rung = harness.ring_all(lambda call: ends[int(call.body.partition('"callto":"')[2][12]) % 4])
    answered = {row.numbers for row in harness.rung if int(row.numbers[0][-1]) % 4 == 0}
    assert len(rung) == 8
    assert len(answered) == 2
    forget_records(harness, campaign)
    rows = list(harness.front.rows(campaign))
    assert [row.disposition for row in rows] == [ends[n % 4] for n in range(8)]
    assert {row.state for row in rows} == {"completed"}
    harness.rung.clear()
    again = harness.front.retry_failed(campaign, actor="test")
    assert again.rows["good"] == 6
    harness.ring_all()
    assert not {row.numbers for row in harness.rung} & answered


def test_every_way_in_which_a_row_ends_is_kept(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(6)
    harness.pace()
    harness.forbid(phone(0))
    calls = harness.claim(5).calls
    outcomes: tuple[SettleOutcome, ...] = ("rejected", "taken", "taken", "unconfirmed")
    for call, outcome in zip(calls, outcomes, strict=False):
        harness.post(call, outcome)
    harness.result(calls[1].extid, "answered")
    harness.cancel(campaign)
    harness.clean()
    before = [(row.state, row.disposition) for row in harness.front.rows(campaign)]
    waiting = {n for n, (state, _) in enumerate(before) if state in ("submitted", "unconfirmed", "queued")}
    forget_records(harness, campaign)
    after = [(row.state, row.disposition) for row in harness.front.rows(campaign)]
    assert [row for n, row in enumerate(after) if n not in waiting] == [
        row for n, row in enumerate(before) if n not in waiting
    ]
    assert {after[n] for n in waiting} == {("unknown", None)}
    assert len({state for state, _ in before}) >= 4
    assert next(row.reason for row in harness.front.rows(campaign)) == "do_not_call"


def test_a_late_result_changes_what_is_kept_of_a_row(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1)
    harness.pace()
    call = harness.take()
    assert harness.post(call) == "submitted"
    harness.later(8000)
    harness.sweep()
    assert next(iter(harness.front.rows(campaign))).state == "timed_out"
    harness.result(call.extid, "answered")
    forget_records(harness, campaign)
    (row,) = harness.front.rows(campaign)
    assert (row.state, row.disposition) == ("completed", "answered")


@pytest.mark.parametrize("records", ["there", "expired"])
def test_who_answered_before_the_cancel_is_not_rung_by_a_retry(redis_server: EmbeddedRedis, records: str) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(2, redial={"max_attempts": 2, "delays": {"busy": [600]}})
    harness.pace()
    first = harness.ring("busy")
    harness.cancel(campaign)
    harness.clean()
    assert harness.state(first.record) == "canceled"
    harness.result(first.extid, "answered")  # AloVoice's second word on the attempt
    if records == "expired":
        forget_records(harness, campaign)
    harness.rung.clear()
    assert harness.front.retry_failed(campaign, actor="test").rows["good"] == 1
    harness.ring_all()
    assert len(harness.rung) == 1
    assert harness.rung[0].numbers == (phone(1),)


def test_rows_without_a_kept_outcome_are_never_rung_again(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(3)
    harness.ring_all("busy")
    forget_records(harness, campaign)
    harness.store.redis.delete(keys.campaign_outcomes(campaign))  # made before outcomes were kept
    assert {row.state for row in harness.front.rows(campaign)} == {"unknown"}
    with pytest.raises(InvalidCampaign, match="how 3 of them ended is not known"):
        harness.front.retry_failed(campaign, actor="test")


def test_outcomes_take_a_byte_a_row_and_go_with_their_campaign(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(1200)
    harness.ring_all("busy", limit=600)
    name = keys.campaign_outcomes(campaign)
    assert harness.store.redis.strlen(name) <= 1200
    assert harness.store.redis.ttl(name) == -1
    harness.cancel(campaign)
    assert harness.store.redis.ttl(name) > 0
    harness.clean()
    assert harness.store.redis.ttl(name) > 0


def test_a_retry_waits_until_what_was_left_of_the_hopper_is_canceled(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(6, redial={"max_attempts": 2, "delays": {"busy": [600]}})
    harness.pace()
    harness.ring("busy")  # waits for its redial
    claimed = harness.take()
    harness.ring("answered")
    harness.cancel(campaign)
    with pytest.raises(CampaignNotAllowed, match="5 calls of it waited when it ended"):
        harness.front.retry_failed(campaign, actor="test", leave_out=True)
    assert harness.post(claimed) == "hold"
    harness.clean()
    harness.clean()
    assert harness.front.retry_failed(campaign, actor="test").rows["good"] == 5


def test_a_retry_takes_in_the_calls_that_are_out_once_they_have_ended(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(4)
    harness.pace()
    out = harness.claim(3).calls
    for call, outcome in zip(out, ("taken", "taken", "unconfirmed"), strict=True):
        harness.post(call, outcome)
    harness.cancel(campaign)
    harness.clean()
    with pytest.raises(CampaignNotAllowed, match="3 calls of it are still in progress and may be answered; retry when"):
        harness.front.retry_failed(campaign, actor="test")
    for call, disposition in zip(out, ("answered", "busy", "no_answer"), strict=True):
        harness.result(call.extid, disposition)
    retry = harness.front.retry_failed(campaign, actor="test")
    assert retry.rows == {"file": 3, "good": 3, "bad": 0, "duplicate": 0, "suppressed": 0}
    answered = harness.rung[0].numbers
    harness.rung.clear()
    harness.ring_all()
    assert answered not in {row.numbers for row in harness.rung}


def test_a_retry_that_does_not_wait_counts_the_rows_that_it_leaves_out(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(5)
    harness.pace()
    for _ in range(2):
        harness.post(harness.take())
    harness.cancel(campaign)
    harness.clean()
    retry = harness.front.retry_failed(campaign, actor="test", leave_out=True, idempotency_key="k")
    assert (retry.rows["good"], retry.rows["left_out"], retry.rows["file"]) == (3, 2, 5)
    repeated = harness.front.retry_failed(campaign, actor="test", leave_out=True, idempotency_key="k")
    assert (repeated.id, repeated.repeated) == (retry.id, True)
    rung = {row.numbers for row in harness.rung}
    harness.rung.clear()
    harness.ring_all()
    assert len(harness.rung) == 3
    assert not {row.numbers for row in harness.rung} & rung


def test_a_retry_that_was_broken_off_does_not_go_on_with_who_answered_since(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(redis_server)
    campaign = harness.submit(CHUNK_ROWS + 1, redial={"max_attempts": 2, "delays": {"busy": [600]}})
    harness.pace()
    last = harness.claim(CHUNK_ROWS + 1).calls[-1]
    assert harness.post(last) == "submitted"
    harness.result(last.extid, "busy")
    harness.cancel(campaign)
    for _ in range(3):
        harness.clean()
    assert harness.state(last.record) == "canceled"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CampaignSubmission, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            harness.front.retry_failed(campaign, actor="test")
    harness.result(last.extid, "answered")
    assert harness.front.retry_failed(campaign, actor="test").rows["good"] == CHUNK_ROWS
    (retry,) = campaigns.live(harness.store.redis, keys)
    assert harness.campaign(retry).number("tot") == CHUNK_ROWS
