"""Claims under a rate limit: few of them, no slot unused, and no start before its slot."""

import random
from collections import Counter

import pytest

from alodial_workers.submit import LONGEST_TICK, claim_horizon, claim_pause, lateness


def drained(rate: float, workers: int, seconds: float) -> tuple[list[float], int]:
    """The slots that so many workers claim, as claim.lua gives them, and how often they ask."""
    rng = random.Random(7).random
    gap, tat, claims = 1 / rate, 0.0, 0
    due = [0.0] * workers
    taken: list[float] = []
    while (now := min(due)) < seconds:
        claims += 1
        while (slot := max(now, tat)) - now <= claim_horizon(rate):
            taken.append(slot)
            tat = slot + gap
        due[due.index(now)] = now + max(claim_pause(slot - now - claim_horizon(rate), rate, rng), 0.001)
    return taken, claims


@pytest.mark.parametrize("rate", [1, 5, 20, 50, 500, 2000, 10_000])
def test_every_slot_is_claimed_before_it_is_due_and_none_twice(rate: float) -> None:
    taken, _ = drained(rate, 2, 20)
    assert taken == pytest.approx([n / rate for n in range(len(taken))])
    assert len(taken) >= rate * 20


@pytest.mark.parametrize(("rate", "most"), [(50, 1.3), (500, 0.2), (2000, 0.1)])
def test_two_workers_claim_dozens_of_slots_at_once_instead_of_one(rate: float, most: float) -> None:
    taken, claims = drained(rate, 2, 10)
    assert claims / len(taken) < most


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (5, 2), (50, 2), (500, 1), (500, 20), (2000, 80), (10_000, 400)])
def test_calls_start_after_their_slots_and_no_more_together_than_half_the_burst(rate: float, burst: int) -> None:
    moments = [round(1_000_000 * n / rate) for n in range(int(rate))] if rate else [0, 1]
    late = [lateness(slot, rate, burst) for slot in moments]
    assert all(0 <= seconds <= LONGEST_TICK for seconds in late)
    together = Counter(round(slot + seconds * 1e6) for slot, seconds in zip(moments, late, strict=True))
    assert max(together.values()) <= max(1, burst / 2)


def test_an_urgent_call_waits_no_longer_behind_claimed_slots_than_a_tenth_of_a_second() -> None:
    assert all(claim_horizon(rate) <= 0.1 for rate in (0, 0.1, 5, 39, 40, 640, 10_000))
    assert claim_pause(0, 500) == 0, "where the rate is not in the way, the next claim is due at once"
