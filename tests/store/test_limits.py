"""The account's limits on a real Redis whose clock the test sets: rate, channels, pauses, breaker, priorities, horizon."""

import heapq
import random
from collections.abc import Sequence
from typing import Any

import pytest
from store_harness import EPOCH, START, ClockedStore

from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, holds
from alodial.store.call_transitions import Applying, Arming, Claim, Claimed, NewCall, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_schemas import new_ids

keys = Keys()


class Harness:
    """One account's store, its clock and short names for what a worker does."""

    def __init__(self, server: EmbeddedRedis, **limits: Any) -> None:
        settings = Settings(
            _env_file=None, redis_url=server.url, **{"calls_per_second": 0, "max_concurrent_calls": 0, **limits}
        )
        self.settings = settings
        self.limits: AccountSettings = settings.account("default")
        self.store = ClockedStore(settings)
        self.store.begin(START)
        self.now = START

    def at(self, now: int) -> None:
        self.now = now
        self.store.set_clock(now)

    def later(self, seconds: float) -> None:
        self.at(self.now + round(seconds * 1_000_000))

    def enqueue(self, count: int = 1, **options: Any) -> list[str]:
        calls = []
        for _ in range(count):
            call_id, extid = new_ids()
            calls.append(NewCall(extid, call_id, "{}", **options))
        for start in range(0, count, 200):
            self.store.run(call_transitions.enqueue(calls[start : start + 200], self.settings))
        return [call.extid for call in calls]

    def claim(self, room: int = 1, horizon: float = 0, *, tick: int = 0) -> Claim:
        return self.store.run(
            call_transitions.claim(
                self.settings, "default", self.limits, epoch=EPOCH, room=room, horizon=horizon, attend=0, tick=tick
            )
        )

    def take(self) -> Claimed:
        claim = self.claim()
        assert len(claim.calls) == 1, claim
        return claim.calls[0]

    def arm(self, call: Claimed, slot: int | None = None) -> call_transitions.Armed:
        return self._arm([Arming(call.record, call.token, call.slot if slot is None else slot)])[0]

    def arm_together(self, calls: Sequence[Claimed]) -> list[call_transitions.Armed]:
        return self._arm([Arming(call.record, call.token, call.slot) for call in calls])

    def _arm(self, items: list[Arming]) -> list[call_transitions.Armed]:
        return self.store.run(call_transitions.arm(self.settings, self.limits, items, epoch=EPOCH, worker="w"))

    def settle(
        self, call: Claimed, outcome: call_transitions.SettleOutcome, *, delay: float = 0, hold: float = 0
    ) -> str:
        item = Settling(call.record, call.token, outcome, delay, hold, "{}", "code")
        return self.store.run(call_transitions.settle(self.settings, self.limits, [item]))[0]

    def submit(self, outcome: call_transitions.SettleOutcome = "taken", **more: float) -> str:
        call = self.take()
        assert self.arm(call).outcome == "armed"
        return self.settle(call, outcome, **more)

    def result(self, extid: str) -> None:
        self.store.run(call_transitions.apply_results([Applying(extid, "{}", "digest", "answered")]))

    def sweep(self) -> None:
        self.store.run(call_transitions.sweep(self.settings))

    def pace(self) -> None:
        self.store.run(call_transitions.pace())

    def used(self) -> int:
        return int(self.store.redis.zcard(keys.channels("default")))


@pytest.fixture
def server(redis_server: EmbeddedRedis) -> EmbeddedRedis:
    return redis_server


def starts(harness: Harness, seconds: float, *, late: tuple[float, float], seed: int, workers: int = 4) -> list[int]:
    """When POSTs start, microseconds, of workers that claim and arm as the engine does, late by so many seconds."""
    rng = random.Random(seed)
    turn = 0
    events: list[tuple[int, int, Claimed | None, int]] = [(START + 137 * i, i, None, 0) for i in range(workers)]
    end, armed = START + round(seconds * 1_000_000), []
    while events:
        now, _, call, slot = heapq.heappop(events)
        if now > end:
            break
        harness.at(now)
        turn += 1
        order = workers + turn * 300
        if call is None:
            claim = harness.claim(8, 0.05)
            for n, taken in enumerate(claim.calls):
                due = now + round((taken.delay + rng.uniform(*late)) * 1_000_000)
                heapq.heappush(events, (due, order + n, taken, taken.slot))
            heapq.heappush(events, (now + round(max(claim.wait, 0.001) * 1_000_000), order + 200, None, 0))
        else:
            answer = harness.arm(call, slot)
            if answer.outcome == "armed":
                armed.append(now)
            else:
                assert answer.outcome == "wait"
                due = now + round((answer.wait + rng.uniform(*late)) * 1_000_000)
                heapq.heappush(events, (due, order, call, answer.slot))
    return armed


