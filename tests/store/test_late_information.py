"""What is learned late: results that correct earlier ones, and outcomes that a worker could not report in time."""

import json
from typing import Any

import pytest
from test_limits import Harness

from alodial.store import call_transitions
from alodial.store.call_transitions import Applying, Claimed, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

keys = Keys()

REDIAL = json.dumps({"max_attempts": 3, "delays": {"busy": [60], "no_answer": [60]}})


class Late(Harness):
    """One account, its clock, and what became of a call."""

    def out(self) -> Claimed:
        call = self.take()
        assert self.arm(call).outcome == "armed"
        return call

    def says(self, call: Claimed, outcome: call_transitions.SettleOutcome, delay: float = 0) -> str:
        item = Settling(call.record, call.token, outcome, delay, 0, '{"status":0}', "code", call.attempt)
        return self.store.run(call_transitions.settle(self.settings, self.limits, [item]))[0]

    def hears(self, extid: str, disposition: str) -> str:
        item = Applying(extid, json.dumps({"dialstatus": disposition}), f"digest-{disposition}", disposition, 7)
        return self.store.run(call_transitions.apply_results([item]))[0].outcome

    def pace(self) -> call_transitions.Pace:
        return self.store.run(call_transitions.pace())

    def of(self, extid: str, *names: str) -> list[str]:
        return [(value or b"").decode() for value in self.store.redis.hmget(keys.record(extid), *names)]

    def events(self) -> list[str]:
        rows: Any = self.store.redis.xrange(keys.EVENTS)
        return [json.loads(fields[b"event"])["type"].removeprefix("alodial.call.") for _, fields in rows]

    def nothing_rings(self) -> bool:
        """Whether no phone rings in the next hour, whatever is due."""
        for _ in range(4):
            self.later(900)
            self.pace()
            self.sweep()
            if self.claim(room=10).calls:
                return False
        return True

    def redialled_unconfirmed(self) -> tuple[Claimed, str]:
        """A call whose worker was cut off, and which the sweeper has scheduled again."""
        [extid] = self.enqueue(on_unconfirmed="redial")
        call = self.out()
        self.later(call_transitions.lease_seconds(self.settings) + 1)
        self.sweep()
        assert self.of(extid, "s") == ["scheduled"]
        return call, extid


@pytest.fixture
def late(redis_server: EmbeddedRedis) -> Late:
    return Late(redis_server)


def test_an_answer_after_busy_for_the_same_attempt_ends_the_call_and_cancels_its_redial(late: Late) -> None:
    [extid] = late.enqueue(redial=REDIAL)
    late.says(late.out(), "taken")
    assert late.hears(extid, "busy") == "redial"
    assert late.hears(extid, "answered") == "corrected"
    assert late.of(extid, "s", "dp") == ["completed", "answered"]
    assert late.events() == ["queued", "submitted", "redial_scheduled", "completed", "corrected"]
    assert late.nothing_rings()
    assert late.hears(extid, "answered") == "duplicate"


def test_an_answer_after_busy_ends_a_call_whose_redial_is_claimed_already(late: Late) -> None:
    [extid] = late.enqueue(redial=REDIAL)
    late.says(late.out(), "taken")
    late.hears(extid, "busy")
    late.later(61)
    late.pace()
    claimed = late.take()
    late.hears(extid, "answered")
    assert late.arm(claimed).outcome == "lost"
    assert late.of(extid, "s", "dp") == ["completed", "answered"]


@pytest.mark.parametrize("stage", ["submitting", "submitted", "unconfirmed"])
def test_an_answer_of_the_first_attempt_ends_the_call_while_the_second_is_out(
    redis_server: EmbeddedRedis, stage: str
) -> None:
    late = Late(redis_server, max_concurrent_calls=5)
    [extid] = late.enqueue(on_unconfirmed="redial")
    late.says(late.out(), "unconfirmed")
    late.later(late.settings.unconfirmed_redial_delay + 1)
    late.pace()
    second = late.out()
    if stage == "submitted":
        late.says(second, "taken")
    elif stage == "unconfirmed":
        late.says(second, "unconfirmed")
        assert late.of(extid, "s", "n") == ["scheduled", "3"]
    assert late.hears(extid, "answered") == "completed"
    assert late.of(extid, "s", "dp") == ["completed", "answered"]
    assert late.used() == (0 if stage == "unconfirmed" else 1), "the phone of the second attempt may be ringing"
    if stage == "submitting":
        assert late.says(second, "retry") == "kept"
        assert late.used() == 0, "it did not ring after all"
    elif stage == "submitted":
        assert late.hears(second.extid, "busy") == "corrected"
        assert late.used() == 0
    assert late.of(extid, "dp") == ["answered"]
    assert late.events().count("completed") == 1
    assert late.nothing_rings()


def test_an_answer_corrects_a_call_that_ended_busy(late: Late) -> None:
    [extid] = late.enqueue()
    late.says(late.out(), "taken")
    assert late.hears(extid, "busy") == "completed"
    assert late.hears(extid, "answered") == "corrected"
    assert late.of(extid, "s", "dp") == ["completed", "answered"]
    assert late.events()[-2:] == ["completed", "corrected"]
    assert late.store.redis.xlen(f"{keys.PREFIX}e:completed:answered") == 1


