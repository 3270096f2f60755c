"""An engine under limits, with suspects and in trouble: nothing is posted that was not confirmed, and it goes on."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from alodial import CallQueue, TwoWayCall
from alodial.errors import StoreUnavailable
from alodial.settings import Settings
from alodial.store import call_transitions, holds
from alodial.store.call_transitions import Applying
from alodial.store.client import AsyncStore, Operation
from alodial.store.counters import Counters
from alodial.store.supervision import Supervisor
from alodial_workers import engine as engine_module
from alodial_workers.broker import Listener
from alodial_workers.hopper import HopperFiller

from .raw import TAKEN, Peer, answer, until
from .test_engine_lost_answers import all_taken
from .test_submit import Works, with_works

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])


def test_a_call_waits_for_a_channel_and_goes_once_a_result_frees_it(settings: Settings, queue: CallQueue) -> None:
    first, second = queue.enqueue(CALL), queue.enqueue(CALL)

    async def work(works: Works) -> None:
        attending = asyncio.create_task(works.engine.attend("default"))
        await until(lambda: queue.get(first.id).state == "submitted")
        await asyncio.sleep(0.3)
        assert (works.server.requests, queue.get(second.id).state) == (1, "queued")
        queue.store.run(call_transitions.apply_results([Applying(first.extid, "{}", "digest", "answered")]))
        await until(lambda: queue.get(second.id).state == "submitted", within=15)
        assert works.server.requests == 2
        attending.cancel()
        await works.engine.stop(1)

    with_works(settings, queue, all_taken, work, max_concurrent_calls=1)


def test_a_rest_on_uvloop_does_not_spin_through_its_last_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    uvloop = pytest.importorskip("uvloop")
    sleep, sleeps = asyncio.sleep, [0]

    async def counted(seconds: float) -> None:
        sleeps[0] += 1
        await sleep(seconds)

    async def rest() -> None:
        engine: Any = SimpleNamespace(stopping=False)
        for tenths in range(10):
            await engine_module.Engine._rest(engine, 0.003 + tenths / 10_000)

    monkeypatch.setattr(asyncio, "sleep", counted)
    uvloop.run(rest())
    assert sleeps[0] <= 20, "ten rests, each in two sleeps at most"


def test_a_campaign_with_a_pace_is_attended_without_a_call_too_early(settings: Settings, queue: CallQueue) -> None:
    request: dict[str, Any] = {
        "name": "paced",
        "call": {"callfrom": "712037006"},
        "policy": {"pace": 2, "hours": {"windows": "mon-sun 00:00-24:00"}},
    }
    campaign = queue.submit_campaign([f"99441286{n}" for n in range(3)], request)

    async def work(works: Works) -> None:
        filler = HopperFiller(queue.store, works.settings)
        paced = queue.store.run(call_transitions.pace(filler.rooms()))
        for hopper in paced.hoppers:
            filler.fill(hopper)
        queue.store.run(call_transitions.pace())
        loop = asyncio.get_running_loop()
        began = loop.time()
        attending = asyncio.create_task(works.engine.attend("default"))
        await until(lambda: works.server.requests == 3, within=15)
        assert loop.time() - began > 0.9  # the third is two halves of a second after the first
        attending.cancel()
        await works.engine.stop(1)

    with_works(settings, queue, all_taken, work)
    assert queue.campaigns.get(campaign.id).calls.get("submitted") == 3


class Troubled(AsyncStore):
    """A store that is away when a suspect is to be confirmed."""

    async def run(self, op: Operation[Any]) -> Any:
        if op.script == "confirm":
            raise StoreUnavailable("away")
        return await super().run(op)


def test_a_suspect_that_the_store_cannot_confirm_is_put_back_unsent(settings: Settings, queue: CallQueue) -> None:
    placed = queue.enqueue(CALL)

    async def work(works: Works) -> int:
        (call,) = await works.claim(1)
        await works.engine._take_suspect(call, asyncio.get_running_loop().time())
        await until(lambda: queue.get(placed.id).state == "queued" and not works.engine._tasks)
        (again,) = await works.claim(1)
        assert again.id == placed.id
        return works.server.requests

    assert with_works(settings, queue, all_taken, work, store=Troubled(settings)) == 0


def test_a_suspect_that_another_worker_holds_is_left_alone(settings: Settings, queue: CallQueue) -> None:
    queue.enqueue(CALL)

    async def work(works: Works) -> int:
        (call,) = await works.claim(1)
        await works.engine._take_suspect(call._replace(token="another"), asyncio.get_running_loop().time())
        assert not works.engine._tasks
        return works.server.requests

    assert with_works(settings, queue, all_taken, work) == 0


def test_a_submission_that_crashes_is_logged_and_its_place_is_free_again(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue(CALL)

    async def crash(*_: Any) -> str:
        raise ValueError("a fault of ours")

    async def work(works: Works) -> int:
        (call,) = await works.claim(1)
        monkeypatch.setattr(engine_module, "submit", crash)
        with structlog.testing.capture_logs() as logs:
            works.engine._start(call, 0.0, works.engine._contexts["default"])
            await until(lambda: not works.engine._tasks)
        assert [(line["event"], line["error"]) for line in logs] == [("submit.crashed", "ValueError")]
        return works.server.requests

    assert with_works(settings, queue, all_taken, work) == 0


def test_a_worker_that_fails_to_follow_the_primary_says_so_once_and_goes_on(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("LOOK_EVERY", "CALM_LOOK_EVERY"):
        monkeypatch.setattr(engine_module, pause, 0.01)

    async def work(works: Works) -> None:
        tries = 0

        async def follow() -> None:
            nonlocal tries
            tries += 1
            if tries == 2:
                raise StoreUnavailable("away")
            if tries < 6:
                raise ValueError("a fault of ours")

        monkeypatch.setattr(works.engine, "follow_primary", follow)
        with structlog.testing.capture_logs() as logs:
            works.engine.start()
            await until(lambda: tries > 8)
        await works.engine.stop(1)
        assert [line["event"] for line in logs if line["event"].startswith("primary.")] == ["primary.follow_failed"]

    with_works(settings, queue, all_taken, work)


def test_a_listener_that_lost_redis_has_the_worker_look_for_another_primary_at_once(
    settings: Settings, queue: CallQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "CALM_LOOK_EVERY", 3600.0)
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})

    async def work(works: Works) -> None:
        looks = 0

        async def follow() -> None:
            nonlocal looks
            looks += 1

        monkeypatch.setattr(works.engine, "follow_primary", follow)
        works.engine.start()
        await until(lambda: looks == 1)
        listener = Listener(AsyncStore(away), works.engine.attend, Supervisor(Counters()), lost=works.engine.look_soon)
        listener.start()
        await until(lambda: looks > 1, within=15)
        listener.stop()
        await works.engine.stop(1)

    with_works(settings, queue, all_taken, work)


def test_a_wrong_address_rejects_no_call_and_they_go_once_it_is_right(settings: Settings, queue: CallQueue) -> None:
    placed = [queue.enqueue(CALL) for _ in range(20)]
    right = False

    async def astray(peer: Peer) -> None:
        while not peer.closed.is_set():
            await peer.request()
            if not peer.closed.is_set():
                peer.send(TAKEN if right else answer(b"<h1>Not Found</h1>", status="404 Not Found"))

    async def work(works: Works) -> None:
        nonlocal right
        attending = asyncio.create_task(works.engine.attend("default"))
        await until(lambda: any(hold.misaddressed for hold in queue.store.call(holds.held)), within=15)
        await asyncio.sleep(0.5)
        assert works.server.requests <= len(placed)
        assert {queue.get(call.id).state for call in placed} <= {"queued", "scheduled"}
        right = True
        queue.store.run(call_transitions.resume("default"))
        attending.cancel()
        again = asyncio.create_task(works.engine.attend("default"))

        async def paced() -> None:
            queue.store.run(call_transitions.pace())

        for _ in range(20):
            await paced()
            await asyncio.sleep(0.05)
        await until(lambda: {queue.get(call.id).state for call in placed} == {"submitted"}, within=15)
        again.cancel()
        await works.engine.stop(1)

    with_works(settings, queue, astray, work, calls_per_second=0, max_concurrent_calls=0)
