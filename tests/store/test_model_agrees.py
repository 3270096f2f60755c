"""Random operations on the model and on the real Lua side by side: every answer and everything that is kept is the same.

After each step the invariants hold, and every script, run a second time because its answer may have been lost, changes
nothing and answers the same.
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from model_past import live_past
from model_quotas import live_under_quotas
from store_harness import ClockedStore
from store_pair import Pair, live, worlds

from alodial.store.scripts import NAMES
from alodial.testing.redis_server import EmbeddedRedis

EXAMPLES = int(os.environ.get("ALODIAL_MODEL_EXAMPLES", "45"))


class Machine(RuleBasedStateMachine):
    """Hypothesis in the chooser's place: it looks for the odd case, and makes a failure small."""

    stores: Sequence[ClockedStore] = ()
    seen: ClassVar[Counter[str]] = Counter()

    def do(self, data: st.DataObject, what: str) -> None:
        self.pair.choose = lambda options: data.draw(st.sampled_from(options))
        getattr(self.pair, what)()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        def choose(options: Sequence[Any]) -> Any:
            return data.draw(st.sampled_from(options))

        self.pair = Pair(choose(self.stores), choose, self.seen)
        self.pair.enqueue()

    @rule(data=st.data(), what=st.sampled_from(("enqueue", "claim", "work", "apply", "cancel")))
    def ask(self, data: st.DataObject, what: str) -> None:
        self.do(data, what)

    @precondition(lambda self: self.pair.held)
    @rule(data=st.data(), what=st.sampled_from(("arm", "settle", "settle")))
    def hold(self, data: st.DataObject, what: str) -> None:
        self.do(data, what)

    @rule(data=st.data(), what=st.sampled_from(("pace", "sweep", "time_passes", "resume", "stop")))
    def go_on(self, data: st.DataObject, what: str) -> None:
        self.do(data, what)


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.timeout(1800)  # hundreds of lives: minutes on a slow machine
def test_hypothesis_finds_no_difference_between_the_model_and_the_lua(redis_server: EmbeddedRedis) -> None:
    class Bound(Machine):
        stores = tuple(ClockedStore(world) for world in worlds(redis_server.url))
        seen: ClassVar[Counter[str]] = Counter()

    chosen = hypothesis_settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        # Making a failure small takes minutes against a real Redis: only on demand.
        phases=(Phase.generate, Phase.shrink) if "ALODIAL_SHRINK" in os.environ else (Phase.generate,),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(Bound, settings=chosen)


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.timeout(1800)  # hundreds of lives: minutes on a slow machine
def test_long_random_runs_reach_every_outcome_and_agree(redis_server: EmbeddedRedis) -> None:
    stores = [ClockedStore(world) for world in worlds(redis_server.url)]
    seen: Counter[str] = Counter()
    for seed in range(EXAMPLES * 4):
        live(stores[seed % len(stores)], seed, seen)
    reached = {
        *("enqueued:created", "enqueued:same", "enqueued:conflict", "paced"),
        *(f"claim:{status}" for status in ("ok", "empty", "cap", "hold", "stop", "lost")),
        *(f"armed:{outcome}" for outcome in ("armed", "wait", "lost", "stop", "hold")),
        *(
            "submitted",
            "unconfirmed",
            "rejected",
            "failed",
            "scheduled",
            "queued",
            "auth",
            "auth:opened",
            "unsent:opened",
            "address:opened",
            "kept",
        ),
        *(f"applied:{outcome}" for outcome in ("completed", "redial", "corrected", "kept", "duplicate", "unknown")),
        *("canceled:canceled", "canceled:late", "canceled:unknown"),
        *(f"swept:{what}" for what in ("given_back", "unconfirmed", "timed_out", "expired", "failed")),
    }
    assert reached <= set(seen), f"never seen: {sorted(reached - set(seen))}"
    assert sum(seen[name] for name in NAMES) >= EXAMPLES * 100


def test_lives_whose_outcomes_are_recorded_several_at_once_agree(redis_server: EmbeddedRedis) -> None:
    stores, seen = [ClockedStore(world) for world in worlds(redis_server.url)], Counter[str]()
    for seed in range(6):
        live(stores[seed % len(stores)], seed, seen, settle="settle_together")
    assert set(seen) >= {"submitted", "unconfirmed", "scheduled", "kept"}


def test_lives_under_the_limits_of_api_keys_agree(redis_server: EmbeddedRedis) -> None:
    store, seen = ClockedStore(worlds(redis_server.url)[0]), Counter[str]()
    for seed in range(6):
        live_under_quotas(Pair(store, random.Random(seed).choice, seen), seed)
    assert set(seen) >= {"enqueued:created", "enqueued:same", "enqueued:limit", "enqueued:full"}


def test_lives_in_which_calls_leave_for_the_archive_agree(redis_server: EmbeddedRedis) -> None:
    store, seen = ClockedStore(worlds(redis_server.url)[0]), Counter[str]()
    for seed in range(3):
        live_past(Pair(store, random.Random(seed).choice, seen), seed)
    assert set(seen) >= {"archived", "enqueued:created", "enqueued:same", "enqueued:conflict"}