def most_in_a_second(times: list[int]) -> int:
    times, limit, first = sorted(times), 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - 1_000_000:
            first += 1
        limit = max(limit, last - first + 1)
    return limit


@pytest.mark.slow
@pytest.mark.parametrize(
    "late", [(0.0, 0.0), (0.0, 0.005), (0.0, 0.019), (0.0, 0.06)], ids=["exact", "5 ms", "19 ms", "60 ms"]
)
def test_no_second_holds_more_starts_than_the_rate_even_10_ms_later(
    server: EmbeddedRedis, late: tuple[float, float]
) -> None:
    harness = Harness(server, calls_per_second=50, burst=2)
    harness.enqueue(700)
    armed = starts(harness, 10, late=late, seed=7)
    rng = random.Random(8)
    assert most_in_a_second([at + rng.randrange(10_000) for at in armed]) <= 50
    assert len(armed) >= 0.95 * 500


def test_a_call_that_comes_late_uses_its_slot_while_the_second_has_room(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=2, burst=2)
    harness.enqueue(6)
    calls = harness.claim(6, 10).calls
    assert [call.slot - START for call in calls] == [n * 510_000 for n in range(6)]
    harness.later(2.6)
    assert [harness.arm(call).outcome for call in calls[:2]] == ["armed"] * 2
    full = harness.arm(calls[2])
    assert (full.outcome, full.slot - START) == ("wait", 3_610_000)
    assert harness.arm(calls[2]) == full, "asked again it waits for the same moment"
    harness.at(full.slot)
    assert harness.arm(calls[2], full.slot).outcome == "armed"


def test_slots_do_not_run_ahead_of_starts_that_are_late(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=2)
    harness.enqueue(4)
    late = harness.claim(2, 1).calls
    harness.later(3)
    assert [harness.arm(call).outcome for call in late] == ["armed"] * 2
    [waits] = harness.claim(1).calls
    assert harness.arm(waits).slot - START == 4_010_000
    assert [call.slot - START for call in harness.claim(1, 2).calls] == [3_910_000]


def test_calls_that_find_the_second_full_wait_each_for_a_start_of_its_own_to_leave_it(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=2)
    harness.enqueue(4)
    calls = harness.claim(4, 10).calls
    harness.later(5)
    assert harness.arm(calls[0]).outcome == "armed"
    harness.later(0.3)
    assert harness.arm(calls[1]).outcome == "armed"
    answers = harness.arm_together(calls[2:])
    assert [(answer.outcome, answer.slot - START) for answer in answers] == [("wait", 6_010_000), ("wait", 6_310_000)]
    assert harness.arm_together(calls[2:]) == answers, "asked again they wait for the same moments"


def test_a_call_is_not_armed_before_its_slot(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=10)
    harness.enqueue(2)
    _, second = harness.claim(2, 1).calls
    answer = harness.arm(second)
    assert (answer.outcome, answer.wait, answer.slot) == ("wait", 0.102, second.slot)


def test_slots_beyond_the_horizon_are_not_reserved(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=10)
    harness.enqueue(5)
    claim = harness.claim(5, 0.15)
    assert [call.delay for call in claim.calls] == [0, 0.102]
    assert claim.status == "ok"
    assert claim.wait == pytest.approx(0.054 + 0.15 / 2), "half the horizon later a claim is worth it"


def test_a_higher_rate_does_not_wait_for_the_gap_of_the_lower_one(server: EmbeddedRedis) -> None:
    harness = Harness(server, calls_per_second=0.001)
    harness.enqueue(2)
    harness.take()
    assert harness.claim().wait > 1000
    harness.limits = harness.limits.model_copy(update={"calls_per_second": 10})
    assert harness.claim().wait < 2
    harness.later(1.2)
    assert len(harness.claim().calls) == 1


