"""Sends due webhook deliveries, each endpoint on its own: a dead one delays no other."""

import asyncio
import contextlib
import json
import time
from functools import partial
from importlib.metadata import version

import structlog

from alodial.errors import StoreUnavailable
from alodial.observability import tracing
from alodial.settings import Settings
from alodial.store import webhooks
from alodial.store.client import AsyncStore
from alodial.store.events import newest, wait_for_event
from alodial.store.supervision import Supervisor, process_loops
from alodial.store.webhooks import Delivery, DeliveryTry
from alodial.webhooks.config import Endpoint, endpoints_of, keys_of
from alodial.webhooks.signing import sign

from ..alovoice.answer_classification import Clock, system_time
from ..alovoice.transport import OWN_TROUBLE
from .http_post import EndpointClient, WebhookAnswer
from .retry_policy import classify_delivery

MAX_UNDER_WAY = 16
"""Deliveries under way to one endpoint in one worker process."""

PROBE_AFTER = 10
"""Failures in a row after which only one delivery at a time is tried."""

LEASE_MARGIN = 10.0
"""Seconds of a lease beyond the timeout: for Redis and a busy loop."""

AGENT = f"alodial/{version('alodial')}"

MAX_WAIT = 1.0
BUSY_WAIT = 0.02
"""Seconds between two pulls: at most, and while deliveries are under way."""

log = structlog.get_logger("alodial.webhooks")


def _call_of(event: bytes) -> str:
    """Returns the id of the call that an event is about, or ""."""
    return str(json.loads(event).get("data", {}).get("call_id") or "")


