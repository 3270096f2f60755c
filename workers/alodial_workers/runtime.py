"""Builds, starts and stops the parts of a worker process."""

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any, TypeVar

import structlog

from alodial.campaigns.calendar import renew_calendars
from alodial.errors import StoreUnavailable, StoreUnfit
from alodial.observability.alerts import alert_threads
from alodial.observability.process_findings import ProcessFindings
from alodial.settings import Settings
from alodial.store import inbox, mark, primary, redis_checks, workers
from alodial.store.client import AsyncStore, Store, StoreErrors
from alodial.store.counters_flusher import CountersFlusher
from alodial.store.heartbeat import HeartbeatWriter
from alodial.store.supervision import SupervisedThread, process_loops
from alodial.wakeup import Waker

from .alovoice.client import AloVoiceClient
from .broker import Listener, WakeupBroker, worker_broker
from .engine import Engine
from .hopper import HopperFiller
from .pacer import Pacer, WakeupSender
from .sweeper import Sweeper
from .webhooks.dispatcher import Dispatcher

try:
    from uvloop import new_event_loop  # a tenth less of the processor for each call
except ImportError:  # Windows
    from asyncio import new_event_loop  # type: ignore[assignment]  # the same for us

log = structlog.get_logger("alodial.worker")

T = TypeVar("T")

WEBHOOK_GRACE = 5.0
"""Seconds that deliveries under way get at a stop: they are sent again anyway, and calls must not wait for them."""

DEAD_LOOK = 2.0
"""Seconds between looks at whether all threads live. A signal ends the wait."""

START_PAUSE = 1.0
"""Seconds between tries to reach Redis at the start."""


