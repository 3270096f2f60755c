"""Every order of events in a small world: calls, workers that crash, wake-ups that double, answers that get lost.

Breadth first over the model, with time cut down to what can be told apart. A worker's POST is a step of its own after arm,
so that a crash falls between any two steps. The same search finds the double ring in three naive protocols at once: it can
fail.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from model import Call, Limits, ModelStore, Rules

from alodial.store.call_transitions import Applying, Arming, Claimed, NewCall, Settling, Swept
from alodial_schemas import ENDS, State

RULES = Rules(lease=2, result=6, channel=4, redial_after=1, max_tries=2, poison=2)
LIMITS = Limits(rate=0, burst=2, cap=2)
TICK = 1000
START = 1_000_000
REDIALLED = {"on_unconfirmed": "redial"}
EXPIRING = {"expires_at": START // TICK + 3}
"""The clock's steps are one millisecond; a lease lasts two of them."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker holds in its head: it is lost when the worker crashes."""

    doing: str = "idle"
    call: Claimed | None = None
    asked: str = ""
    """The token of a claim whose answer never came."""


@dataclass(slots=True)
class World:
    store: ModelStore
    workers: tuple[Worker, ...]
    rings: dict[str, int]
    results: dict[str, int]
    faults: int
    tokens: int = 0

    def copy(self) -> "World":
        return World(self.store.copy(), self.workers, dict(self.rings), dict(self.results), self.faults, self.tokens)

    def key(self) -> tuple[Any, ...]:
        """Equal worlds have the same future: times count from now, tokens by who holds them."""
        store, ms = self.store, self.store.ms
        names = {w.call.token if w.call else w.asked: i for i, w in enumerate(self.workers) if w.call or w.asked}

        def token(text: str) -> object:
            return names.get(text, "gone" if text else "")

        def call(c: Call) -> tuple[Any, ...]:
            settled = (
                None if c.settled is None else (token(c.settled[0]), c.settled[1] if c.settled[0] in names else "")
            )
            attempts = tuple((a.armed is not None, a.disposition, a.first, a.other) for a in c.attempts.values())
            over = c.new.expires_at != "" and c.over(ms)
            blamed = c.crashes is not None and c.token and c.alone == c.token
            return (c.state, c.attempt, token(c.token), c.tries, c.crashes, blamed, settled, attempts, over)

        def due(waiting: dict[str, int]) -> tuple[tuple[str, int], ...]:
            return tuple(sorted((x, max(until - ms, 0)) for x, until in waiting.items()))

        return (
            tuple(map(call, store.calls.values())),
            tuple(map(tuple, store.ready.values())),
            (due(store.due), due(store.lease), due(store.awaiting), due(store.channels.get("default", {}))),
            due(store.exp),
            store.stopped,
            tuple(
                sorted(
                    (w.doing, names[w.call.token], w.call.extid) if w.call else (w.doing, names.get(w.asked, -1), "")
                    for w in self.workers
                )
            ),
            tuple(self.rings.items()),
            tuple(self.results.items()),
            self.faults,
        )


Protocol = type[ModelStore]


class Doomed(AssertionError):
    """An invariant is broken; the message tells which."""


def check(world: World) -> None:
    store = world.store
    if any(n > 1 for n in world.rings.values()):
        raise Doomed("a phone rings twice for one attempt")
    counted: dict[str, int] = {}
    for x, c in store.calls.items():
        counted[c.state.value] = counted.get(c.state.value, 0) + 1
        ends = sum(event.subject == c.new.id and event.kind in ENDS for event in store.events)
        if ends != (c.state in ENDS):
            raise Doomed(f"{ends} end events for a call that is {c.state}")
        places = [w for w in (store.due, store.lease, store.awaiting) if x in w]
        queued = any(x in queue for queue in store.ready.values())
        free = c.state is State.QUEUED and not c.token
        if len(places) != (0 if free or c.state in ENDS else 1) or (free and not queued):
            raise Doomed(f"a call that is {c.state} is stranded")
        if c.state is State.CANCELED and world.rings.get(x, 0) and c.attempts[1].armed is None:
            raise Doomed("canceled and rung")
    if counted != {state: n for state, n in store.counts.items() if n}:
        raise Doomed("the counts are wrong")
    if len(store.channels.get("default", {})) > LIMITS.cap:
        raise Doomed("more channels than the cap")
    if len(store.events) != sum(c.version for c in store.calls.values()):
        raise Doomed("an event without a version, or the other way round")