class EndpointDispatcher:
    """Sends the deliveries of one endpoint, in this process."""

    def __init__(self, endpoint: Endpoint, settings: Settings, store: AsyncStore, now: Clock = system_time) -> None:
        self.endpoint = endpoint
        self._now = now
        self._store = store
        self._keys = keys_of(settings)
        self._timeout = settings.webhook_timeout
        self._client = EndpointClient(endpoint, private=settings.webhook_private, timeout=self._timeout)
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._done: list[DeliveryTry] = []
        self._recording = False
        self._ended = asyncio.Event()

    async def send_due(self) -> float:
        """Starts as many due deliveries as there is room for; returns the seconds until the next pull.

        Raises StoreUnavailable.
        """
        room = (1 if self._failures >= PROBE_AFTER else MAX_UNDER_WAY) - len(self._under_way)
        if room <= 0:
            return BUSY_WAIT
        pulled = await self._store.run(
            webhooks.pull(self.endpoint.id, self.endpoint.display_url, room=room, lease=self._timeout + LEASE_MARGIN)
        )
        for delivery in pulled.deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if pulled.deliveries:
            return BUSY_WAIT
        return MAX_WAIT if pulled.wait is None else min(pulled.wait, MAX_WAIT)

    async def _deliver(self, delivery: Delivery) -> None:
        began = time.monotonic()
        try:
            answer = await self._client.send(self._headers(delivery), delivery.event)
        except Exception as exc:  # a fault of ours: the event is tried again like any other
            log.exception("webhook.crashed", endpoint=self.endpoint.id, error=type(exc).__name__)
            answer = WebhookAnswer(0, problem="internal")
        if answer.problem == OWN_TROUBLE:
            # It says nothing about the endpoint: not a try of it. The event is due again when its lease runs out.
            log.error("webhook.postponed", endpoint=self.endpoint.id, event_id=delivery.id, problem=answer.problem)
            return
        tried = classify_delivery(
            delivery.id,
            delivery.tries,
            answer.status,
            answer.headers,
            time.monotonic() - began,
            answer.problem,
            self._now,
        )
        if tracing.spans() is not None and (call := _call_of(delivery.event)):
            took, outcome = time.monotonic() - began, tried.outcome
            tracing.record(
                "alodial.webhook", call, took, endpoint=self.endpoint.id, outcome=outcome, tries=delivery.tries + 1
            )
        self._failures = 0 if tried.outcome == "ok" else self._failures + 1
        if self._failures == 1 or (tried.outcome != "ok" and tried.delay is None):
            # The first failure in a row and each last try, not every try of a dead endpoint.
            log.warning(
                "webhook.failed",
                endpoint=self.endpoint.id,
                event_id=delivery.id,
                tries=delivery.tries + 1,
                status=answer.status or None,
                problem=tried.why,
                next_try_in=None if tried.delay is None else round(tried.delay),
            )
        await self._record(tried)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        # Redis' time: a receiver refuses what a wrong clock of this machine would date minutes off.
        at = int(self._now().timestamp())
        call = _call_of(delivery.event) if tracing.spans() is not None else ""
        return {
            **tracing.outgoing(call),
            "Content-Type": "application/cloudevents+json",
            "User-Agent": AGENT,
            "webhook-id": delivery.id,
            "webhook-timestamp": str(at),
            "webhook-signature": sign(self._keys, delivery.id, at, delivery.event),
        }

    async def _record(self, tried: DeliveryTry) -> None:
        """Stores an outcome. Outcomes that come while another is being stored go together with the next."""
        self._done.append(tried)
        if self._recording:
            return
        self._recording = True
        try:
            while self._done and not self._ended.is_set():
                batch, self._done = self._done, []
                await self._record_batch(batch)
        finally:
            self._recording = False

    async def _record_batch(self, batch: list[DeliveryTry]) -> None:
        while not self._ended.is_set():
            try:
                if await self._store.run(webhooks.record_tries(self.endpoint.id, batch)):
                    log.error(
                        "webhook.disabled",
                        endpoint=self.endpoint.id,
                        problem=batch[-1].why,
                        hint=f"alodial webhooks enable {self.endpoint.id}",
                    )
                return
            except StoreUnavailable:
                await asyncio.sleep(0.5)

    async def close(self, grace: float) -> None:
        """Waits at most ``grace`` seconds for deliveries under way; the rest are sent again after their lease."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        self._ended.set()
        for task in self._under_way:
            task.cancel()
        self._client.close()


class Dispatcher:
    """Sends the deliveries of all endpoints, on the loop of a worker process."""

    def __init__(
        self,
        settings: Settings,
        store: AsyncStore,
        now: Clock = system_time,
        supervisor: Supervisor = process_loops,
    ) -> None:
        self._settings = settings
        self._store = store
        self._supervisor = supervisor
        self.endpoints = [EndpointDispatcher(endpoint, settings, store, now) for endpoint in endpoints_of(settings)]
        self._position = ""
        self._new_event = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        if self.endpoints:
            run = self._supervisor.run_async
            self._tasks = [asyncio.create_task(run("webhooks.follower", self._follow))]
            for endpoint in self.endpoints:
                name = f"webhook {endpoint.endpoint.id}"
                self._tasks.append(asyncio.create_task(run(name, partial(self._send_due, endpoint))))

    async def _follow(self) -> float:
        """Waits a moment for the next event, on one connection, and wakes every endpoint when it has come."""
        self._position = self._position or await self._store.call(newest)
        block = min(1.0, self._settings.redis_timeout / 2)
        if await self._store.call(wait_for_event, self._position, block):
            self._position = await self._store.call(newest)
            woken, self._new_event = self._new_event, asyncio.Event()
            woken.set()
        return BUSY_WAIT

    async def _send_due(self, endpoint: EndpointDispatcher) -> float:
        new_event = self._new_event
        wait = await endpoint.send_due()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0.001)):
                await new_event.wait()
        return 0.0

    async def stop(self, grace: float) -> None:
        """Starts nothing new and waits at most ``grace`` seconds for the deliveries under way."""
        self._stopping = True
        while pending := [task for task in self._tasks if not task.done()]:
            # Repeated: a cancel that meets a client's own timeout at the same moment is lost.
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=0.2)
        await asyncio.gather(*(endpoint.close(grace) for endpoint in self.endpoints))
