"""One claimed call on its way: which state each outcome leads to, and that a phone is rung at most once for it."""

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import pytest
import redis.exceptions

from alodial import CallQueue, IvrCall, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.client import AsyncStore, Operation
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis
from alodial_workers import submit as submitting
from alodial_workers.alovoice.answer_classification import Verdict
from alodial_workers.alovoice.client import AloVoiceClient, Submission
from alodial_workers.engine import Engine
from alodial_workers.submit import SubmitContext, retry_delay, submit

from .raw import TAKEN, Behave, Peer, RawServer, all_taken, answer, sending, until

keys = Keys()

T = TypeVar("T")
CALL = TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"])


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# --- with fakes -------------------------------------------------------------------------------------------------------


class FakeClient:
    """Arms and then returns its verdict; counts what it would have POSTed."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.posts = 0

    async def submit(
        self, _account: str, _body: Mapping[str, Any], _extid: str, *, before_first_byte: Callable[[], Any]
    ) -> Submission:
        if self._verdict.code != "connect_failed":
            await before_first_byte()
            self.posts += 1
        return Submission(self._verdict, 0.01)


class FakeStore:
    """Arms with each of ``arms`` in turn (an exception is raised) and keeps what it settles."""

    def __init__(self, *arms: call_transitions.Armed | Exception, away: int = 0) -> None:
        self._arms = list(arms) or [call_transitions.Armed("armed", 0, 0)]
        self._away = away
        self.armed: list[call_transitions.Arming] = []
        self.settled: list[call_transitions.Settling] = []

    async def arm(self, arming: call_transitions.Arming) -> call_transitions.Armed:
        self.armed.append(arming)
        armed = self._arms.pop(0)
        if isinstance(armed, Exception):
            raise armed
        return armed

    async def settle(self, settling: call_transitions.Settling) -> str:
        if self._away:
            self._away -= 1
            raise StoreUnavailable("away")
        self.settled.append(settling)
        return "settled"


def claimed(**options: Any) -> call_transitions.Claimed:
    values: dict[str, Any] = {
        "record": "123123",
        "id": "0190-id",
        "body": "{}",
        "delay": 0.0,
        "attempt": 1,
        "tries": 0,
        "extid": "123123",
        "priority": "normal",
        "campaign": "",
        "reference": "",
        "slot": 0,
        "token": "t0k",
        "account": "default",
    }
    return call_transitions.Claimed(**{**values, **options})


def go(
    verdict: Verdict, store: FakeStore, *, refuses: str | None = None, call: call_transitions.Claimed | None = None
) -> FakeClient:
    client = FakeClient(verdict)

    async def work() -> None:
        context = SubmitContext(
            Settings(_env_file=None),
            cast(AloVoiceClient, client),
            store.arm,
            store.settle,
            lambda _body: refuses,
        )
        await submit(call or claimed(), asyncio.get_running_loop().time(), context)

    run(work())
    return client


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict("taken", "taken", 200, "{}"),
        Verdict("rejected", "status_400", 400, "no"),
        Verdict("unconfirmed", "answer_lost"),
        Verdict("unsent", "connect_failed"),
        Verdict("auth", "token_refused", 401),
    ],
)
def test_the_outcome_is_settled_once_with_the_answer(verdict: Verdict) -> None:
    store = FakeStore()
    go(verdict, store)
    (settling,) = store.settled
    assert (settling.outcome, settling.code, settling.token) == (verdict.outcome, verdict.code, "t0k")
    kept = json.loads(settling.answer)
    assert (kept["code"], kept.get("status")) == (verdict.code, verdict.status)
    assert settling.hold == 0
    assert (settling.delay > 0) == (verdict.outcome == "unsent")


def test_a_time_to_come_back_holds_the_account_and_the_call_a_little_longer() -> None:
    store = FakeStore()
    go(Verdict("retry", "too_many_requests", 429, pause=30.0), store)
    assert store.settled[0].hold == 30
    assert 30 <= store.settled[0].delay <= 36


def test_a_refusal_for_now_without_a_time_holds_the_account_by_a_backoff_of_its_own_not_by_the_calls() -> None:
    store = FakeStore()
    go(Verdict("retry", "too_many_requests", 429, pause=0.0), store, call=claimed(tries=8))
    assert store.settled[0].hold == submitting.ACCOUNT_BACKOFF
    assert 128 <= store.settled[0].delay <= 300


@pytest.mark.parametrize(("tries", "ceiling"), [(0, 1), (1, 2), (5, 32), (9, 300), (10**6, 300)])
def test_a_retry_waits_twice_as_long_each_time_half_of_it_by_chance(tries: int, ceiling: float) -> None:
    assert retry_delay(tries, 1, 300, lambda: 0.0) == ceiling / 2
    assert retry_delay(tries, 1, 300, lambda: 1.0) == ceiling


@pytest.mark.parametrize("reason", ["stop", "hold"])
def test_what_may_not_go_at_the_last_instant_is_given_back_unsent(reason: Any) -> None:
    store = FakeStore(call_transitions.Armed(reason, 0, 0))
    assert go(Verdict("taken", "taken"), store).posts == 0
    assert [(settling.outcome, settling.code) for settling in store.settled] == [("release", reason)]


def test_a_call_that_somebody_else_holds_is_left_alone() -> None:
    store = FakeStore(call_transitions.Armed("lost", 0, 0))
    assert go(Verdict("taken", "taken"), store).posts == 0
    assert store.settled == []


def test_a_store_that_is_away_at_the_last_instant_means_not_sent_and_given_back_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submitting, "SETTLE_RETRY", 0.001)
    store = FakeStore(StoreUnavailable("away"), away=3)
    assert go(Verdict("taken", "taken"), store).posts == 0
    assert [(settling.outcome, settling.code) for settling in store.settled] == [("release", "store_unavailable")]


def test_an_outcome_is_held_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "SETTLE_RETRY", 0.001)
    store = FakeStore(away=20)
    assert go(Verdict("taken", "taken"), store).posts == 1
    assert [settling.outcome for settling in store.settled] == ["taken"]


def test_a_late_slot_is_armed_again_at_the_new_one() -> None:
    store = FakeStore(
        call_transitions.Armed("wait", 0.001, 777),
        call_transitions.Armed("wait", 0.001, 888),
        call_transitions.Armed("armed", 0, 0),
    )
    assert go(Verdict("taken", "taken"), store, call=claimed(slot=5)).posts == 1
    assert [arming.slot for arming in store.armed] == [5, 777, 888]


def test_a_process_that_stood_still_past_its_lease_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "lease_seconds", lambda _settings: 0.0)
    store = FakeStore()
    assert go(Verdict("taken", "taken"), store).posts == 0
    assert [(settling.outcome, settling.code) for settling in store.settled] == [("release", "woke_late")]


def test_a_number_outside_the_policy_is_refused_before_anything_is_opened() -> None:
    store = FakeStore()
    client = go(Verdict("taken", "taken"), store, refuses="phone_not_allowed")
    assert client.posts == 0
    assert store.armed == []
    assert [(settling.outcome, settling.code) for settling in store.settled] == [("rejected", "phone_not_allowed")]


@pytest.mark.parametrize("body", ["", "not json", "[" * 100_000])
def test_a_record_whose_body_is_no_json_is_rejected_and_never_armed(body: str) -> None:
    store = FakeStore()
    assert go(Verdict("taken", "taken"), store, call=claimed(body=body)).posts == 0
    assert store.armed == []
    assert [(settling.outcome, settling.code) for settling in store.settled] == [("rejected", "record_unreadable")]


# --- with a real store ------------------------------------------------------------------------------------------------


class Works:
    """An engine on a real store, POSTing to a server whose behaviour is given."""

    def __init__(self, settings: Settings, server: RawServer, store: AsyncStore, engine: Engine) -> None:
        self.settings, self.server, self.store, self.engine = settings, server, store, engine

    async def claim(self, room: int = 10) -> list[call_transitions.Claimed]:
        epoch = self.engine._epoch
        operation = call_transitions.claim(
            self.settings, "default", self.settings.account("default"), epoch=epoch, room=room, horizon=5, attend=0
        )
        return (await self.store.run(operation)).calls

    async def submit(self, call: call_transitions.Claimed) -> str:
        return await submit(call, asyncio.get_running_loop().time(), self.engine._contexts["default"])


def with_works(
    settings: Settings,
    queue: CallQueue,
    behave: Behave,
    work: Callable[[Works], Coroutine[Any, Any, T]],
    *,
    store: AsyncStore | None = None,
    **options: Any,
) -> T:
    epoch = redis_checks.epoch(queue.store.redis, keys)

    async def whole() -> T:
        async with RawServer(behave) as server:
            ours = settings.model_copy(update={"provider_url": server.url(), **options})
            used = store or AsyncStore(ours)
            client = AloVoiceClient(ours)
            try:
                return await work(Works(ours, server, used, Engine(ours, used, client, worker="w", epoch=epoch)))
            finally:
                client.close()
                await used.aclose()

    return run(whole())


@pytest.mark.parametrize(
    ("behave", "state", "reason"),
    [
        (sending(TAKEN), "submitted", None),
        (sending(answer(b"{}", status="422 No")), "rejected", "status_422"),
        (sending(answer(b"<html>")), "unconfirmed", None),
        (sending(answer(b"{}", status="502 Bad Gateway")), "unconfirmed", None),
        (sending(), "unconfirmed", None),
        (sending(close=False), "unconfirmed", None),
        (sending(answer(b"", status="429 Slow")), "scheduled", None),
        (sending(answer(b"", status="503 Wait", head=b"Retry-After: 60\r\n")), "scheduled", None),
        (sending(answer(b"", status="401 No")), "scheduled", None),
    ],
    ids=["taken", "422", "html", "502", "closed", "silent", "429", "503-retry-after", "401"],
)
def test_each_answer_leads_to_its_state(
    settings: Settings, queue: CallQueue, behave: Behave, state: str, reason: str | None
) -> None:
    call = queue.enqueue(CALL)

    async def work(works: Works) -> int:
        await works.engine.attend("default")
        await works.engine.stop(5)
        return works.server.requests

    assert with_works(settings, queue, behave, work, provider_timeout=0.5) == 1
    record = queue.get(call.id)
    assert (record.state, record.reason) == (state, reason)
    assert record.attempts[0]["answer"] is not None


def test_a_refused_connection_leads_to_a_retry_and_no_ring(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)

    async def work(works: Works) -> None:
        await works.engine.attend("default")
        await works.engine.stop(5)

    nobody = settings.model_copy(update={"provider_url": "http://127.0.0.1:1"})
    epoch = redis_checks.epoch(queue.store.redis, keys)

    async def whole() -> None:
        store = AsyncStore(nobody)
        engine = Engine(nobody, store, AloVoiceClient(nobody), worker="w", epoch=epoch)
        await work(Works(nobody, cast(RawServer, None), store, engine))
        await store.aclose()

    run(whole())
    record = queue.get(call.id)
    assert (record.state, record.tries) == ("scheduled", 0), "a POST that never left is no try"
    assert "submitting" not in [moment["state"] for moment in record.timeline]


def test_a_call_that_is_canceled_between_claim_and_arm_is_not_posted(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)

    async def work(works: Works) -> tuple[str, int]:
        (taken,) = await works.claim()
        await asyncio.to_thread(queue.cancel, call.id)
        return await works.submit(taken), works.server.received

    assert with_works(settings, queue, all_taken, work) == ("lost", 0)
    assert queue.get(call.id).state == "canceled"


def test_the_emergency_stop_between_claim_and_arm_gives_the_call_back(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)

    async def work(works: Works) -> tuple[str, int]:
        (taken,) = await works.claim()
        await asyncio.to_thread(queue.stop)
        return await works.submit(taken), works.server.received

    assert with_works(settings, queue, all_taken, work) == ("queued", 0)
    assert queue.get(call.id).state == "queued"


def test_a_call_whose_slot_has_gone_by_waits_for_another_one(settings: Settings, queue: CallQueue) -> None:
    for _ in range(3):
        queue.enqueue(CALL)

    async def work(works: Works) -> list[str]:
        calls = await works.claim()
        await asyncio.sleep(0.5)  # past every slot, so that all three would go at once
        return await asyncio.gather(*(works.submit(call) for call in calls))

    assert with_works(settings, queue, all_taken, work, calls_per_second=10, burst=1) == ["submitted"] * 3
    # By Redis' clock: how long a request is under way is the machine's.
    armed = [int(moment) for moment in queue.store.redis.lrange(f"{keys.PREFIX}starts:default", 0, -1)]
    assert min(later - sooner for later, sooner in itertools.pairwise(armed)) > 50_000


@pytest.mark.parametrize("on_unconfirmed", ["wait", "redial"])
def test_a_call_whose_lease_ran_out_before_its_start_was_counted_anew_goes_back(
    settings: Settings, queue: CallQueue, on_unconfirmed: str
) -> None:
    call = queue.enqueue(CALL, on_unconfirmed=on_unconfirmed)

    async def work(works: Works) -> int:
        (mine,) = await works.claim()
        context = works.engine._contexts["default"]

        async def arm(item: call_transitions.Arming) -> call_transitions.Armed:
            armed = await context.arm(item)
            if item.slot >= 0:  # the whole machine stands still here, and Redis' clock goes on
                await works.store.redis.zadd(keys.LEASE, {mine.record: 1})
                await works.store.run(call_transitions.sweep(works.settings))
                await asyncio.sleep(3 * submitting.LATE)
            return armed

        context.arm_times.is_late(0.0)
        await submit(mine, asyncio.get_running_loop().time(), replace(context, arm=arm))
        return works.server.requests

    assert with_works(settings, queue, all_taken, work, calls_per_second=10) == 0
    record = queue.get(call.id)
    assert record.state == "queued", "nothing of it has left, and it is no call whose outcome nobody knows"
    assert "unconfirmed" in [step["state"] for step in record.timeline]
    assert queue.store.redis.zcard(keys.channels("default")) == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"callfrom":{"phone":"+998712037006"},"callto":[{"phone":"+19005551234"}]}', "phone_not_allowed"),
        ('{"callfrom":{"phone":"+19005551234"},"callto":[{"phone":"+998994412860"}]}', "phone_not_allowed"),
        ('{"callto":"+19005551234","ivrid":1,"fromline":"+998712037006"}', "phone_not_allowed"),
        ('{"callto":[{"phone":5}],"callfrom":{"phone":"+998712037006"}}', "record_unreadable"),
        ("[]", "record_unreadable"),
        ("", "record_unreadable"),
    ],
)
def test_a_record_forged_in_redis_rings_nobody(settings: Settings, queue: CallQueue, body: str, reason: str) -> None:
    call = queue.enqueue(CALL)
    queue.store.redis.hset(keys.record(call.extid), "b", body)

    async def work(works: Works) -> int:
        await works.engine.attend("default")
        await works.engine.stop(5)
        return works.server.received

    assert with_works(settings, queue, all_taken, work) == 0
    state, why = queue.store.redis.hmget(keys.record(call.extid), "s", "why")
    assert (state, why) == (b"rejected", reason.encode())


def test_without_an_allowlist_a_forged_record_is_still_no_call(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)
    queue.store.redis.hset(keys.record(call.extid), "b", '{"callto":{}}')

    async def work(works: Works) -> int:
        await works.engine.attend("default")
        await works.engine.stop(5)
        return works.server.received

    assert with_works(settings, queue, all_taken, work, allowed_prefixes=()) == 0
    assert queue.store.redis.hget(keys.record(call.extid), "s") == b"rejected"


def test_a_damaged_record_does_not_take_its_neighbours_with_it(settings: Settings, queue: CallQueue) -> None:
    calls = [queue.enqueue(CALL) for _ in range(6)]

    async def work(works: Works) -> list[Any]:
        taken = await works.claim()
        queue.store.redis.set(keys.record(calls[2].extid), "not a hash")
        return await asyncio.gather(*(works.submit(call) for call in taken), return_exceptions=True)

    ended = with_works(settings, queue, all_taken, work)
    assert isinstance(ended[2], redis.exceptions.ResponseError)
    assert ended[:2] + ended[3:] == ["submitted"] * 5


def test_calls_of_an_account_without_a_token_wait(settings: Settings, queue: CallQueue) -> None:
    call = queue.enqueue(CALL)

    async def work(works: Works) -> tuple[str, int]:
        return await works.engine.attend("default"), works.server.received

    assert with_works(settings, queue, all_taken, work, provider_token=None) == ("empty", 0)
    assert queue.get(call.id).state == "queued"
    assert queue.store.redis.hget(keys.record(call.extid), "tok") is None


@pytest.mark.slow
def test_an_outcome_survives_a_redis_that_dies_before_it_is_recorded(settings: Settings) -> None:
    with EmbeddedRedis(fsync="always") as server:
        ours = settings.model_copy(update={"redis_url": type(settings.redis_url)(server.url), "redis_timeout": 0.5})
        with CallQueue(settings=ours) as queue:
            call = queue.enqueue(CALL)
            other = queue.enqueue(IvrCall(callto="712037006", ivrid=222, fromline="712037006"))

            async def dying(peer: Peer) -> None:
                await peer.request()
                if server.process is not None and server.process.poll() is None:
                    server.kill()
                peer.send(TAKEN)
                await peer.closed.wait()

            async def work(works: Works) -> int:
                first, second = await works.claim()
                # The second one arms after Redis is gone.
                posted = asyncio.create_task(works.submit(first))
                await until(lambda: works.server.requests)
                unsent = asyncio.create_task(works.submit(second))
                await asyncio.sleep(0.3)
                assert not posted.done()
                assert not unsent.done()
                await asyncio.to_thread(server.start)
                assert (await posted, await unsent) == ("submitted", "queued")
                return works.server.requests

            assert with_works(ours, queue, dying, work) == 1
            assert (queue.get(call.id).state, queue.get(other.id).state) == ("submitted", "queued")


# --- the engine's end -------------------------------------------------------------------------------------------------


class SlowClaims(AsyncStore):
    """Holds each claim's answer back until it is let go."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.claims = 0
        self.let_go = asyncio.Event()

    async def run(self, op: Operation[T]) -> T:
        value = await super().run(op)
        if op.script == "claim":
            self.claims += 1
            await self.let_go.wait()
        return value


