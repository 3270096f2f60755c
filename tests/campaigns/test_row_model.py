"""Every short sequence of what may happen to campaigns, and long random ones: the model and the store agree after each step."""

import os
from collections import Counter

import pytest
from campaign_harness import Harness
from campaign_pair import CampaignPair
from row_pair import explore, live
from test_campaign_bugs import FOUND, planting

from alodial.testing.redis_server import EmbeddedRedis

EXAMPLES = int(os.environ.get("ALODIAL_MODEL_EXAMPLES", "45"))

RETRIES = ("claim", "post", "result", "cancel", "retry", "forget")
PAUSES = ("claim", "post", "result", "cancel", "time", "pause", "resume")
ENDS = ("claim", "post", "end", "add", "time", "submit")


@pytest.mark.parametrize(("depth", "names", "least"), [(3, (), 300), (7, RETRIES, 90), (5, PAUSES, 100), (4, ENDS, 80)])
def test_every_sequence_of_a_few_steps_leaves_model_and_store_the_same(
    redis_server: EmbeddedRedis, depth: int, names: tuple[str, ...], least: int
) -> None:
    assert explore(Harness(redis_server), depth, Counter(), names) >= least


def test_random_lives_of_campaigns_go_as_the_model_says(redis_server: EmbeddedRedis) -> None:
    seen: Counter[str] = Counter()
    harness = Harness(redis_server)
    for seed in range(30):
        live(harness, seed, 25, seen)
    wanted = {
        *("pause done", "pause refused", "resume done", "resume refused", "cancel done", "cancel refused"),
        *("add done", "add refused", "end done", "end refused", "submit", "forbid", "forget", "time"),
        *(f"retry {said}" for said in ("made", "retried", "not_allowed", "no_rows")),
        *(f"claim {status}" for status in ("ok", "empty", "cap")),
        *(f"post {state}" for state in ("submitted", "rejected", "scheduled", "hold", "lost")),
        *("result answered", "result busy"),
    }
    assert set(seen) >= wanted, f"never seen: {sorted(wanted - set(seen))}"


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "names"), [(4, ()), (10, RETRIES), (8, PAUSES), (5, ENDS)], ids=["all", "retries", "pauses", "ends"]
)
def test_every_longer_sequence_leaves_model_and_store_the_same(
    redis_server: EmbeddedRedis, depth: int, names: tuple[str, ...]
) -> None:
    explore(Harness(redis_server), depth, Counter(), names)


@pytest.mark.search
@pytest.mark.slow
def test_long_random_lives_go_as_the_model_says(redis_server: EmbeddedRedis) -> None:
    harness = Harness(redis_server)
    for seed in range(EXAMPLES * 8):
        live(harness, seed, 60, Counter())


ROW_BUGS = (
    "a share of channels is not kept",
    "one claim takes more than the channels left",
    "the list is looked into by claim only",
    "a campaign's own list is not looked into",
    "a channel that is free brings nobody back",
    "a redial is planned past the campaign's end",
    "redials without end",
    "who was canceled redials",
    "a pause lets calls out that were claimed",
    "a resumed campaign comes back without its calls",
    "a campaign is over while a call is under way",
    "how a row ended is forgotten",
    "redials keep the old end",
    "an end that has passed is moved",
    "rows are added after the end",
)
SCRIPT_BUGS = (
    "a key makes a second campaign",
    "a key does not look at the request",
    "a key dies before its campaign",
    "a campaign that runs is dropped",
    "a rival's campaign is not found",
    "a change does not see another",
    "added rows overwrite the counts",
    "rows are filled in twice",
)


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize("name", ROW_BUGS)
def test_the_model_of_rows_finds_a_planted_bug(redis_server: EmbeddedRedis, name: str) -> None:
    harness = Harness(redis_server, plant=planting(name))

    def look() -> None:
        explore(harness, 5, Counter(), RETRIES)
        for seed in range(60):
            live(harness, seed, 40, Counter())

    with pytest.raises(FOUND):
        look()


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPT_BUGS)
def test_the_model_of_campaigns_finds_a_planted_bug(redis_server: EmbeddedRedis, name: str) -> None:
    store = Harness(redis_server, plant=planting(name)).store

    def look() -> None:
        for seed in range(120):
            CampaignPair(store, seed, Counter()).live(60)

    with pytest.raises(FOUND):
        look()