def worker_name() -> str:
    """Returns a name that differs for every start, on cloned machines too."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(3)}"


class Runtime:
    """A worker process: the event loop with engine and webhook dispatcher, the threads of pacer and sweeper."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self._began = time.monotonic()
        self._version, self._marks = version("alodial"), workers.marks_of(settings)
        self.store = Store(settings)
        self.broker: WakeupBroker = worker_broker(settings)
        self.loop = new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="loop", daemon=True)
        self._stop_requested = threading.Event()
        self.engine: Engine
        self.listener: Listener
        self.dispatcher: Dispatcher
        self.heartbeat: HeartbeatWriter
        self.loops: list[SupervisedThread] = []
        self.findings = ProcessFindings(settings, self._local_trouble)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the process's loop and returns its result, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def request_stop(self) -> None:
        self._stop_requested.set()

    @property
    def stop_requested(self) -> bool:
        return self._stop_requested.is_set()

    def wait_until_stop(self, dead_threads: Callable[[], list[str]]) -> list[str]:
        """Waits until a stop is requested or a thread has died; returns the names of the dead."""
        while not self._stop_requested.wait(DEAD_LOOK):
            if dead := dead_threads():
                self.request_stop()
                return dead
        return []

    def start(self) -> bool:
        """Waits for Redis, checks it and starts all parts; returns False when a stop was requested meanwhile.

        Raises StoreUnfit when Redis is not fit for use and ``ALODIAL_ACCEPT_RISK`` is not set.
        """
        prepared = self._prepare_store()
        if prepared is None:
            return False
        epoch, since_ms = prepared
        self._thread.start()
        self.engine = self.on_loop(self._make_engine(epoch))
        self.dispatcher = self.on_loop(self._start_dispatcher())
        waker = Waker(self.settings, self.broker)
        pacer = Pacer(self.store, waker, HopperFiller(self.store, self.settings), works=lambda: self.engine.is_working)
        self.engine.on_attend = pacer.rouse
        self.heartbeat = HeartbeatWriter(self.store, self._heartbeat)
        self.loops = [
            CountersFlusher(self.store),
            self.heartbeat,
            pacer,
            WakeupSender(self.store, waker),
            Sweeper(self.store, self.settings, self.broker, self.name, since_ms),
            *alert_threads(self.store, self.name, self.findings),
        ]
        for loop in self.loops:
            loop.start()
        return True

    def dead_threads(self) -> list[str]:
        """Returns the names of threads that have ended although nobody stopped them."""
        return [thread.name for thread in (self._thread, *self.loops) if not thread.is_alive()]

    async def _make_engine(self, epoch: str) -> Engine:
        store = AsyncStore(self.settings, on_connect=primary.introduce(self.settings))
        client = AloVoiceClient(self.settings, now=self.store.clock.now)
        engine = Engine(self.settings, store, client, worker=self.name, epoch=epoch)
        engine.start()
        self.listener = Listener(store, engine.attend, lost=engine.look_soon)
        self.listener.start()
        return engine

    async def _start_dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher(self.settings, AsyncStore(self.settings), self.store.clock.now)
        dispatcher.start()
        return dispatcher

    def _prepare_store(self) -> tuple[str, int] | None:
        """Waits until Redis takes writes; returns its epoch and time in ms, None when a stop was requested meanwhile."""
        logged = checked = False
        while not self.stop_requested:
            try:
                if not checked:
                    with StoreErrors(self.settings):
                        checks = redis_checks.inspect_for(self.store.redis, self.store.keys, self.settings)
                    self._require_fit(checks)
                    checked = True
                self.store.call(mark.claim, self.settings)
                with StoreErrors(self.settings):
                    epoch = redis_checks.epoch(self.store.redis, self.store.keys)
                    inbox.create_group(self.store.redis, self.store.keys)
                since_ms = self.store.server_ms()
                # Before anyone claims: a holiday or courtesy hours that are new in these settings hold from the first call on.
                renew_calendars(self.store, self.settings, since_ms)
            except StoreUnfit:
                raise
            except StoreUnavailable as exc:
                if not logged:
                    log.error(
                        "store.unavailable", error=str(exc), hint="start Redis or correct ALODIAL_REDIS_URL; waiting"
                    )
                    logged = True
                self._stop_requested.wait(START_PAUSE)
                continue
            return epoch, since_ms
        return None

    def _require_fit(self, checks: list[redis_checks.RedisCheck]) -> None:
        errors = [check for check in checks if check.prevents_start]
        for check in checks:
            if check.level in {"warning", "error"} and check not in errors:
                log.warning("store.check_warned", finding=check.name, message=check.message, hint=check.hint)
        for check in errors:
            log.critical("store.check_failed", finding=check.name, message=check.message, hint=check.hint)
        if errors and not self.settings.accept_risk:
            raise StoreUnfit("; ".join(f"{check.message}; hint: {check.hint}" for check in errors))

    def _local_trouble(self) -> dict[str, str]:
        return self.dispatcher.trouble.findings() | self.engine.trouble.findings()

    def _heartbeat(self, now_ms: int) -> workers.Heartbeat:
        return workers.Heartbeat(
            self.name,
            now_ms,
            os.getpid(),
            socket.gethostname(),
            self.engine.in_flight,
            now_ms - int((time.monotonic() - self._began) * 1000),
            self._version,
            process_loops.failing(),
            self._marks,
            self.findings.current(),
        )

    def stop(self, grace: float) -> int:
        """Claims nothing new and waits at most ``grace`` seconds for the POSTs in flight; returns how many were left."""
        # Without its loop it can do no more for them: the sweeper of another worker does.
        left = self.on_loop(self._stop_loop(grace)) if self._thread.is_alive() else 0
        for loop in self.loops:
            loop.ended.set()
        # A heartbeat under way would come back after the worker has been taken off the list.
        for loop in self.loops:
            if isinstance(loop, HeartbeatWriter | CountersFlusher):
                loop.stop(self.settings.redis_timeout)
        try:
            self.store.call(workers.deregister, self.name)
        except StoreUnavailable:
            log.debug("worker.deregister_failed")
        return left

    async def _stop_loop(self, grace: float) -> int:
        self.listener.stop()
        # Together: one after the other they would take longer than a supervisor waits before it kills.
        left, _ = await asyncio.gather(self.engine.stop(grace), self.dispatcher.stop(min(grace, WEBHOOK_GRACE)))
        return left
