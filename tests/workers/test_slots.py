"""Starts under a rate limit: none before its slot, few together, and none far ahead."""

from collections import Counter

import pytest

from alodial_workers.submit import LONGEST_TICK, claim_horizon, lateness


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (5, 2), (50, 2), (500, 1), (500, 20), (2000, 80), (10_000, 400)])
def test_calls_start_after_their_slots_and_no_more_together_than_half_the_burst(rate: float, burst: int) -> None:
    moments = [round(1_000_000 * n / rate) for n in range(int(rate))] if rate else [0, 1]
    late = [lateness(slot, rate, burst) for slot in moments]
    assert all(0 <= seconds <= LONGEST_TICK for seconds in late)
    together = Counter(round(slot + seconds * 1e6) for slot, seconds in zip(moments, late, strict=True))
    assert max(together.values()) <= max(1, burst / 2)


def test_an_urgent_call_waits_no_longer_behind_claimed_slots_than_a_tenth_of_a_second() -> None:
    assert all(claim_horizon(rate) <= 0.1 for rate in (0, 0.1, 5, 39, 40, 640, 10_000))
