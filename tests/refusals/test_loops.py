"""A Redis that refuses, at each loop of a worker: it takes that for a store that is away, goes on, and loses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from alodial import CallQueue, TwoWayCall
from alodial.archive.archiver import Archiver
from alodial.archive.engine import open_engine
from alodial.archive.migrate import migrate
from alodial.campaigns.archive_rows import ArchivedCampaigns
from alodial.campaigns.calendar import renew_calendars
from alodial.campaigns.queries import CampaignQueries
from alodial.errors import StoreUnavailable
from alodial.observability.alerts import AlertSender
from alodial.observability.finding_watch import FindingWatch
from alodial.observability.process_findings import ProcessFindings
from alodial.settings import Settings
from alodial.store import audit, workers
from alodial.store.client import AsyncStore, Store
from alodial.store.counters import APPLIED, Counters, read_sums
from alodial.store.counters_flusher import CountersFlusher
from alodial.store.heartbeat import HeartbeatWriter
from alodial.store.keys import Keys
from alodial.store.supervision import Supervisor
from alodial.wakeup import Waker
from alodial.web.event_follower import EventFollower
from alodial_workers.broker import Listener, worker_broker
from alodial_workers.collect import collect, recover, retry_orphans
from alodial_workers.hopper import HopperFiller
from alodial_workers.pacer import Pacer, WakeupSender
from alodial_workers.sweeper import Sweeper
from alodial_workers.webhooks.dispatcher import Dispatcher
from webhooks.conftest import with_hooks
from workers.raw import TAKEN, Peer
from workers.test_collect import Plant, result
from workers.test_submit import Works, with_works

from .proxy import REFUSALS, RefusingProxy

keys = Keys()

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
PLAIN = [code for code in REFUSALS if "in a script" not in code]


def test_each_thread_of_a_worker_goes_on_and_loses_nothing(
    through: Settings, settings: Settings, store: Store, proxy: RefusingProxy, tmp_path: Path
) -> None:
    plant = Plant(settings, store)
    extids = [plant.submitted() for _ in range(3)]
    plant.put(*(result(extid) for extid in extids))
    away, supervisor, counters = Store(through), Supervisor(Counters()), Counters()
    broker = worker_broker(through)
    waker = Waker(through, broker)
    flusher, heartbeat = CountersFlusher(away, counters), workers.Heartbeat("w", 0, 1, "host", 0)
    nobody: Any = SimpleNamespace(send=lambda *_: {})
    act = audit.entry(1, actor="a", address="", act="stop", target="", via="test")

    engine = open_engine(f"sqlite:///{tmp_path}/archive.db")
    migrate(engine)
    campaigns = ArchivedCampaigns(CampaignQueries(away, through))
    archiver = Archiver(away, engine, through, campaigns=campaigns)
    Archiver(store, engine, settings, campaigns=campaigns).begin()

    def count_and_flush() -> None:
        counters.observe(APPLIED, 1.0)
        flusher._flush()

    parts: dict[str, Callable[[], object]] = {
        "pacer": Pacer(away, waker, HopperFiller(away, through), supervisor).tick,
        "collector-wakeups": WakeupSender(away, waker, supervisor)._step,
        "sweeper": Sweeper(away, through, broker, "second", 0, supervisor).sweep,
        "collector": lambda: collect(away, through, "first"),
        "recovery": lambda: recover(away, through, "second", 0),
        "orphans": lambda: retry_orphans(away, through, 1),
        "heartbeat": HeartbeatWriter(away, lambda _now: heartbeat, supervisor)._step,
        "counters": count_and_flush,
        "findings": FindingWatch(away, "w", ProcessFindings(through), supervisor)._step,
        "alerts": AlertSender(away, "w", nobody, supervisor).send_due,
        "calendars": lambda: renew_calendars(away, through, 0),
        "archive": archiver.step,
        "audit": lambda: audit.write(away, act, own=False, keep=10),
    }
    with capture_logs() as lines:
        for name, part in parts.items():
            seen_away = 0
            for code, error in REFUSALS.items():
                with proxy.refusing(error):
                    try:
                        part()
                    except StoreUnavailable:
                        seen_away += 1
                assert supervisor.failing() == {}, (name, code, lines[-3:])
            assert seen_away >= len(PLAIN), name
    assert store.redis.xlen(keys.INBOX) == len(extids), "the results wait"
    for part in parts.values():
        part()
    assert {plant.state(extid) for extid in extids} == {"completed"}
    assert plant.dead() == [], "a good result is no dead letter"
    (row,) = read_sums(store.redis.hgetall(keys.TALLY))[APPLIED.name]
    assert row.count == len(REFUSALS) + 1, "each count once"
    away.close()
    engine.dispose()


def test_each_loop_of_a_worker_on_its_event_loop_goes_on(
    through: Settings, queue: CallQueue, proxy: RefusingProxy
) -> None:
    queue.enqueue(CALL)
    hooked = with_hooks(through, "http://127.0.0.1:1/hook")

    async def engine_of_nobody(_account: str) -> None:
        return None

    async def work() -> dict[str, int]:
        store = AsyncStore(hooked)
        dispatcher = Dispatcher(hooked, store, supervisor=Supervisor(Counters()))
        follower = EventFollower(store)
        listener = Listener(store, engine_of_nobody, Supervisor(Counters()))
        listener._wait = 0.05
        parts: dict[str, Callable[[], Awaitable[object]]] = {
            "listener": listener._listen,
            "webhooks": dispatcher.endpoints[0].send_due,
            "webhooks.endpoints": dispatcher._reload,
            "webhooks.follower": dispatcher._follow,
            "events": follower._follow,
        }
        away_for = dict.fromkeys(parts, 0)
        for name, part in parts.items():
            for code, error in REFUSALS.items():
                if "in a script" in code and name.endswith(("follower", "events")):
                    continue  # it would only wait for an event
                with proxy.refusing(error):
                    try:
                        await part()
                    except StoreUnavailable:
                        away_for[name] += 1
            await part()
        await dispatcher.stop(0)
        await store.aclose()
        return away_for

    with capture_logs():
        away_for = asyncio.run(asyncio.wait_for(work(), 30))
    assert all(count >= len(PLAIN) for count in away_for.values()), away_for


def test_calls_are_posted_once_whether_claim_or_outcome_was_refused(
    through: Settings, queue: CallQueue, proxy: RefusingProxy
) -> None:
    refusal: Any = None

    async def taken_while_redis_refuses(peer: Peer) -> None:
        nonlocal refusal
        while not peer.closed.is_set():
            await peer.request()
            refusal = proxy.refusing(next(errors))
            refusal.__enter__()
            peer.send(TAKEN)
            await asyncio.sleep(0.2)
            refusal.__exit__(None, None, None)

    errors = iter(REFUSALS.values())

    async def work(works: Works) -> int:
        for error in REFUSALS.values():
            with proxy.refusing(error), pytest.raises(StoreUnavailable):
                await works.engine.attend("default")
        with suppress(StoreUnavailable):  # the claim that comes after the call's own may be refused again
            await works.engine.attend("default")
        await works.engine.stop(10)
        return works.server.requests

    call = queue.enqueue(CALL)
    with capture_logs():
        assert with_works(through, queue, taken_while_redis_refuses, work) == 1
    assert queue.get(call.id).state == "submitted"
