"""Starts under a rate limit: none before its slot, few together, none far ahead, and never too many in a second."""

import asyncio
from bisect import bisect_left
from collections import Counter
from itertools import pairwise

import pytest

from alodial.settings import BURST_SECONDS, AccountSettings, Settings
from alodial.store.call_transitions import SLOTS_SECOND, STARTS_SECOND, Armed, Arming, Claimed
from alodial_workers.alovoice.client import NotArmed
from alodial_workers.submit import HORIZON, LATE, ArmTimes, SubmitContext, TickGate, arm_at_slot, lateness, tick_length

RATES = [(0, 1), (5, 2), (20, 2), (50, 2), (50, 5), (53, 5), (500, 1), (500, 50), (2000, 200), (10_000, 1000)]


def slots_of(rate: float, seconds: int) -> list[int]:
    return [round(SLOTS_SECOND * n / rate) + 12_345 for n in range(int(rate * seconds))] if rate else [0, 1]


@pytest.mark.parametrize(("rate", "burst"), RATES)
def test_calls_start_after_their_slots_and_no_more_together_than_the_burst(rate: float, burst: int) -> None:
    late = [lateness(slot, rate, burst) for slot in slots_of(rate, 1)]
    assert all(0 <= seconds <= BURST_SECONDS * 1.02 for seconds in late)
    together = Counter(
        round(slot + seconds * 1e6) for slot, seconds in zip(slots_of(rate, 1), late, strict=True) if seconds
    )
    assert max(together.values(), default=0) <= max(1, burst) + 1, (
        "one more where the ticks fill no whole number of slots"
    )


@pytest.mark.parametrize(("rate", "burst"), RATES)
def test_calls_that_start_together_fill_no_second_beyond_the_rate(rate: float, burst: int) -> None:
    starts = sorted(slot + round(lateness(slot, rate, burst) * 1e6) for slot in slots_of(rate, 3))
    fullest = max(bisect_left(starts, start + STARTS_SECOND) - i for i, start in enumerate(starts))
    assert not rate or fullest <= rate + 1, "a slot at the edge of its tick; arm holds it back"


def test_at_a_low_rate_the_calls_of_a_fifth_of_a_second_go_out_together() -> None:
    for rate in (20, 50):
        burst = AccountSettings(calls_per_second=rate).burst_calls
        starts = sorted({slot + round(lateness(slot, rate, burst) * 1e6) for slot in slots_of(rate, 5)})
        assert {later - sooner for sooner, later in pairwise(starts)} == {round(BURST_SECONDS * SLOTS_SECOND)}


def test_calls_of_a_tick_go_with_the_first_that_waits_for_it() -> None:
    async def started() -> list[int]:
        gate, order = TickGate(), []

        async def call(tick: int, ahead: float) -> None:
            await gate.wait(tick, ahead)
            order.append(tick)

        await asyncio.gather(call(7, 0.02), call(7, 3600), call(5, 0.001), call(7, 0.5))
        return order

    assert asyncio.run(asyncio.wait_for(started(), 15)) == [5, 7, 7, 7]


def test_nineteen_of_twenty_urgent_calls_wait_less_than_a_quarter_of_a_second_behind_claimed_slots() -> None:
    rates = [*RATES, *((rate, AccountSettings(calls_per_second=rate).burst_calls) for rate in range(20, 1000, 7))]
    longest = max(tick_length(rate, burst) / 1_000_000 for rate, burst in rates)
    assert 0.95 * longest + HORIZON < 0.25


@pytest.mark.parametrize(("priority", "delay"), [("urgent", 0.001), ("normal", 0.0)])
def test_an_urgent_call_and_one_that_need_not_wait_for_the_rate_wait_for_no_others(priority: str, delay: float) -> None:
    armed: list[Arming] = []

    async def arm(item: Arming) -> Armed:
        armed.append(item)
        return Armed("armed", 0, 0)

    async def start() -> None:
        context = SubmitContext(Settings(_env_file=None), None, arm, None, None, lateness=lambda _slot: 3600.0)  # type: ignore[arg-type]  # arm alone is used
        call = Claimed("1", "id", "{}", delay, 1, 0, "1", priority, "", "", 7, "token", "default")
        await arm_at_slot(call, asyncio.get_running_loop().time(), context)

    asyncio.run(asyncio.wait_for(start(), 15))
    assert [item.slot for item in armed] == [7]


def test_a_slot_that_is_far_away_since_the_clock_was_set_back_is_not_waited_for() -> None:
    async def start() -> None:
        context = SubmitContext(Settings(_env_file=None), None, None, None, None)  # type: ignore[arg-type]  # none is used
        call = Claimed("1", "id", "{}", 3600.0, 1, 0, "1", "normal", "", "", 7, "token", "default")
        with pytest.raises(NotArmed, match="slot_far"):
            await arm_at_slot(call, asyncio.get_running_loop().time(), context)

    asyncio.run(asyncio.wait_for(start(), 15))


def test_an_arm_is_late_that_takes_longer_than_usual_and_not_one_that_is_as_slow_as_the_others() -> None:
    times = ArmTimes()
    assert not any(times.is_late(seconds) for seconds in (0.03, 0.001, 0.001 + LATE * 0.99))
    assert times.is_late(0.2)
    for _ in range(1000):
        times.is_late(0.2)
    assert not times.is_late(0.2)
    assert not times.is_late(0.001)
    assert times.is_late(0.2)


@pytest.mark.parametrize(
    ("held_up", "counted", "slots"),
    [
        ((0.0,), 1234, [7]),
        ((1.0, 0.0), 1234, [7, -1234]),
        ((1.0, 1.0), 1234, [7, -1234]),
        ((1.0, 0.0), 1, [7, -1]),
        ((1.0,), 0, [7]),
    ],
)
def test_a_call_that_was_held_up_between_its_arm_and_its_post_is_counted_anew_once(
    held_up: tuple[float, ...], counted: int, slots: list[int]
) -> None:
    armed: list[int] = []

    class Clock(asyncio.SelectorEventLoop):
        late = 0.0

        def time(self) -> float:
            return super().time() + self.late

    loop = Clock()

    async def arm(item: Arming) -> Armed:
        loop.late += held_up[len(armed)]
        armed.append(item.slot)
        return Armed("armed", 0, counted)

    async def start() -> None:
        context = SubmitContext(Settings(_env_file=None), None, arm, None, None)  # type: ignore[arg-type]  # arm alone is used
        context.arm_times.is_late(0.001)
        call = Claimed("1", "id", "{}", 0.0, 1, 0, "1", "normal", "", "", 7, "token", "default")
        await arm_at_slot(call, loop.time(), context)

    loop.run_until_complete(start())
    loop.close()
    assert armed == slots


def test_a_call_that_is_counted_anew_waits_where_the_second_is_full() -> None:
    answers = [Armed("armed", 0, 1234), Armed("wait", 0.001, 99), Armed("armed", 0, 100)]
    armed: list[int] = []

    async def arm(item: Arming) -> Armed:
        armed.append(item.slot)
        if len(armed) == 1:
            await asyncio.sleep(3 * LATE)
        return answers[len(armed) - 1]

    async def start() -> None:
        context = SubmitContext(Settings(_env_file=None), None, arm, None, None)  # type: ignore[arg-type]  # as above
        context.arm_times.is_late(0.0)
        call = Claimed("1", "id", "{}", 0.0, 1, 0, "1", "normal", "", "", 7, "token", "default")
        await arm_at_slot(call, asyncio.get_running_loop().time(), context)

    asyncio.run(asyncio.wait_for(start(), 15))
    assert armed == [7, -1234, -1]