def test_busy_does_not_correct_a_call_that_was_answered(late: Late) -> None:
    [extid] = late.enqueue(redial=REDIAL)
    late.says(late.out(), "taken")
    late.hears(extid, "answered")
    assert late.hears(extid, "busy") == "corrected"
    assert late.of(extid, "s", "dp") == ["completed", "answered"]
    assert late.nothing_rings()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("taken", "submitted"),
        ("rejected", "rejected"),
        ("retry", "scheduled"),
        ("release", "queued"),
        ("auth", "scheduled"),
    ],
)
def test_a_certain_outcome_wins_over_a_sweeper_that_was_first(
    late: Late, outcome: call_transitions.SettleOutcome, state: str
) -> None:
    [extid] = late.enqueue()
    call = late.out()
    late.later(call_transitions.lease_seconds(late.settings) + 1)
    late.sweep()
    assert late.of(extid, "s") == ["unconfirmed"]
    late.says(call, outcome, delay=5)
    assert late.of(extid, "s") == [state]
    assert late.store.redis.zcard(keys.PREFIX + "unconfirmed") == 0
    awaited = late.store.redis.zscore(keys.AWAIT, extid) is not None
    assert awaited == (state == "submitted"), "only a call that was taken waits for a result"
    before = late.events()
    late.says(call, outcome, delay=5)
    assert late.events() == before, "said twice, as its answer may have been lost"


def test_a_redial_that_was_refused_and_then_withdrawn_leaves_nothing_for_a_later_one(late: Late) -> None:
    call, extid = late.redialled_unconfirmed()
    late.later(late.settings.unconfirmed_redial_delay + 1)
    late.pace()
    redial = late.out()
    late.says(redial, "retry", delay=50)
    assert late.of(extid, "n", "o2") == ["2", '{"status":0}']
    assert late.says(call, "retry", delay=5) == "scheduled"
    assert late.of(extid, "n", "cx", "x2", "o2", "a2", "lt") == ["1", "", "", "", "", ""]


def test_an_ambiguous_outcome_leaves_the_call_unconfirmed(late: Late) -> None:
    [extid] = late.enqueue()
    call = late.out()
    late.later(call_transitions.lease_seconds(late.settings) + 1)
    late.sweep()
    assert late.says(call, "unconfirmed") == "kept"
    assert late.of(extid, "s", "o1") == ["unconfirmed", '{"status":0}']


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("taken", "submitted"), ("rejected", "rejected"), ("retry", "scheduled"), ("release", "queued")],
)
@pytest.mark.parametrize("redial", ["waits", "ready", "claimed"])
def test_a_redial_started_in_between_does_not_ring_beside_a_certain_outcome(
    late: Late, outcome: call_transitions.SettleOutcome, state: str, redial: str
) -> None:
    call, extid = late.redialled_unconfirmed()
    claimed = None
    if redial != "waits":
        late.later(late.settings.unconfirmed_redial_delay + 1)
        late.pace()
        claimed = late.take() if redial == "claimed" else None
    late.says(call, outcome, delay=5)
    assert late.of(extid, "s", "n", "cx") == [state, "1", ""]
    assert claimed is None or late.arm(claimed).outcome == "lost"
    if state in ("submitted", "rejected"):
        assert not late.claim(room=10).calls
    else:
        late.later(6)
        late.pace()
        assert late.out().attempt == 1
    if state == "submitted":
        assert late.hears(extid, "answered") == "completed"
        assert late.of(extid, "s", "dp") == ["completed", "answered"]


def test_a_redial_that_is_out_is_not_taken_back(late: Late) -> None:
    call, extid = late.redialled_unconfirmed()
    late.later(late.settings.unconfirmed_redial_delay + 1)
    late.pace()
    late.out()
    assert late.says(call, "retry") == "kept"
    assert late.of(extid, "s", "n", "o1") == ["submitting", "2", '{"status":0}']


def test_a_stranger_settles_nothing_that_was_swept(late: Late) -> None:
    [extid] = late.enqueue()
    call = late.out()
    late.later(call_transitions.lease_seconds(late.settings) + 1)
    late.sweep()
    item = Settling(call.record, "stranger", "release", attempt=1)
    assert late.store.run(call_transitions.settle(late.settings, late.limits, [item])) == ["kept"]
    assert late.of(extid, "s") == ["unconfirmed"]


def test_events_of_a_store_that_went_back_do_not_share_ids(late: Late) -> None:
    [extid] = late.enqueue()
    late.says(late.out(), "taken")
    saved = late.store.save()

    def last() -> dict[str, Any]:
        rows: Any = late.store.redis.xrevrange(keys.EVENTS, count=1)
        event: dict[str, Any] = json.loads(rows[0][1][b"event"])
        return event

    late.hears(extid, "answered")
    lost = last()
    late.store.restore(saved)
    late.hears(extid, "busy")
    other = last()
    assert other["id"] != lost["id"], "a receiver that knows the first would drop the second"
    late.store.restore(saved)
    late.hears(extid, "answered")
    assert last()["id"] == lost["id"], "the same change has the same id"
