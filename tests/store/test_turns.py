"""Workers that share a rate limit take turns: few claims of many slots, and none that is due before it is claimed."""

import pytest
from store_harness import START
from test_limits import Harness

from alodial.settings import AccountSettings
from alodial.store.call_transitions import SLOTS_SECOND
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers.submit import HORIZON, tick_length


class Workers:
    """Workers that claim as the engine does: again once the wait is over."""

    def __init__(self, server: EmbeddedRedis, rate: float, workers: int, calls: int) -> None:
        self.harness = Harness(server, calls_per_second=rate)
        self.harness.enqueue(calls)
        self.tick = tick_length(rate, AccountSettings(calls_per_second=rate).burst_calls)
        self.due = {f"w{n}": START for n in range(workers)}
        self.claims = dict.fromkeys(self.due, 0)
        self.slots: list[int] = []
        self.ticks: list[set[int]] = []
        """The ticks of each claim's slots."""

    def run(self, seconds: float) -> None:
        """Until that many seconds after the start."""
        while (now := min(self.due.values())) < START + seconds * 1_000_000:
            name = next(name for name, at in self.due.items() if at == now)
            self.harness.at(now)
            claim = self.harness.claim(128, HORIZON, tick=self.tick)
            assert claim.status == "ok", claim.status
            self.claims[name] += 1
            self.slots += [call.slot for call in claim.calls]
            if self.tick and claim.calls:
                self.ticks.append({-(-call.slot // self.tick) for call in claim.calls})
            self.due[name] = now + max(1, round(claim.wait * 1_000_000))

    @property
    def furthest(self) -> float:
        """The most seconds between two slots."""
        return max(later - earlier for earlier, later in zip(self.slots, self.slots[1:], strict=False)) / 1_000_000


@pytest.mark.parametrize(("rate", "seconds"), [(1, 20), (5, 8), (50, 4), (500, 1), (2000, 0.3)])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_slot_is_claimed_before_it_is_due_and_none_twice(
    redis_server: EmbeddedRedis, rate: float, seconds: float, workers: int
) -> None:
    all_of_them = Workers(redis_server, rate, workers, int(rate * (seconds + 1)) + 1)
    all_of_them.run(seconds)
    expected = [START + round(n * SLOTS_SECOND / rate) for n in range(len(all_of_them.slots))]
    assert len(expected) >= rate * (seconds * 1_000_000 - all_of_them.tick) / SLOTS_SECOND - 2
    assert all_of_them.slots == pytest.approx(expected, abs=len(expected))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_tick_is_claimed_by_one_worker_as_a_whole(redis_server: EmbeddedRedis, workers: int) -> None:
    both = Workers(redis_server, 50, workers, 200)
    both.run(2)
    assert sum(both.claims.values()) <= 21
    assert all(len(ticks) == 1 for ticks in both.ticks[1:])


@pytest.mark.parametrize(("rate", "most"), [(50, 30), (500, 30), (2000, 60)])
def test_eight_workers_claim_as_rarely_as_a_single_one_and_each_has_its_share(
    redis_server: EmbeddedRedis, rate: float, most: int
) -> None:
    for number in (1, 8):
        workers = Workers(redis_server, rate, number, int(rate * 1.3))
        workers.run(1)
        assert sum(workers.claims.values()) <= most
        assert max(workers.claims.values()) <= 2 * min(workers.claims.values())


def test_no_slot_is_lost_with_a_worker_that_dies(redis_server: EmbeddedRedis) -> None:
    workers = Workers(redis_server, 500, 3, 700)
    workers.run(0.5)
    del workers.due["w1"]
    workers.run(1)
    assert workers.furthest <= SLOTS_SECOND / 500 / 1_000_000 + 2e-6


def test_the_last_of_eight_workers_goes_on_within_half_a_second(redis_server: EmbeddedRedis) -> None:
    workers = Workers(redis_server, 500, 8, 1200)
    workers.run(0.5)
    last = max(workers.due, key=lambda name: workers.due[name])
    workers.due = {last: workers.due[last]}
    workers.run(1.5)
    assert workers.furthest <= 0.5
    assert workers.claims[last] > 6


def test_a_clock_that_is_set_back_keeps_nobody_away(redis_server: EmbeddedRedis) -> None:
    workers = Workers(redis_server, 500, 2, 300)
    workers.run(0.2)
    workers.harness.store.redis.hset("alodial:{dial}:acct:default", "turn", START + 3_600_000_000)
    workers.harness.at(START + 300_000)
    assert workers.harness.claim(128, HORIZON, tick=workers.tick).wait <= 0.41
