"""Sends due webhook deliveries, each endpoint on its own: a dead one delays no other."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from importlib.metadata import version

import structlog

from alodial.errors import InvalidEndpoint, StoreUnavailable
from alodial.observability import tracing
from alodial.settings import Settings
from alodial.store import added_endpoints, webhooks
from alodial.store.added_endpoints import AddedEndpoint
from alodial.store.client import AsyncStore
from alodial.store.events import newest, wait_for_event
from alodial.store.supervision import Supervisor, process_loops
from alodial.store.webhooks import Delivery, DeliveryTry
from alodial.webhooks.config import Endpoint, endpoints_of, keys_of, parse_endpoint, read_secret
from alodial.webhooks.signing import sign

from ..alovoice.answer_classification import Clock, system_time
from ..alovoice.local_trouble import LocalTrouble
from .http_post import SHORTAGES, EndpointClient, WebhookAnswer
from .retry_policy import classify_delivery

MAX_UNDER_WAY = 16
"""Deliveries under way to one endpoint in one worker process."""

MAX_TOGETHER = 320
"""Those to all endpoints: slow receivers of fifty would take the open files that POSTs of calls need."""

PROBE_AFTER = 10
"""Failures in a row after which only one delivery at a time is tried."""

LEASE_MARGIN = 10.0
"""Seconds of a lease beyond the timeout: for Redis and a busy loop."""

AGENT = f"alodial/{version('alodial')}"

MAX_WAIT = 1.0
BUSY_WAIT = 0.02
"""Seconds between two pulls: at most, and while deliveries are under way."""

RELOAD_EVERY = 2.0
"""Seconds between two looks at the endpoints that operators add and remove."""

log = structlog.get_logger("alodial.webhooks")


def share_of(endpoints: int) -> int:
    """Returns how many deliveries may be under way to each of so many endpoints."""
    return max(1, min(MAX_UNDER_WAY, MAX_TOGETHER // max(1, endpoints)))


def _call_of(event: bytes) -> str:
    """Returns the id of the call that an event is about, or ""."""
    return str(json.loads(event).get("data", {}).get("call_id") or "")


class EndpointDispatcher:
    """Sends the deliveries of one endpoint, in this process. ``signing_keys`` sign its events."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        store: AsyncStore,
        now: Clock = system_time,
        *,
        signing_keys: tuple[bytes, ...],
        trouble: LocalTrouble,
    ) -> None:
        self.endpoint = endpoint
        self._trouble = trouble
        self._now = now
        self._store = store
        self._keys = signing_keys
        self._timeout = settings.webhook_timeout
        self._client = EndpointClient(endpoint, private=settings.webhook_private, timeout=self._timeout)
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._done: list[DeliveryTry] = []
        self._recording = False
        self._ended = asyncio.Event()

    async def send_due(self, share: int = MAX_UNDER_WAY) -> float:
        """Starts as many due deliveries as there is room for, up to ``share`` under way; returns the seconds until the next pull.

        Raises StoreUnavailable.
        """
        if (pause := self._trouble.pause) > 0:
            return min(pause, MAX_WAIT)
        room = self._trouble.bounded(1 if self._failures >= PROBE_AFTER else share) - len(self._under_way)
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
        if answer.problem in SHORTAGES:
            self._trouble.note(answer.problem)
            # It says nothing about the endpoint: not a try of it. The event is due again when its lease runs out.
            log.error("webhook.postponed", endpoint=self.endpoint.id, event_id=delivery.id, problem=answer.problem)
            return
        self._trouble.passed()
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
        event_type, subject = webhooks.event_names(delivery.event)
        await self._record(tried._replace(type=event_type, call=subject))

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
        self.trouble = LocalTrouble()
        self._settings = settings
        self._store = store
        self._now = now
        self._supervisor = supervisor
        keys = keys_of(settings)
        self.endpoints = [
            EndpointDispatcher(e, settings, store, now, signing_keys=keys, trouble=self.trouble)
            for e in endpoints_of(settings)
        ]
        self._fixed = frozenset(served.endpoint.id for served in self.endpoints)
        self._refused: set[str] = set()
        self._position = ""
        self._new_event = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        self._start("webhooks.endpoints", self._reload)
        for endpoint in self.endpoints:
            self._serve(endpoint)

    def _start(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        self._tasks[name] = asyncio.create_task(self._supervisor.run_async(name, step))

    def _serve(self, endpoint: EndpointDispatcher) -> None:
        if "webhooks.follower" not in self._tasks:
            self._start("webhooks.follower", self._follow)
        self._start(f"webhook {endpoint.endpoint.id}", partial(self._send_due, endpoint))

    async def _reload(self) -> float:
        """Begins to serve endpoints that were added meanwhile, and ends with those that were removed."""
        added = {record.id: record for record in await self._store.run_steps(added_endpoints.read_all)}
        served = {endpoint.endpoint.id for endpoint in self.endpoints}
        for endpoint in [e for e in self.endpoints if e.endpoint.id not in self._fixed and e.endpoint.id not in added]:
            self.endpoints.remove(endpoint)
            await _ended([self._tasks.pop(f"webhook {endpoint.endpoint.id}")])
            await endpoint.close(0.0)
        for record in added.values():
            if record.id not in served and (fresh := self._read_added(record)) is not None:
                self.endpoints.append(fresh)
                self._serve(fresh)
        return RELOAD_EVERY

    def _read_added(self, record: AddedEndpoint) -> EndpointDispatcher | None:
        """The dispatcher of an added endpoint; None, logged once, for a URL that this process' settings do not allow."""
        try:
            endpoint = parse_endpoint(record.url.get_secret_value(), private=self._settings.webhook_private)
        except InvalidEndpoint as exc:
            if record.id not in self._refused:
                self._refused.add(record.id)
                log.error("webhook.refused", endpoint=record.id, problem=exc.problem, hint=exc.remedy)
            return None
        secret = (read_secret(record.secret.get_secret_value()),)
        return EndpointDispatcher(
            endpoint, self._settings, self._store, self._now, signing_keys=secret, trouble=self.trouble
        )

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
        wait = await endpoint.send_due(share_of(len(self.endpoints)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0.001)):
                await new_event.wait()
        return 0.0

    async def stop(self, grace: float) -> None:
        """Starts nothing new and waits at most ``grace`` seconds for the deliveries under way."""
        await _ended([self._tasks.pop(name) for name in list(self._tasks) if name == "webhooks.endpoints"])
        await _ended(self._tasks.values())
        await asyncio.gather(*(endpoint.close(grace) for endpoint in self.endpoints))


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits until they have ended."""
    while pending := [task for task in tasks if not task.done()]:
        # Repeated: a cancel that meets a client's own timeout at the same moment is lost.
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.2)
