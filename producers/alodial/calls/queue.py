"""The front door for Python: ``CallQueue`` for threads, ``AsyncCallQueue`` for an event loop, the same methods on both."""

import asyncio
import itertools
import os
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from alodial_schemas import Event, FieldProblem, parse_event

from ..errors import InvalidCall, NotFound
from ..observability import tracing
from ..settings import Settings, load_settings, read_settings
from ..store import call_transitions, events, holds
from ..store.call_filter import CallFilter
from ..store.call_indexes import BadCursor
from ..store.call_listing import MOST, Count, Page, count, count_async, page, page_async
from ..store.call_transitions import NewCall
from ..store.client import AsyncStore, Operation, Store
from ..store.enqueue import enqueue_calls, enqueue_calls_async
from ..store.events import StreamEvent
from ..store.find_call import find, find_async, possible_extid
from ..store.records import CallRecord
from ..wakeup import Waker
from .outcomes import QueuedCall, RefusedCall, Source, canceled_of, outcomes_of, prepare_all, queued_call
from .prepare import prepare, read_call, with_options
from .redial import plan_redial, redialed

if TYPE_CHECKING:
    from pathlib import Path

    from alodial_schemas.campaigns import CampaignRequest

    from ..campaigns.records import CampaignRecord
    from ..campaigns.service import Campaigns, OnProblem, OnProgress
    from ..do_not_call import DoNotCall
    from ..webhooks.admin import WebhookAdmin

CHUNK = 250
"""Calls stored by one script: about 5 ms of Redis, so that nobody else waits longer."""


def _reader_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@contextmanager
def _cursors() -> Iterator[None]:
    try:
        yield
    except BadCursor:
        remedy = "give the cursor of the page before as it was, with the same filter"
        raise InvalidCall([FieldProblem("cursor", "bad_cursor", "is no cursor of this list", remedy)]) from None


def _settings(redis_url: str | None, settings: Settings | None) -> Settings:
    if settings is not None:
        return settings
    return load_settings() if redis_url is None else read_settings(redis_url=redis_url)


