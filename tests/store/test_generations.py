"""Another server became the primary: nobody claims or arms on it before every living worker has repeated its POSTs."""

from collections.abc import Callable

import pytest
from changed_script import changed, places
from store_harness import EPOCH, START, ClockedStore

from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, primary, workers
from alodial.store.call_transitions import Arming, Claim, Claimed, NewCall, Settling
from alodial.store.primary import Generation, Posted
from alodial_schemas import new_ids

LIMITS = AccountSettings(calls_per_second=0, max_concurrent_calls=10)
QUARANTINE = primary.QUARANTINE
PRIMARY = "alodial:{dial}:primary"


class Failover:
    """A store with two workers that fails over between steps."""

    def __init__(self, store: ClockedStore) -> None:
        self.store, self.now = store, START
        store.begin(START)
        self.generation = store.run(primary.met("server-1", QUARANTINE)).number
        for name in ("one", "two"):
            self.beat(name)

    def beat(self, name: str) -> None:
        heartbeat = workers.Heartbeat(name, self.now // 1000, 1, "host", 0)
        self.store.call(workers.write_heartbeat, heartbeat)

    def later(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000)
        self.store.set_clock(self.now)

    def enqueue(self, **options: object) -> str:
        call_id, extid = new_ids()
        self.store.run(call_transitions.enqueue([NewCall(extid, call_id, "{}", **options)], self.store.settings))  # type: ignore[arg-type]  # a call's fields
        return extid

    def claim(self, generation: str | None = None) -> Claim:
        known = f"{EPOCH}:{generation or self.generation}"
        return self.store.run(
            call_transitions.claim(self.store.settings, "default", LIMITS, epoch=known, room=5, horizon=1, attend=0)
        )

    def arm(self, call: Claimed, generation: str | None = None) -> str:
        known = f"{EPOCH}:{generation or self.generation}"
        items = [Arming(call.record, call.token, call.slot)]
        operation = call_transitions.arm(self.store.settings, LIMITS, items, epoch=known, worker="one")
        return self.store.run(operation)[0].outcome

    def fail_over(self, server: str = "server-2") -> Generation:
        answer = self.store.run(primary.met(server, QUARANTINE))
        self.generation = answer.number
        return answer

    def repeat(self, worker: str, *items: Posted) -> list[str]:
        found = self.store.run(primary.repeat_posts(self.store.settings, LIMITS, worker, items)) if items else []
        self.store.run(primary.repeated(worker, self.generation))
        return list(found)

    def state(self, extid: str) -> str:
        value = self.store.redis.hget(f"alodial:{{dial}}:c:{extid}", "s")
        assert isinstance(value, bytes)
        return value.decode()

    def repeat_both(self) -> None:
        self.repeat("one")
        self.repeat("two")


@pytest.fixture
def failover(settings: Settings) -> Failover:
    return Failover(ClockedStore(settings))


def the_first_server_makes_nobody_wait(store: Failover) -> None:
    store.enqueue()
    assert store.generation == "1"
    assert len(store.claim().calls) == 1


def a_worker_of_the_generation_before_neither_claims_nor_arms(store: Failover) -> None:
    store.enqueue()
    call = store.claim().calls[0]
    store.enqueue()
    store.fail_over()
    assert store.generation != "1"
    store.repeat_both()
    store.later(QUARANTINE + 0.1)
    assert store.claim("1").status == "moved"
    assert store.claim("1").calls == []
    assert store.arm(call, "1") == "hold"
    assert store.state(call.record) == "queued"
    assert store.arm(call) == "armed"  # who learned the generation and still holds the call goes on


def nobody_claims_before_every_living_worker_has_repeated_its_posts(store: Failover) -> None:
    store.enqueue()
    store.fail_over()
    store.later(QUARANTINE + 0.1)
    store.repeat("one")
    assert store.claim().calls == []
    store.repeat("two")
    assert len(store.claim().calls) == 1


def nobody_claims_while_a_worker_may_take_the_old_primary_for_the_current_one(store: Failover) -> None:
    store.enqueue()
    assert store.fail_over().wait > QUARANTINE - 0.1
    store.repeat_both()
    store.later(QUARANTINE - 0.5)
    assert store.claim().calls == []
    store.later(0.6)
    assert len(store.claim().calls) == 1


def a_worker_is_waited_for_however_long_redis_was_away(store: Failover) -> None:
    store.enqueue()
    store.later(3000)
    store.beat("one")  # as it may write one before the first connection says which server this is
    store.fail_over()
    store.repeat("one")
    store.later(QUARANTINE + 0.1)
    assert store.claim().calls == []
    store.repeat("two")
    assert len(store.claim().calls) == 1


def a_worker_that_left_is_not_waited_for(store: Failover) -> None:
    store.enqueue()
    store.store.call(workers.deregister, "two")
    store.fail_over()
    store.later(QUARANTINE + 0.1)
    store.repeat("one")
    assert len(store.claim().calls) == 1


def a_worker_that_dies_at_the_failover_is_waited_for_fifteen_seconds(store: Failover) -> None:
    store.enqueue()
    store.fail_over()
    store.repeat("one")
    store.later(primary.PATIENCE - 0.5)
    assert store.claim().calls == []
    store.later(1)
    assert len(store.claim().calls) == 1


def a_word_of_the_generation_before_ends_nobodys_waiting(store: Failover) -> None:
    store.enqueue()
    store.fail_over()
    store.later(QUARANTINE + 0.1)
    store.store.run(primary.repeated("one", "1"))
    store.store.run(primary.repeated("two", "1"))
    assert store.claim().calls == []


def a_forgotten_arm_is_repeated_and_the_call_goes_out_no_more(store: Failover) -> None:
    ready, claimed_again, scheduled = (
        store.enqueue(),
        store.enqueue(priority="u"),
        store.enqueue(not_before=store.now // 1000 + 60_000),
    )
    store.claim()  # a claim that this server knows, by a worker that did not come to arm
    other = store.enqueue()
    store.fail_over()
    items = [Posted(extid, f"t-{extid}", 1) for extid in (ready, claimed_again, scheduled, other)]
    assert store.repeat("one", *items) == ["armed"] * 4
    assert store.repeat("one", *items) == ["armed"] * 4  # its answer was lost
    store.repeat("two")
    store.later(QUARANTINE + 0.1)
    assert store.claim().calls == []
    store.later(70)
    store.store.run(call_transitions.pace())
    assert store.claim().calls == []
    settlings = [Settling(item.record, item.token, "taken", answer="{}") for item in items]
    assert store.store.run(call_transitions.settle(store.store.settings, LIMITS, settlings)) == ["submitted"] * 4


def a_repeated_post_waits_for_its_outcome_and_its_worker_may_die(store: Failover) -> None:
    extid = store.enqueue()
    store.fail_over()
    store.repeat("one", Posted(extid, "t", 1))
    store.repeat("two")
    store.later(60)
    store.store.run(call_transitions.sweep(store.store.settings))
    assert store.state(extid) == "unconfirmed"


def what_ended_or_went_on_is_not_taken_back(store: Failover) -> None:
    canceled = store.enqueue()
    store.store.run(call_transitions.cancel([canceled]))
    later_attempt = store.enqueue()
    store.fail_over()
    assert store.repeat("one", Posted(canceled, "t", 1), Posted(later_attempt, "t", 2), Posted("999", "t", 1)) == [
        "kept",
        "kept",
        "unknown",
    ]
    assert (store.state(canceled), store.state(later_attempt)) == ("canceled", "queued")


def an_outcome_that_was_recorded_is_not_repeated(store: Failover) -> None:
    extid = store.enqueue()
    call = store.claim().calls[0]
    store.arm(call)
    refused = [Settling(call.record, call.token, "retry", delay=1, answer="{}", code="busy")]
    store.store.run(call_transitions.settle(store.store.settings, LIMITS, refused))
    store.fail_over()
    assert store.repeat("one", Posted(extid, call.token, 1)) == ["kept"]
    assert store.state(extid) == "scheduled"


def the_sweeper_ends_nothing_that_a_worker_may_yet_repeat(store: Failover) -> None:
    extid = store.enqueue(expires_at=store.now // 1000 + 1000)
    store.fail_over()
    store.later(2)
    store.store.run(call_transitions.sweep(store.store.settings))
    assert store.state(extid) == "queued"
    assert store.repeat("one", Posted(extid, "t", 1)) == ["armed"]


def meeting_a_server_twice_begins_one_generation(store: Failover) -> None:
    first = store.fail_over().number
    store.repeat("one")
    assert store.fail_over().number == first
    store.later(QUARANTINE + 0.1)
    store.repeat("two")
    store.enqueue()
    assert len(store.claim().calls) == 1


def a_restored_backup_begins_no_generation_that_was_before(store: Failover) -> None:
    store.enqueue()
    store.fail_over()
    backup = store.store.redis.hgetall(PRIMARY)
    store.later(60)
    second = store.fail_over("server-3").number
    store.store.redis.delete(PRIMARY)
    store.store.redis.hset(PRIMARY, mapping=backup)
    store.later(60)
    assert store.fail_over("server-4").number != second
    assert store.claim(second).status == "moved"


def a_new_server_says_when_a_worker_asked_last_as_it_knows_it(store: Failover) -> None:
    store.store.run(primary.repeated("one"))
    backup = store.store.redis.hgetall(PRIMARY)
    asked = store.now // 1000
    store.later(60)
    assert store.store.run(primary.repeated("one")).now == asked + 60_000
    store.store.redis.hset(PRIMARY, mapping=backup)
    assert store.fail_over().was == asked
    store.store.run(primary.repeated("two"))
    assert store.store.run(primary.repeated("one")).was == asked  # whoever comes later hears it too


def a_worker_of_an_earlier_version_that_begins_a_generation_says_nothing_of_that(store: Failover) -> None:
    store.store.run(primary.repeated("one"))
    store.fail_over()
    assert store.store.run(primary.repeated("one")).was > 0
    store.store.redis.hincrby(PRIMARY, "gen", 1)
    assert store.store.run(primary.repeated("one")).was == 0


def workers_of_earlier_versions_go_on(store: Failover) -> None:
    store.enqueue()
    call = store.store.run(
        call_transitions.claim(store.store.settings, "default", LIMITS, epoch=EPOCH, room=5, horizon=1, attend=0)
    ).calls[0]
    items = [Arming(call.record, call.token, call.slot)]
    arm = call_transitions.arm(store.store.settings, LIMITS, items, epoch=EPOCH, worker="old")
    assert store.store.run(arm)[0].outcome == "armed"


RULES: tuple[Callable[[Failover], None], ...] = (
    the_first_server_makes_nobody_wait,
    a_worker_of_the_generation_before_neither_claims_nor_arms,
    nobody_claims_before_every_living_worker_has_repeated_its_posts,
    nobody_claims_while_a_worker_may_take_the_old_primary_for_the_current_one,
    a_worker_is_waited_for_however_long_redis_was_away,
    a_worker_that_left_is_not_waited_for,
    a_worker_that_dies_at_the_failover_is_waited_for_fifteen_seconds,
    a_word_of_the_generation_before_ends_nobodys_waiting,
    a_forgotten_arm_is_repeated_and_the_call_goes_out_no_more,
    a_repeated_post_waits_for_its_outcome_and_its_worker_may_die,
    what_ended_or_went_on_is_not_taken_back,
    an_outcome_that_was_recorded_is_not_repeated,
    the_sweeper_ends_nothing_that_a_worker_may_yet_repeat,
    meeting_a_server_twice_begins_one_generation,
    a_restored_backup_begins_no_generation_that_was_before,
    a_new_server_says_when_a_worker_asked_last_as_it_knows_it,
    a_worker_of_an_earlier_version_that_begins_a_generation_says_nothing_of_that,
    workers_of_earlier_versions_go_on,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_after_a_failover(failover: Failover, rule: Callable[[Failover], None]) -> None:
    rule(failover)


PLANTED = {
    "claim takes any generation": ("claim", "if store ~= 'same' then", "if store == 'lost' then"),
    "claim waits for nobody": ("claim", "if settling > 0 then", "if false then"),
    "arm takes any generation": ("arm", "if same == 'moved' then", "if false then"),
    "the quarantine is forgotten": ("claim", "if p[2] and tonumber(p[2]) > ms then", "if false then"),
    "the workers that owe are forgotten": ("claim", "elseif p[3] and tonumber(p[3]) > ms and", "elseif false and"),
    "the first server makes everybody wait": ("primary", "if known[1] then", "if true then"),
    "the same server begins a generation": ("primary", "if known[1] ~= ARGV[2] then", "if true then"),
    "who was silent is not waited for": (
        "primary",
        "do redis.call('SADD', owing, worker) end",
        "do local beat = redis.call('HGET', P .. 'workers', worker)"
        " if ms - string.match(beat, '\"at\": ?(%d+)') < 10000 then redis.call('SADD', owing, worker) end end",
    ),
    "the living are not waited for": ("primary", "redis.call('SADD', owing, worker)", ""),
    "an old word counts": ("primary", "if ARGV[3] == redis.call('HGET', key, 'gen') then", "if true then"),
    "generations are counted": ("primary", "math.max(number(known[2]) + 1, math.floor(ms / 1000))", "number(known[2]) + 1"),
    "no look is noted": ("primary", "redis.call('HSET', key, 'seen', int(ms))", ""),
    "an old last look counts": ("primary", "of == generation and", ""),
    "a repeated post has no lease": ("repeat", "redis.call('ZADD', LEASE, ms + lease, x)", ""),
    "a repeated post loses its token": ("repeat", ", 'tok', token)", ")"),
    "another attempt is repeated": ("repeat", "if r.n ~= attempt then", "if false then"),
    "a recorded outcome is repeated": ("repeat", "if r.st and string.sub(r.st, 1, #token + 1)", "if r.st and ''"),
    "a scheduled call is not repeated": ("repeat", "if r.s ~= 'queued' and r.s ~= 'scheduled' then", "if r.s ~= 'queued' then"),
    "the sweeper does not wait": ("sweep", "if settling > 0 then return answer end", ""),
}  # fmt: skip


@pytest.mark.search
@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(settings: Settings, name: str) -> None:
    script, old, new = PLANTED[name]
    found = []
    for rule in RULES:
        store = ClockedStore(settings)
        kept = store._scripts[script]
        assert places(kept, old) == 1, f"the place of {name!r} has changed"
        store._scripts[script] = changed(kept, old, new)
        try:
            rule(Failover(store))
        except Exception:
            found.append(rule.__name__)
    assert found, f"nobody noticed that {name}"
