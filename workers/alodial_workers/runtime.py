"""Builds, starts and stops the parts of a worker process."""

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any, TypeVar

import structlog

from alodial.errors import StoreUnavailable, StoreUnfit
from alodial.settings import Settings
from alodial.store import inbox, primary, redis_checks, workers
from alodial.store.client import AsyncStore, Store, store_errors
from alodial.store.counters import CountersFlusher
from alodial.wakeup import Waker

from .alovoice.client import AloVoiceClient
from .broker import WakeupBroker, worker_broker
from .engine import Engine
from .hopper import HopperFiller
from .pacer import Pacer
from .sweeper import Sweeper
from .webhooks.dispatcher import Dispatcher

log = structlog.get_logger("alodial.worker")

T = TypeVar("T")

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
        self._started_at = int(time.time() * 1000)
        self.store = Store(settings)
        self.broker: WakeupBroker = worker_broker(settings)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="loop", daemon=True)
        self._stop_requested = threading.Event()
        self.engine: Engine
        self.dispatcher: Dispatcher
        self.pacer: Pacer
        self.sweeper: Sweeper
        self.flusher: CountersFlusher

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

    def wait_until_stop(self) -> None:
        # Python delivers signals between waits of the main thread; half a second is the longest wait for one.
        while not self._stop_requested.wait(0.5):
            pass

    def start(self) -> bool:
        """Waits for Redis, checks it and starts all parts; returns False when a stop was requested meanwhile.

        Raises StoreUnfit when Redis is not fit for use and ``ALODIAL_ACCEPT_RISK`` is not set.
        """
        if not self._wait_for_store():
            return False
        with store_errors():
            epoch = redis_checks.epoch(self.store.redis)
            inbox.create_group(self.store.redis)
        self._thread.start()
        self.engine = self.on_loop(self._make_engine(epoch))
        self.dispatcher = self.on_loop(self._start_dispatcher())
        self.pacer = Pacer(
            self.store, Waker(self.settings, self.broker), HopperFiller(self.store, self.settings), self._heartbeat
        )
        self.sweeper = Sweeper(self.store, self.settings, self.broker, self.name)
        self.flusher = CountersFlusher(self.store)
        self.flusher.start()
        self.pacer.start()
        self.sweeper.start()
        return True

    async def _make_engine(self, epoch: str) -> Engine:
        store = AsyncStore(self.settings, on_connect=primary.introduce(self.settings))
        engine = Engine(self.settings, store, AloVoiceClient(self.settings), worker=self.name, epoch=epoch)
        engine.start()
        return engine

    async def _start_dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher(self.settings, AsyncStore(self.settings))
        dispatcher.start()
        return dispatcher

    def _wait_for_store(self) -> bool:
        logged = False
        while not self.stop_requested:
            try:
                with store_errors():
                    checks = redis_checks.inspect_for(self.store.redis, self.settings)
            except StoreUnavailable as exc:
                if not logged:
                    log.error(
                        "store.unavailable", error=str(exc), hint="start Redis or correct ALODIAL_REDIS_URL; waiting"
                    )
                    logged = True
                self._stop_requested.wait(START_PAUSE)
                continue
            self._require_fit(checks)
            return True
        return False

    def _require_fit(self, checks: list[redis_checks.RedisCheck]) -> None:
        errors = [check for check in checks if check.level == "error"]
        for check in checks:
            if check.level == "warning":
                log.warning("store.check_warned", finding=check.name, message=check.message, hint=check.hint)
        for check in errors:
            log.critical("store.check_failed", finding=check.name, message=check.message, hint=check.hint)
        if errors and not self.settings.accept_risk:
            raise StoreUnfit("; ".join(f"{check.message}; hint: {check.hint}" for check in errors))

    def _heartbeat(self) -> workers.Heartbeat:
        return workers.Heartbeat(
            self.name,
            int(time.time() * 1000),
            os.getpid(),
            socket.gethostname(),
            self.engine.in_flight,
            self._started_at,
            version("alodial"),
        )

    def stop(self, grace: float) -> int:
        """Claims nothing new and waits at most ``grace`` seconds for the POSTs in flight; returns how many were left."""
        left = self.on_loop(self.engine.stop(grace))
        self.on_loop(self.dispatcher.stop(grace))
        self.pacer.stop()
        self.sweeper.stop()
        self.flusher.stop()
        try:
            self.store.call(workers.deregister, self.name)
        except StoreUnavailable:
            log.debug("worker.deregister_failed")
        return left
