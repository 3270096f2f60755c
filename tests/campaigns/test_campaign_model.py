"""Random operations on campaigns, on the model and on the real Lua side by side: every answer and all that is kept is the same.

Some answers are lost: then the script runs twice, and must say the same and change nothing more.
"""

import os
from collections import Counter

import pytest
from campaign_harness import ClockedStore
from campaign_pair import CampaignPair

from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis

EXAMPLES = int(os.environ.get("ALODIAL_MODEL_EXAMPLES", "45"))

OUTCOMES = {
    *(f"create {outcome}" for outcome in ("created", "resumed", "duplicate", "same", "conflict")),
    *(f"append {outcome}" for outcome in ("added", "had", "gap", "closed", "duplicate", "same", "conflict")),
    *(f"finish {outcome}" for outcome in ("started", "scheduled", "paused", "had", "gone", "duplicate")),
    *(f"steer {outcome}" for outcome in ("done", "same", "refused", "unknown", "stale")),
    *("drop dropped", "drop kept", "fill filled", "fill stale", "taken", "answered", "busy", "expired"),
}


def clocked_store(redis_server: EmbeddedRedis) -> ClockedStore:
    return ClockedStore(
        Settings(
            _env_file=None, redis_url=redis_server.url, calls_per_second=0, max_concurrent_calls=0, courtesy_hours="off"
        )
    )


def test_random_lives_of_campaigns_reach_every_outcome_and_agree(redis_server: EmbeddedRedis) -> None:
    store, seen = clocked_store(redis_server), Counter[str]()
    for seed in range(60):
        CampaignPair(store, seed, seen).live(60)
    assert set(seen) >= OUTCOMES, f"never seen: {sorted(OUTCOMES - set(seen))}"


@pytest.mark.search
@pytest.mark.slow
def test_long_random_lives_of_campaigns_agree(redis_server: EmbeddedRedis) -> None:
    store, seen = clocked_store(redis_server), Counter[str]()
    for seed in range(EXAMPLES * 4):
        CampaignPair(store, seed, seen).live(80)