def test_what_a_claim_brings_after_the_stop_was_requested_is_still_submitted_and_waited_for(
    settings: Settings, queue: CallQueue
) -> None:
    calls = [queue.enqueue(CALL) for _ in range(5)]
    epoch = redis_checks.epoch(queue.store.redis, keys)

    async def work() -> tuple[int, int]:
        async with RawServer(all_taken) as server:
            ours = settings.model_copy(update={"provider_url": server.url()})
            store = SlowClaims(ours)
            engine = Engine(ours, store, AloVoiceClient(ours), worker="w", epoch=epoch)
            attending = asyncio.create_task(engine.attend("default"))
            await until(lambda: store.claims)
            stopping = asyncio.create_task(engine.stop(5))
            await asyncio.sleep(0.02)
            store.let_go.set()
            left = await stopping
            await attending
            await store.aclose()
            return left, store.claims

    assert run(work()) == (0, 1)
    assert {queue.get(call.id).state for call in calls} == {"submitted"}


def test_a_full_engine_claims_nothing_more_once_it_is_stopping(settings: Settings, queue: CallQueue) -> None:
    calls = [queue.enqueue(CALL) for _ in range(6)]
    release = asyncio.Event()

    async def held(peer: Peer) -> None:
        await peer.request()
        await release.wait()
        peer.send(TAKEN)
        await peer.closed.wait()

    async def work(works: Works) -> int:
        attending = asyncio.create_task(works.engine.attend("default"))
        await until(lambda: works.server.requests == 2)
        stopping = asyncio.create_task(works.engine.stop(5))
        await asyncio.sleep(0.02)
        release.set()
        left = await stopping
        assert await attending == "stopping"
        return left

    assert with_works(settings, queue, held, work, max_in_flight=2) == 0
    states = sorted(queue.get(call.id).state.value for call in calls)
    assert states == ["queued"] * 4 + ["submitted"] * 2