class CallQueue:
    """Enqueues calls, reads and cancels them, and hands out their events.

    Settings come from ``ALODIAL_*``; ``redis_url`` overrides one of them. Safe to share between threads. Every method
    that speaks to Redis raises :class:`~alodial.StoreUnavailable` within about ``ALODIAL_REDIS_TIMEOUT`` seconds when it
    is away; then nothing was accepted.
    """

    def __init__(
        self, redis_url: str | None = None, *, settings: Settings | None = None, store: Store | None = None
    ) -> None:
        self.settings = _settings(redis_url, settings)
        self.store = store or Store(self.settings)
        self.waker = Waker(self.settings)

    def enqueue(self, call: Source, *, idempotency_key: str = "", scope: str = "", **options: Any) -> QueuedCall:
        """Stores one call and rings the workers.

        ``options`` are the fields beside the request: ``extid``, ``reference``, ``not_before``, ``expires_at``,
        ``priority``, ``account``, ``on_unconfirmed``, ``redial``, ``metadata``. The same ``extid`` or key with the same
        body gives the same call again. Raises InvalidCall, Conflict, StoreUnavailable.
        """
        request = read_call(call, self.settings)
        row = prepare(
            with_options(request, options) if options else request, self.settings, key=idempotency_key, scope=scope
        )
        return queued_call(self._store([row])[0], row)

    def enqueue_many(self, calls: Iterable[Source], *, scope: str = "") -> list[QueuedCall | RefusedCall]:
        """Stores many calls in bulk; one row for each in order. A bad call is a RefusedCall and keeps nobody else out.

        Validates a chunk while Redis stores the one before. Raises StoreUnavailable: what was stored before stays, and a
        call with an ``extid`` may be given again without harm.
        """
        rows: list[QueuedCall | RefusedCall] = []
        chunks: deque[tuple[list[NewCall], list[RefusedCall | None]]] = deque()

        def operations() -> Iterator[Operation[tuple[list[str], list[call_transitions.Enqueued]]]]:
            source = iter(calls)
            while chunk := list(itertools.islice(source, CHUNK)):
                chunks.append(prepare_all(chunk, self.settings, scope))
                yield call_transitions.enqueue(chunks[-1][0], self.settings)

        for ring, stored in self.store.run_overlapped(operations()):
            self.waker.submit(ring)
            ready, marks = chunks.popleft()
            tracing.enqueued(ready, stored, 0)
            rows += outcomes_of(marks, ready, stored)
        return rows

    def get(self, name: str) -> CallRecord:
        """The whole record by id or extid. Raises NotFound."""
        record = self.store.call(find, name)
        if record is None:
            raise NotFound(f"no call {name}")
        return record

    def cancel(self, name: str) -> QueuedCall:
        """Cancels by id or extid what was not submitted yet. Raises NotFound, NotCancelable."""
        extid = possible_extid(name)
        if extid is None or (name != extid and self.get(name).id != name):
            raise NotFound(f"no call {name}")
        return canceled_of(name, self.store.run(call_transitions.cancel([extid]))[0])

    def redial(self, name: str, *, actor: str = "python", attempt: int | None = None) -> QueuedCall:
        """Rings again. An unconfirmed call gets a new attempt (the phone may ring a second time), one that has ended a new
        call with the same request. Asked for twice it is done once; ``attempt`` says which one was looked at, so that
        an old page cannot repeat a newer one. Raises NotFound, NotRedialable, InvalidCall.
        """
        plan = plan_redial(self.get(name), self.settings, attempt)
        if plan.again is None:
            return redialed(plan, self.store.run(call_transitions.redial([plan.attempt], actor))[0])
        return queued_call(self._store([plan.again])[0], plan.again)

    def _store(self, calls: list[NewCall]) -> list[call_transitions.Enqueued]:
        result = enqueue_calls(self.store, calls)
        tracing.enqueued(calls, result.rows, result.seconds)
        self.waker.submit(result.accounts)
        return result.rows

    def calls(self, wanted: CallFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A page of calls: newest first; queued ones as they will go, scheduled ones by their time, ended ones as they
        ended. Raises InvalidCall for a cursor of another list.
        """
        with _cursors():
            return self.store.call(page, wanted or CallFilter(), cursor, limit)

    def count(self, wanted: CallFilter | None = None, *, limit: int = MOST) -> Count:
        """How many calls a filter means; where no figure is kept they are counted up to ``most``."""
        return self.store.call(count, wanted or CallFilter(), limit)

    def events(self, group: str, *, start: str = "0", block: float | None = None) -> Iterator[Event]:
        """Events for one group of readers, each at least once; acknowledged when the next one is asked for.

        A new group begins at ``start``: ``"0"`` with the oldest event kept, ``"$"`` with the next one. Ends after
        ``block`` seconds without an event, never when None. What a reader took and did not finish goes to another
        reader of the group after a minute.
        """
        client, reader = self.store.redis, _reader_name()
        self.store.call(events.create_group, group, start)
        try:
            while batch := self.store.call(events.reclaim, group, reader) or self._read(group, reader, block):
                for position, event in batch:
                    yield parse_event(event)
                    self.store.call(events.acknowledge, group, position)
        finally:
            events.leave_group(client, group, reader)

    def _read(self, group: str, reader: str, block: float | None) -> list[StreamEvent]:
        """One batch; empty after ``block`` seconds without any."""
        waited = 0.0
        while block is None or waited < block or waited == 0:
            # Redis answers before the socket's own timeout, which would look like an outage.
            step = min(1.0, self.settings.redis_timeout / 2, block - waited if block else 1.0)
            if batch := self.store.call(events.read_group, group, reader, step):
                return batch
            waited += step
            if block == 0:
                break
        return []

    @cached_property
    def campaigns(self) -> "Campaigns":
        """Campaigns: see :class:`alodial.campaigns.service.Campaigns`."""
        from ..campaigns.service import Campaigns  # noqa: PLC0415  # whoever places single calls need not load it

        return Campaigns(self.store, self.settings, self.waker)

    @cached_property
    def dnc(self) -> "DoNotCall":
        """The do-not-call lists."""
        from ..do_not_call import DoNotCall  # noqa: PLC0415  # as above

        return DoNotCall(self.store)

    @cached_property
    def endpoints(self) -> "WebhookAdmin":
        """Webhook endpoints: see :class:`alodial.webhooks.admin.Endpoints`."""
        from ..webhooks.admin import WebhookAdmin  # noqa: PLC0415  # as above

        return WebhookAdmin(self.store, self.settings)

    def submit_campaign(
        self,
        source: "Path | str | Iterable[Mapping[str, Any] | str]",
        campaign: "CampaignRequest | Mapping[str, Any]",
        *,
        again: bool = False,
        actor: str = "python",
        progress: "OnProgress | None" = None,
        on_problem: "OnProblem | None" = None,
    ) -> "CampaignRecord":
        """Submits the rows of a file (CSV, XLSX, NDJSON) or of an iterable as a campaign.

        ``campaign`` is a :class:`~alodial.CampaignRequest` or its JSON shape. Given the same file again after it was
        broken off, it goes on where it stopped. Raises BadFile, InvalidCampaign, CampaignDuplicate, StoreUnavailable.
        """
        from ..campaigns.stored_fields import read_campaign  # noqa: PLC0415  # as above

        request = read_campaign(campaign, self.settings)
        return self.campaigns.submit(
            source, request, actor=actor, again=again, progress=progress, on_problem=on_problem
        )

    def stop(self, reason: str = "operator", *, actor: str = "python") -> bool:
        """Emergency stop: no new POST on any worker from the next arm on. Survives restarts. False: it was on already."""
        return self.store.call(holds.stop, reason, actor)[1]

    def resume(self, account: str = "") -> None:
        """Lifts the emergency stop and the pauses and breakers of all accounts, or those of one account only."""
        self.store.run(call_transitions.resume(account))

    def close(self) -> None:
        self.waker.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncCallQueue:
    """:class:`CallQueue` for an event loop: the same methods as coroutines, ``events`` as an async iterator."""

    def __init__(
        self, redis_url: str | None = None, *, settings: Settings | None = None, store: AsyncStore | None = None
    ) -> None:
        self.settings = _settings(redis_url, settings)
        self.store = store or AsyncStore(self.settings)
        self.waker = Waker(self.settings)

    async def enqueue(self, call: Source, *, idempotency_key: str = "", scope: str = "", **options: Any) -> QueuedCall:
        """As :meth:`CallQueue.enqueue`."""
        request = read_call(call, self.settings)
        row = prepare(
            with_options(request, options) if options else request, self.settings, key=idempotency_key, scope=scope
        )
        return queued_call((await self._store([row]))[0], row)

    async def enqueue_many(self, calls: Iterable[Source], *, scope: str = "") -> list[QueuedCall | RefusedCall]:
        """As :meth:`CallQueue.enqueue_many`."""
        rows: list[QueuedCall | RefusedCall] = []
        source = iter(calls)
        while chunk := list(itertools.islice(source, CHUNK)):
            ready, marks = prepare_all(chunk, self.settings, scope)
            rows += outcomes_of(marks, ready, await self._store(ready))
        return rows

    async def _store(self, calls: list[NewCall]) -> list[call_transitions.Enqueued]:
        if not calls:
            return []
        result = await enqueue_calls_async(self.store, calls)
        tracing.enqueued(calls, result.rows, result.seconds)
        if result.accounts:
            await asyncio.to_thread(self.waker.submit, result.accounts)
        return result.rows

    async def get(self, name: str) -> CallRecord:
        """As :meth:`CallQueue.get`."""
        record = await self.store.call(find_async, name)
        if record is None:
            raise NotFound(f"no call {name}")
        return record

    async def cancel(self, name: str) -> QueuedCall:
        """As :meth:`CallQueue.cancel`."""
        extid = possible_extid(name)
        if extid is None or (name != extid and (await self.get(name)).id != name):
            raise NotFound(f"no call {name}")
        return canceled_of(name, (await self.store.run(call_transitions.cancel([extid])))[0])

    async def redial(self, name: str, *, actor: str = "python", attempt: int | None = None) -> QueuedCall:
        """As :meth:`CallQueue.redial`."""
        plan = plan_redial(await self.get(name), self.settings, attempt)
        if plan.again is None:
            return redialed(plan, (await self.store.run(call_transitions.redial([plan.attempt], actor)))[0])
        return queued_call((await self._store([plan.again]))[0], plan.again)

    async def calls(self, wanted: CallFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """As :meth:`CallQueue.calls`."""
        with _cursors():
            return await self.store.call(page_async, wanted or CallFilter(), cursor, limit)

    async def count(self, wanted: CallFilter | None = None, *, limit: int = MOST) -> Count:
        """As :meth:`CallQueue.count`."""
        return await self.store.call(count_async, wanted or CallFilter(), limit)

    async def events(self, group: str, *, start: str = "0", block: float | None = None) -> AsyncIterator[Event]:
        """As :meth:`CallQueue.events`."""
        reader = _reader_name()
        await self.store.call(events.create_group_async, group, start)
        try:
            while batch := (
                await self.store.call(events.reclaim_async, group, reader) or await self._read(group, reader, block)
            ):
                for position, event in batch:
                    yield parse_event(event)
                    await self.store.call(events.acknowledge_async, group, position)
        finally:
            await events.leave_group_async(self.store.redis, group, reader)

    async def _read(self, group: str, reader: str, block: float | None) -> list[StreamEvent]:
        waited = 0.0
        while block is None or waited < block or waited == 0:
            step = min(1.0, self.settings.redis_timeout / 2, block - waited if block else 1.0)
            if batch := await self.store.call(events.read_group_async, group, reader, step):
                return batch
            waited += step
            if block == 0:
                break
        return []

    @cached_property
    def _blocking(self) -> CallQueue:
        return CallQueue(settings=self.settings)

    @property
    def campaigns(self) -> "Campaigns":
        """As :attr:`CallQueue.campaigns`: its methods block, so give them to ``asyncio.to_thread``."""
        return self._blocking.campaigns

    @property
    def dnc(self) -> "DoNotCall":
        """As :attr:`CallQueue.dnc`, for ``asyncio.to_thread`` too."""
        return self._blocking.dnc

    @property
    def endpoints(self) -> "WebhookAdmin":
        """As :attr:`CallQueue.endpoints`, for ``asyncio.to_thread`` too."""
        return self._blocking.endpoints

    async def submit_campaign(
        self,
        source: "Path | str | Iterable[Mapping[str, Any] | str]",
        campaign: "CampaignRequest | Mapping[str, Any]",
        *,
        again: bool = False,
        actor: str = "python",
        progress: "OnProgress | None" = None,
        on_problem: "OnProblem | None" = None,
    ) -> "CampaignRecord":
        """As :meth:`CallQueue.submit_campaign`, in a thread; so are the two callbacks called."""
        return await asyncio.to_thread(
            self._blocking.submit_campaign,
            source,
            campaign,
            again=again,
            actor=actor,
            progress=progress,
            on_problem=on_problem,
        )

    async def stop(self, reason: str = "operator", *, actor: str = "python") -> bool:
        """As :meth:`CallQueue.stop`."""
        return await asyncio.to_thread(lambda: self._blocking.stop(reason, actor=actor))

    async def resume(self, account: str = "") -> None:
        """As :meth:`CallQueue.resume`."""
        await self.store.run(call_transitions.resume(account))

    async def aclose(self) -> None:
        await asyncio.to_thread(self.waker.close)
        if "_blocking" in self.__dict__:
            await asyncio.to_thread(self._blocking.close)
        await self.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