def test_without_a_rate_everything_may_go_at_once(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(100)
    assert {call.delay for call in harness.claim(100).calls} == {0}


def test_an_urgent_call_goes_before_a_normal_one_and_that_before_bulk(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    bulk, normal, urgent = (harness.enqueue(2, priority=letter) for letter in "bnu")
    assert [call.record for call in harness.claim(6).calls] == [*urgent, *normal, *bulk]


def test_the_channel_limit_holds_and_a_result_frees_a_channel(server: EmbeddedRedis) -> None:
    harness = Harness(server, max_concurrent_calls=2)
    extids = harness.enqueue(4)
    assert [harness.submit(), harness.submit()] == ["submitted", "submitted"]
    assert harness.claim(2) == Claim("cap", 0, [])
    harness.result(extids[0])
    claim = harness.claim(2)
    assert [call.record for call in claim.calls] == [extids[2]]
    assert claim.status == "cap"


@pytest.mark.parametrize("outcome", ["retry", "rejected", "auth", "release"])
def test_a_call_that_aloVoice_did_not_take_frees_its_channel(
    server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    harness = Harness(server, max_concurrent_calls=1)
    harness.enqueue()
    harness.submit(outcome)
    assert harness.used() == 0


def test_an_unconfirmed_call_keeps_its_channel(server: EmbeddedRedis) -> None:
    harness = Harness(server, max_concurrent_calls=1)
    harness.enqueue(2)
    assert harness.submit("unconfirmed") == "unconfirmed"
    assert harness.claim().status == "cap"


def test_a_channel_is_given_up_when_no_result_comes(server: EmbeddedRedis) -> None:
    harness = Harness(server, max_concurrent_calls=1, channel_timeout=60)
    harness.enqueue(2)
    harness.submit()
    harness.later(59)
    assert harness.claim().status == "cap"
    harness.later(2)
    assert harness.claim().status == "ok"


def test_a_dead_worker_gives_its_channel_back(server: EmbeddedRedis) -> None:
    harness = Harness(server, max_concurrent_calls=1)
    harness.enqueue(1)
    harness.take()
    assert harness.claim().status == "cap"
    harness.later(call_transitions.lease_seconds(harness.settings) + 1)
    harness.sweep()
    assert harness.claim().status == "ok"


def test_retry_after_pauses_the_whole_account(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(3)
    held = harness.claim(2).calls
    harness.arm(held[0])
    assert harness.settle(held[0], "retry", delay=6, hold=5) == "scheduled"
    assert harness.claim() == Claim("hold", 5, [])
    assert harness.arm(held[1]).outcome == "hold"
    harness.later(5.001)
    assert harness.arm(held[1]).outcome == "armed"
    assert harness.claim().status == "ok"


def test_a_shorter_pause_does_not_cut_a_longer_one(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(2)
    for call, hold in zip(harness.claim(2).calls, (60, 1), strict=True):
        harness.settle(call, "retry", hold=hold)
    assert harness.claim() == Claim("hold", 60, [])


def test_a_wrong_token_opens_the_breaker_once_and_burns_no_call(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(6)
    batch = harness.claim(6).calls
    for call in batch:
        assert harness.arm(call).outcome == "armed"
    assert [harness.settle(call, "auth") for call in batch] == ["auth", "auth:opened", *["auth"] * 4]
    assert harness.claim() == Claim("hold", 60, [])
    assert harness.store.redis.hget(keys.COUNTS, "scheduled") == b"6"


def test_an_open_breaker_lets_one_probe_through_and_doubles_its_pause(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(9)
    harness.submit("auth")
    harness.submit("auth")
    for pause in (60, 120, 240, 480, 900, 900):
        assert harness.claim(4) == Claim("hold", pause, [])
        harness.later(pause)
        probe = harness.claim(4).calls
        assert len(probe) == 1
        assert harness.claim(4).status == "hold", "nobody else while the probe is under way"
        assert harness.arm(probe[0]).outcome == "armed"
        assert harness.settle(probe[0], "auth") == "auth"


@pytest.mark.parametrize("outcome", ["taken", "rejected"])
def test_an_accepted_token_closes_the_breaker(server: EmbeddedRedis, outcome: call_transitions.SettleOutcome) -> None:
    harness = Harness(server)
    harness.enqueue(5)
    harness.submit("auth")
    harness.submit("auth")
    harness.later(60)
    harness.submit(outcome)
    harness.pace()
    assert len(harness.claim(9).calls) == 4, "those whose refusal was the token's go at once"


@pytest.mark.parametrize("outcome", ["retry", "release", "unconfirmed"])
def test_an_outcome_unrelated_to_the_token_leaves_the_breaker_open(
    server: EmbeddedRedis, outcome: call_transitions.SettleOutcome
) -> None:
    harness = Harness(server)
    harness.enqueue(5)
    harness.submit("auth")
    harness.submit("auth")
    harness.later(60)
    harness.submit(outcome)
    assert harness.claim(4).status == "hold"
    harness.later(call_transitions.lease_seconds(harness.settings))
    assert len(harness.claim(4).calls) == 1


def test_resume_closes_the_breaker_and_lifts_the_stop(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue(4)
    harness.submit("auth")
    harness.submit("auth")
    harness.store.redis.set(keys.STOP, "operator")
    assert harness.claim().status == "stop"
    harness.store.run(call_transitions.resume())
    harness.pace()
    assert len(harness.claim(4).calls) == 4


def test_the_emergency_stop_reaches_what_is_claimed_already(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue()
    call = harness.take()
    harness.store.redis.set(keys.STOP, "operator")
    assert harness.arm(call).outcome == "stop"


def test_an_emptied_store_is_not_submitted_from(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue()
    call = harness.take()
    harness.store.redis.delete(keys.EPOCH)
    assert harness.claim().status == "lost"
    assert harness.arm(call).outcome == "lost"


def test_a_result_for_a_call_that_waits_for_its_retry_can_ask_for_a_redial(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    [extid] = harness.enqueue(redial='{"max_attempts":3,"delays":{"busy":[10]}}')
    assert harness.submit("retry", delay=5) == "scheduled"
    [applied] = harness.store.run(call_transitions.apply_results([Applying(extid, "{}", "digest", "busy")]))
    assert (applied.outcome, applied.state) == ("redial", "scheduled")
    assert harness.store.run(call_transitions.pace()).next_due == 10
    assert harness.store.redis.hget(keys.COUNTS, "scheduled") == b"1"


def test_a_retry_that_would_come_too_late_ends_expired(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    [extid] = harness.enqueue(expires_at=START // 1000 + 3000)
    assert harness.submit("retry", delay=60) == "scheduled"
    harness.later(3)
    harness.sweep()
    assert harness.store.redis.hget(keys.record(extid), "s") == b"expired"


def test_a_post_whose_arm_a_failover_forgot_is_not_repeated(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    harness.enqueue()
    call = harness.take()
    assert harness.settle(call, "taken") == "submitted"
    assert harness.claim().status == "empty"


def test_a_call_with_two_entries_in_the_list_is_claimed_once(server: EmbeddedRedis) -> None:
    harness = Harness(server)
    [extid] = harness.enqueue(redial='{"max_attempts":3,"delays":{"busy":[1]}}')
    assert harness.submit("release") == "queued"
    harness.store.run(call_transitions.apply_results([Applying(extid, "{}", "digest", "busy")]))
    harness.later(60)
    harness.store.run(call_transitions.pace())
    harness.store.run(call_transitions.resume())
    assert harness.store.redis.llen(keys.ready("default", "normal")) == 2
    assert [call.record for call in harness.claim(4).calls] == [extid]


def test_a_start_that_was_held_up_counts_in_the_second_in_which_it_leaves(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=2)
    harness.enqueue(4)
    first, second, third, fourth = harness.claim(4, horizon=5).calls
    counted = harness.arm(first).slot
    harness.later(0.6)
    assert harness.arm(second).outcome == "armed"
    harness.later(0.3)
    again = harness.arm(first, -counted)
    assert (again.outcome, again.slot) == ("armed", harness.now)
    harness.later(0.2)
    assert harness.arm(third, harness.now).outcome == "wait", (
        "two have left within this second, and would not have before"
    )
    harness.later(0.6)
    assert harness.arm(third, harness.now).outcome == "armed"
    assert harness.arm(fourth, harness.now).outcome == "wait"


def test_a_start_that_was_held_up_waits_for_room_and_is_counted_nowhere_meanwhile(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=2)
    harness.enqueue(3)
    first, second, third = harness.claim(3, horizon=5).calls
    counted = harness.arm(first).slot
    harness.later(1.2)
    assert harness.arm(second, harness.now).outcome == harness.arm(third, harness.now).outcome == "armed"
    again = harness.arm(first, -counted)
    assert again.outcome == "wait"
    harness.later(again.wait)
    assert harness.arm(first, -1).outcome == "armed"


def test_a_start_whose_answer_was_lost_can_be_counted_anew_too(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=2)
    harness.enqueue(3)
    first, second, third = harness.claim(3, horizon=5).calls
    assert harness.arm(first).outcome == "armed"
    harness.later(1.2)
    assert harness.arm(second, harness.now).outcome == harness.arm(third, harness.now).outcome == "armed"
    again = harness.arm(first)
    assert (again.outcome, again.slot) == ("armed", 1)
    assert harness.arm(first, -again.slot).outcome == "wait", "two have left within this second already"


def test_the_emergency_stop_holds_back_what_was_held_up(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server, calls_per_second=2)
    harness.enqueue()
    call = harness.take()
    counted = harness.arm(call).slot
    harness.store.run(holds.stop("a wrong list", "operator"))
    assert harness.arm(call, -counted).outcome == "stop"
