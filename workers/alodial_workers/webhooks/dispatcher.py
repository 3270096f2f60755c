"""Runs the deliveries of every endpoint, each on its own: a dead one keeps nobody else waiting."""

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime
from importlib.metadata import version

import structlog

from alodial.errors import StoreUnavailable
from alodial.observability import tracing
from alodial.settings import Settings
from alodial.store import webhooks
from alodial.store.client import AsyncStore
from alodial.store.events import newest, wait_for_event
from alodial.store.webhooks import Delivery, DeliveryTry
from alodial.webhooks.config import Endpoint, endpoints_of, keys_of
from alodial.webhooks.signing import sign

from .http_post import EndpointClient, WebhookAnswer
from .retry_policy import classify_delivery

AT_ONCE = 16
"""Deliveries under way to one endpoint in one worker process."""

DOUBT_AFTER = 10
"""Failures in a row after which one at a time is tried."""

MARGIN = 10.0
"""Seconds of a lease beyond the timeout: for Redis and a loop that is busy."""

AGENT = f"alodial/{version('alodial')}"

MAX_WAIT = 1.0
SOON = 0.02
"""Seconds between two looks while something is under way."""

log = structlog.get_logger("alodial.webhooks")


def _call_of(event: bytes) -> str:
    """The id of the call that an event is about; "" for one about none."""
    return str(json.loads(event).get("data", {}).get("call_id") or "")


class EndpointDispatcher:
    """One endpoint in this process."""

    def __init__(
        self, endpoint: Endpoint, settings: Settings, store: AsyncStore, client: EndpointClient | None = None
    ) -> None:
        self.endpoint = endpoint
        self._store = store
        self._keys = keys_of(settings)
        self._timeout = settings.webhook_timeout
        self._client = client or EndpointClient(
            endpoint, private=settings.webhook_private, timeout=settings.webhook_timeout
        )
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._done: list[DeliveryTry] = []
        self._recording = False
        self._ended = asyncio.Event()

    async def look(self) -> float:
        """Takes what is due as far as there is room; answers in how many seconds to look again."""
        room = (1 if self._failures >= DOUBT_AFTER else AT_ONCE) - len(self._under_way)
        if room <= 0:
            return SOON
        pulled = await self._store.run(
            webhooks.pull(self.endpoint.id, self.endpoint.shown, room=room, lease=self._timeout + MARGIN)
        )
        for delivery in pulled.deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if pulled.deliveries:
            return SOON
        return MAX_WAIT if pulled.wait is None else min(pulled.wait, MAX_WAIT)

    async def _deliver(self, delivery: Delivery) -> None:
        began = time.monotonic()
        try:
            answer = await self._client.send(self._headers(delivery), delivery.event)
        except Exception as exc:  # a fault of ours: the event is tried again like any other
            log.exception("webhook.crashed", endpoint=self.endpoint.id, error=type(exc).__name__)
            answer = WebhookAnswer(0, problem="internal")
        tried = classify_delivery(
            delivery.id,
            delivery.tries,
            answer.status,
            answer.headers,
            time.monotonic() - began,
            answer.problem,
            datetime.now(UTC),
        )
        if tracing.spans() is not None and (call := _call_of(delivery.event)):
            took, outcome = time.monotonic() - began, tried.outcome
            tracing.record(
                "alodial.webhook", call, took, endpoint=self.endpoint.id, outcome=outcome, tries=delivery.tries + 1
            )
        self._failures = 0 if tried.outcome == "ok" else self._failures + 1
        if self._failures == 1 or (tried.outcome != "ok" and tried.delay is None):
            # The first of a row, and each that is given up: not one line for each try of a dead endpoint.
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
        at = int(time.time())
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
        """What is done while another record is on its way goes with the next one."""
        self._done.append(tried)
        if self._recording:
            return
        self._recording = True
        try:
            while self._done and not self._ended.is_set():
                some, self._done = self._done, []
                await self._record_some(some)
        finally:
            self._recording = False

    async def _record_some(self, some: list[DeliveryTry]) -> None:
        while not self._ended.is_set():
            try:
                if await self._store.run(webhooks.tried(self.endpoint.id, some)):
                    log.error(
                        "webhook.disabled",
                        endpoint=self.endpoint.id,
                        problem=some[-1].why,
                        hint=f"alodial webhooks enable {self.endpoint.id}",
                    )
                return
            except StoreUnavailable:
                await asyncio.sleep(0.5)

    async def close(self, grace: float) -> None:
        """Waits for what is under way, at most ``grace`` seconds; the lease gives back the rest."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        self._ended.set()
        for task in self._under_way:
            task.cancel()
        self._client.close()


class Dispatcher:
    """All endpoints of a worker process, on its loop."""

    def __init__(self, settings: Settings, store: AsyncStore, outlets: list[EndpointDispatcher] | None = None) -> None:
        self._settings = settings
        self._store = store
        self.outlets = (
            [EndpointDispatcher(endpoint, settings, store) for endpoint in endpoints_of(settings)]
            if outlets is None
            else outlets
        )
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False

    def start(self) -> None:
        if self.outlets:
            self._tasks = [asyncio.create_task(self._follow())]
            self._tasks += [asyncio.create_task(self._run(outlet)) for outlet in self.outlets]

    async def _follow(self) -> None:
        """One connection waits for the next event and wakes every outlet."""
        block = min(1.0, self._settings.redis_timeout / 2)
        position = ""
        while not self._ending:
            try:
                position = position or await self._store.call(newest)
                if await self._store.call(wait_for_event, position, block):
                    position = await self._store.call(newest)
                    woken, self._news = self._news, asyncio.Event()
                    woken.set()
                await asyncio.sleep(SOON)
            except StoreUnavailable:
                await asyncio.sleep(1)

    async def _run(self, outlet: EndpointDispatcher) -> None:
        while not self._ending:
            news = self._news
            try:
                wait = await outlet.look()
            except StoreUnavailable:
                wait = MAX_WAIT
            except Exception as exc:  # one endpoint's relay must not die with what it met
                log.exception("webhook.crashed", endpoint=outlet.endpoint.id, error=type(exc).__name__)
                wait = MAX_WAIT
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait, 0.001)):
                    await news.wait()

    async def stop(self, grace: float) -> None:
        self._ending = True
        while pending := [task for task in self._tasks if not task.done()]:
            # More than once: a cancel that meets a client's own timeout at the same moment is lost with it.
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=0.2)
        await asyncio.gather(*(outlet.close(grace) for outlet in self.outlets))