def after(world: World, *, early_send: bool) -> Iterator[World]:
    """All that may happen next."""
    yield from store_steps(world)
    yield from outside_steps(world)
    for i, worker in enumerate(world.workers):
        for step in WORKER_STEPS[worker.doing](world, worker, early_send):
            step_world, new = step
            step_world.workers = (*step_world.workers[:i], new, *step_world.workers[i + 1 :])
            yield step_world
        if worker.call is not None and world.faults:
            lost = world.copy()
            lost.faults -= 1
            lost.workers = (*lost.workers[:i], Worker(), *lost.workers[i + 1 :])
            yield lost


def store_steps(world: World) -> Iterator[World]:
    changed = world.copy()
    changed.store.pace()
    yield changed
    changed = world.copy()
    changed.store.sweep([f"9{x}{c.attempt + 1}" for x, c in sorted(changed.store.calls.items())])
    yield changed
    changed = world.copy()
    changed.store.now += TICK
    yield changed


def outside_steps(world: World) -> Iterator[World]:
    for x, c in world.store.calls.items():
        if c.state not in ENDS:
            changed = world.copy()
            changed.store.cancel([x])
            yield changed
    for extid, rings in world.rings.items():
        # AloVoice's results: on time, early, late, doubled, and a second one that says something else.
        for kind in ("A", "B") if rings else ():
            if world.results.get(extid, 0) < 2:
                changed = world.copy()
                changed.results[extid] = changed.results.get(extid, 0) + 1
                changed.store.apply([Applying(extid, "{}", kind, "answered" if kind == "A" else "busy")], [f"8{extid}"])
                yield changed


Step = Iterator[tuple[World, Worker]]


def idle(world: World, worker: Worker, early_send: bool) -> Step:
    """A wake-up, meant for it or doubled: it claims one call; the answer may get lost."""
    changed = world.copy()
    changed.tokens += 1
    token = f"t{changed.tokens}"
    claim = changed.store.claim("default", LIMITS, token, epoch="epoch", room=1, horizon=0, attend=0)
    if claim.calls:
        yield from given(changed, claim.calls[0], early_send)
        if world.faults:
            lost = changed.copy()
            lost.faults -= 1
            yield lost, Worker("asking", asked=token)


def given(world: World, call: Claimed, early_send: bool) -> Step:
    """A call that came with a claim's answer; a suspect is confirmed before it is looked at."""
    if call.suspect and world.store.confirm(call.record, call.token) is False:
        yield world, Worker()
    else:
        yield world, Worker("sending" if early_send else "claimed", call)


def asking(world: World, worker: Worker, early_send: bool) -> Step:
    """The claim whose answer was lost is asked for again, put back, or forgotten with its worker."""
    for room in (0, 1):
        if room or worker.asked in world.store.claims:
            changed = world.copy()
            claim = changed.store.claim("default", LIMITS, worker.asked, epoch="epoch", room=room, horizon=0, attend=0)
            if claim.calls:
                yield from given(changed, claim.calls[0], early_send)
            else:
                yield changed, Worker()
    yield world.copy(), Worker()


def claimed(world: World, worker: Worker, early_send: bool) -> Step:
    assert worker.call is not None
    changed = world.copy()
    item = Arming(worker.call.record, worker.call.token, worker.call.slot)
    outcome = changed.store.arm(LIMITS, [item], epoch="epoch")[0].outcome
    if early_send:
        yield changed, Worker("answered", worker.call)
    else:
        yield changed, Worker("sending", worker.call) if outcome == "armed" else Worker()
    if world.faults:
        # The answer of arm is lost: asked again, or given up unsent.
        lost = changed.copy()
        lost.faults -= 1
        yield lost, worker
        released = lost.copy()
        released.store.settle(LIMITS, [Settling(item.record, item.token, "release")], [""])
        yield released, Worker()


def sending(world: World, worker: Worker, early_send: bool) -> Step:
    """The POST: AloVoice rings, or refuses for now, or the connection breaks before the first byte."""
    assert worker.call is not None
    changed = world.copy()
    changed.rings[worker.call.extid] = changed.rings.get(worker.call.extid, 0) + 1
    yield changed, Worker("claimed" if early_send else "answered", worker.call)
    yield world.copy(), Worker("refused", worker.call)


def settling(world: World, worker: Worker, outcomes: tuple[Any, ...]) -> Step:
    assert worker.call is not None
    for outcome in outcomes:
        changed = world.copy()
        item = Settling(worker.call.record, worker.call.token, outcome, 0.001, answer="{}")
        changed.store.settle(LIMITS, [item], [f"7{worker.call.extid}"])
        yield changed, Worker()
        if world.faults:
            again = changed.copy()
            again.faults -= 1
            yield again, worker


def answered(world: World, worker: Worker, early_send: bool) -> Step:
    return settling(world, worker, ("taken", "unconfirmed", "rejected"))


def refused(world: World, worker: Worker, early_send: bool) -> Step:
    return settling(world, worker, ("retry", "release"))


WORKER_STEPS: dict[str, Callable[[World, Worker, bool], Step]] = {
    "idle": idle,
    "asking": asking,
    "claimed": claimed,
    "sending": sending,
    "answered": answered,
    "refused": refused,
}


def explore(
    protocol: Protocol,
    *,
    calls: Sequence[dict[str, Any]],
    workers: int,
    faults: int,
    limit: int,
    early_send: bool = False,
) -> tuple[int, str]:
    """Distinct worlds seen, and the first broken invariant or nothing."""
    store = protocol(RULES, START, "epoch")
    store.enqueue([NewCall(str(n + 1), f"id{n}", "{}", **options) for n, options in enumerate(calls)])
    first = World(store, (Worker(),) * workers, {}, {}, faults)
    seen = {hash(first.key())}
    waiting = deque([first])
    while waiting and len(seen) < limit:
        for world in after(waiting.popleft(), early_send=early_send):
            key = hash(world.key())
            if key in seen:
                continue
            seen.add(key)
            try:
                check(world)
            except Doomed as exc:
                return len(seen), str(exc)
            waiting.append(world)
    return len(seen), ""


class ArmsWithoutToken(ModelStore):
    """Naive: whoever once claimed a call may send it."""

    def arm(self, limits: Limits, items: Any, *, epoch: str) -> Any:
        mine = [replace_token(item, self.calls[item.record].token) for item in items]
        return super().arm(limits, mine, epoch=epoch)


def replace_token(item: Arming, token: str) -> Arming:
    return item._replace(token=token)


class SweepsToQueued(ModelStore):
    """Naive: a call whose worker died during the POST is put back."""

    def sweep(self, spares: Any) -> list[Swept]:
        for x, until in list(self.lease.items()):
            c = self.calls[x]
            if c.state is State.SUBMITTING and until <= self.ms:
                self._move(c, State.QUEUED)
                self._give_back(c)
        return super().sweep(spares)


@pytest.mark.search
@pytest.mark.slow
def test_no_order_of_events_breaks_an_invariant() -> None:
    states, broken = explore(ModelStore, calls=[REDIALLED, EXPIRING], workers=2, faults=2, limit=120_000)
    assert broken == ""
    assert states >= 100_000


def test_three_workers_and_one_call_exhaustively() -> None:
    states, broken = explore(ModelStore, calls=[EXPIRING], workers=3, faults=1, limit=60_000)
    assert broken == ""
    assert 10_000 < states < 60_000, "this world is small enough to be walked to its end"


def test_the_search_finds_the_double_ring_of_an_arm_without_token() -> None:
    assert (
        explore(ArmsWithoutToken, calls=[EXPIRING], workers=2, faults=1, limit=50_000)[1]
        == "a phone rings twice for one attempt"
    )


def test_the_search_finds_the_double_ring_of_an_arm_after_the_post() -> None:
    found = explore(ModelStore, calls=[{}], workers=2, faults=1, limit=50_000, early_send=True)[1]
    assert found in ("a phone rings twice for one attempt", "canceled and rung")


def test_the_search_finds_the_double_ring_of_a_sweeper_that_puts_back() -> None:
    assert (
        explore(SweepsToQueued, calls=[EXPIRING], workers=2, faults=1, limit=50_000)[1]
        == "a phone rings twice for one attempt"
    )
