"""Enqueue calls and manage them: ``CallQueue`` for threads, ``AsyncCallQueue`` for event loops, with the same methods."""

import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from alodial_schemas import Event, parse_event

from ..observability import tracing
from ..settings import Settings, chosen_settings
from ..store import call_transitions, events, holds
from ..store.call_filter import CallFilter, filter_or_all
from ..store.call_listing import MAX_CALLS, Count, Page, count, count_async, page_async
from ..store.call_transitions import Enqueued, NewCall
from ..store.caller import INSTALLATION, Caller
from ..store.client import AsyncStore, Operation, Store
from ..store.enqueue import enqueue_calls_async, prepare_calls
from ..store.events import StreamEvent
from ..store.find_call import find_async
from ..store.records import CallRecord
from ..wakeup import Waker
from . import bulk_actions
from .bulk_actions import CHUNK, BulkResult
from .merged_list import ArchiveUser, find_call, is_live_only, list_page
from .outcomes import QueuedCall, RefusedCall, Source, canceled_of, existing, outcomes_of, prepare_all, queued_call
from .prepare import each_call, prepare, read_call
from .readers import reader_name, waits
from .redial import plan_redial, redialed
from .threads import ARCHIVE, CONTROL, READS, WAKEUPS, WORK

if TYPE_CHECKING:
    from pathlib import Path

    from alodial_schemas.campaigns import CampaignRequest

    from ..campaigns.records import CampaignRecord
    from ..campaigns.service import CampaignService, OnProblem, OnProgress
    from ..do_not_call import DoNotCall
    from ..webhooks.admin import WebhookAdmin
    from .awaitable import AsyncCampaigns, AsyncDoNotCall, AsyncWebhookAdmin

P = ParamSpec("P")
T = TypeVar("T")


class CallQueue(ArchiveUser):
    """Enqueues calls, reads, cancels and redials them, and delivers their events. Safe to share between threads.

    Settings come from ``ALODIAL_*`` in the environment or ``.env``; ``redis_url`` replaces ALODIAL_REDIS_URL,
    ``namespace`` ALODIAL_NAMESPACE, ``settings`` all of them. ``store`` replaces the connection to Redis, for tests.

    Every method that talks to Redis raises :class:`~alodial.StoreUnavailable` after about ALODIAL_REDIS_TIMEOUT seconds
    when Redis does not answer. Close the queue with :meth:`close` or use it in a ``with`` statement. Raises
    ConfigurationError when a setting is wrong.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        namespace: str | None = None,
        settings: Settings | None = None,
        store: Store | None = None,
    ) -> None:
        self.settings = settings or chosen_settings(redis_url=redis_url, namespace=namespace)
        self.store = store or Store(self.settings)
        self.waker = Waker(self.settings)

    def enqueue(self, call: Source, *, idempotency_key: str = "", scope: str = "", **options: Any) -> QueuedCall:
        """Stores one call and wakes the workers. When it returns, the call is kept in Redis, even if your program ends.

        ``call`` is a TwoWayCall, an IvrCall or AloVoice's own body as a mapping. ``options`` are the fields beside the
        body: ``extid``, ``reference``, ``not_before``, ``expires_at``, ``priority``, ``account``, ``on_unconfirmed``,
        ``redial``, ``metadata``. The same ``idempotency_key`` (until 48 hours after the call's end) or ``extid`` with
        the same body returns the same call with ``created=False``; ``scope`` separates the keys of different callers.

        Raises InvalidCall when a field is wrong, Conflict when the key or extid belongs to a call with another body,
        StoreUnavailable when Redis does not answer: repeat the call then with the same key.
        """
        row = prepare(read_call(call, self.settings, options), self.settings, key=idempotency_key, scope=scope)
        return queued_call(bulk_actions.store_calls(self.store, self.waker, [row])[0], row)

    def enqueue_many(self, calls: Iterable[Source], *, scope: str = "") -> list[QueuedCall | RefusedCall]:
        """Stores many calls in chunks and returns one row for each call, in order.

        An invalid call becomes a RefusedCall; the others are stored all the same. Raises StoreUnavailable: the chunks
        stored before stay stored, and repeating calls that have an ``extid`` does no harm.
        """
        rows: list[QueuedCall | RefusedCall] = []
        chunks: deque[tuple[list[NewCall], list[RefusedCall | None]]] = deque()

        def operations() -> Iterator[Operation[tuple[list[str], list[Enqueued]]]]:
            source = each_call(calls)
            while chunk := list(itertools.islice(source, CHUNK)):
                chunks.append(prepare_all(chunk, self.settings, scope))
                yield call_transitions.enqueue(chunks[-1][0], self.settings)

        # A chunk is validated while Redis stores the one before.
        for accounts, stored in self.store.run_overlapped(operations()):
            self.waker.submit(accounts)
            ready, refusals = chunks.popleft()
            tracing.enqueued(ready, stored, 0)
            rows += outcomes_of(refusals, ready, stored)
        return rows

    def get(self, name: str, *, viewer: Caller = INSTALLATION) -> CallRecord:
        """Returns the record of a call that ``viewer`` may see, by its id or the extid of any attempt, also as a number.

        Raises NotFound, and ArchiveUnavailable for a call that is not in Redis while the archive does not answer.
        """
        return existing(find_call(self.store, self.archive, str(name), viewer), name)

    def cancel(self, name: str, *, reason: str = "canceled_by_caller", viewer: Caller = INSTALLATION) -> QueuedCall:
        """Cancels a call that was not submitted yet, by its id or extid; it did not and will not ring.

        ``reason`` is kept in its record. Raises NotFound, and NotCancelable when it is being submitted or has ended.
        """
        record = self.get(name, viewer=viewer)
        return canceled_of(record, self.store.run(call_transitions.cancel([record.wire_extid], reason))[0])

    def redial(
        self, name: str, *, actor: str = "python", attempt: int | None = None, viewer: Caller = INSTALLATION
    ) -> QueuedCall:
        """Rings again: an unconfirmed call by a new attempt (its phone may ring a second time), an ended call by a new call.

        ``actor`` is written into the call's timeline. ``attempt`` is the number of the attempt that you want repeated,
        the latest by default; repeating the same one twice rings once. Raises NotFound, NotRedialable, InvalidCall.
        """
        plan = plan_redial(self.get(name, viewer=viewer), self.settings, attempt, viewer.quota)
        if plan.again is None:
            return redialed(plan, self.store.run(call_transitions.redial([plan.attempt], actor))[0])
        return queued_call(bulk_actions.store_calls(self.store, self.waker, [plan.again])[0], plan.again)

    def cancel_all(
        self, wanted: CallFilter, *, limit: int = MAX_CALLS, reason: str = "canceled_by_operator"
    ) -> BulkResult:
        """Cancels up to ``limit`` calls of a filter that were not submitted yet; repeat it for the rest."""
        return bulk_actions.cancel_all(self.store, wanted, limit=limit, reason=reason)

    def redial_all(
        self, wanted: CallFilter, *, actor: str = "python", limit: int = MAX_CALLS, cursor: str | None = None
    ) -> BulkResult:
        """Redials up to ``limit`` calls, archived ones too, except those in progress and those of campaigns.

        ``cursor`` is that of the result before, to go on with the rest. Raises InvalidCall for a foreign cursor.
        """
        return bulk_actions.redial_all(self.store, self.waker, wanted, actor, self.archive, limit, cursor)

    def calls(self, wanted: CallFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """Returns a page of up to ``limit`` calls, all of them without a filter; ``cursor`` is that of the page before.

        Newest first; queued calls come in the order in which they will be placed, scheduled ones by their time, ended ones
        by their end. A page is ``incomplete`` while the archive does not answer. Raises InvalidCall for a foreign cursor.
        """
        return list_page(self.store, self.archive, filter_or_all(wanted), cursor, limit)

    def count(self, wanted: CallFilter | None = None, *, limit: int = MAX_CALLS) -> Count:
        """Returns how many calls in Redis match; where the store keeps no figure it counts up to ``limit``."""
        return self.store.call(count, filter_or_all(wanted).in_zone(self.settings.timezone), limit)

    def events(self, group: str, *, start: str = "0", block: float | None = None) -> Iterator[Event]:
        """Yields events, each at least once for a group of readers; an event is acknowledged when you ask for the next.

        A new group starts at ``start``: ``"0"`` with the oldest event kept, ``"$"`` with the next one. The iterator ends
        after ``block`` seconds without an event, never when None. Events that a reader took and did not acknowledge go
        to another reader of the group after a minute.
        """
        reader = reader_name(group)
        self.store.call(events.create_group, group, start)
        try:
            while batch := self.store.call(events.reclaim, group, reader) or self._read(group, reader, block):
                for position, event in batch:
                    yield parse_event(event)
                    self.store.call(events.acknowledge, group, position)
        finally:
            events.leave_group(self.store.redis, self.store.keys, group, reader)

    def _read(self, group: str, reader: str, block: float | None) -> list[StreamEvent]:
        for wait in waits(block, self.settings.redis_timeout):
            if batch := self.store.call(events.read_group, group, reader, wait):
                return batch
        return []

    @cached_property
    def campaigns(self) -> "CampaignService":
        """The campaigns: see :class:`alodial.campaigns.service.CampaignService`."""
        from ..campaigns.service import CampaignService  # noqa: PLC0415  # programs that place single calls need not load it

        return CampaignService(self.store, self.settings, self.waker)

    @cached_property
    def dnc(self) -> "DoNotCall":
        """The do-not-call lists: see :class:`alodial.do_not_call.DoNotCall`."""
        from ..do_not_call import DoNotCall  # noqa: PLC0415  # as above

        return DoNotCall(self.store)

    @cached_property
    def endpoints(self) -> "WebhookAdmin":
        """The webhook endpoints: see :class:`alodial.webhooks.admin.WebhookAdmin`."""
        from ..webhooks.admin import WebhookAdmin  # noqa: PLC0415  # as above

        return WebhookAdmin(self.store, self.settings)

    def submit_campaign(
        self,
        source: "Path | str | Iterable[Mapping[str, Any] | str]",
        campaign: "CampaignRequest | Mapping[str, Any]",
        *,
        again: bool = False,
        idempotency_key: str = "",
        actor: str = "python",
        progress: "OnProgress | None" = None,
        on_problem: "OnProblem | None" = None,
    ) -> "CampaignRecord":
        """Submits the rows of a file (CSV, XLSX, ODS, NDJSON) or of an iterable as a campaign.

        ``campaign`` is a :class:`~alodial.CampaignRequest` or its JSON form. A file whose submission was interrupted goes
        on where it stopped; ``again`` submits a file once more that a campaign has already. The same ``idempotency_key``
        returns the same campaign. Raises BadFile, InvalidCampaign, CampaignDuplicate, Conflict, StoreUnavailable.
        """
        from ..campaigns.stored_fields import read_campaign  # noqa: PLC0415  # as above

        return self.campaigns.submit(
            source,
            read_campaign(campaign, self.settings),
            actor=actor,
            again=again,
            idempotency_key=idempotency_key,
            progress=progress,
            on_problem=on_problem,
        )

    def stop(self, reason: str = "operator", *, actor: str = "python") -> bool:
        """Pulls the emergency stop: no worker submits a call until :meth:`resume`. Returns False when it was on already."""
        return self.store.run(holds.stop(reason, actor))[1]

    def resume(self, account: str = "") -> None:
        """Lifts the emergency stop and the pauses and breakers of all accounts, or those of ``account`` alone."""
        self.store.run(call_transitions.resume(account))

    def close(self) -> None:
        """Closes the connections to Redis."""
        self.waker.close()
        self.close_archive()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class AsyncCallQueue(ArchiveUser):
    """:class:`CallQueue` for event loops: the same methods as coroutines, ``events`` as an async iterator.

    One queue serves several loops, one after another and in several threads at once: each gets connections of its own.
    Calls, lists and events use ``store``, an asynchronous connection. Campaigns, do-not-call lists, webhook endpoints and
    bulk actions run in threads on ``thread_store``, one connection pool that is opened at first use and closed with the
    queue. Close it with :meth:`aclose` or use it in an ``async with`` statement.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        namespace: str | None = None,
        settings: Settings | None = None,
        store: AsyncStore | None = None,
    ) -> None:
        self.settings = settings or chosen_settings(redis_url=redis_url, namespace=namespace)
        self.store = store or AsyncStore(self.settings)
        self.waker = Waker(self.settings)

    @cached_property
    def thread_store(self) -> Store:
        """The blocking store for work in threads; safe to share between them."""
        return Store(self.settings)

    async def in_thread(self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function(thread_store, *args, **kwargs)`` in a thread and returns its result."""
        return await READS.run(function, self.thread_store, *args, **kwargs)

    async def enqueue(self, call: Source, *, idempotency_key: str = "", scope: str = "", **options: Any) -> QueuedCall:
        """As :meth:`CallQueue.enqueue`."""
        row = prepare(read_call(call, self.settings, options), self.settings, key=idempotency_key, scope=scope)
        return queued_call((await self._store([row]))[0], row)

    async def enqueue_many(self, calls: Iterable[Source], *, scope: str = "") -> list[QueuedCall | RefusedCall]:
        """As :meth:`CallQueue.enqueue_many`."""
        rows: list[QueuedCall | RefusedCall] = []
        source = each_call(calls)
        while chunk := list(itertools.islice(source, CHUNK)):
            ready, refusals = prepare_all(chunk, self.settings, scope)
            rows += outcomes_of(refusals, ready, await self._store(ready))
        return rows

    async def _store(self, calls: list[NewCall]) -> list[Enqueued]:
        if not calls:
            return []
        stored = await enqueue_calls_async(self.store, prepare_calls(self.store, calls))
        tracing.enqueued(calls, stored.rows, stored.seconds)
        if stored.accounts:
            await WAKEUPS.run(self.waker.submit, stored.accounts)
        return stored.rows

    async def get(self, name: str, *, viewer: Caller = INSTALLATION) -> CallRecord:
        """As :meth:`CallQueue.get`."""
        if (record := await self.store.call(find_async, str(name), viewer)) is None and self.archive is not None:
            record = await ARCHIVE.run(find_call, self.thread_store, self.archive, str(name), viewer)
        return existing(record, name)

    async def cancel(
        self, name: str, *, reason: str = "canceled_by_caller", viewer: Caller = INSTALLATION
    ) -> QueuedCall:
        """As :meth:`CallQueue.cancel`."""
        record = await self.get(name, viewer=viewer)
        return canceled_of(record, (await self.store.run(call_transitions.cancel([record.wire_extid], reason)))[0])

    async def redial(
        self, name: str, *, actor: str = "python", attempt: int | None = None, viewer: Caller = INSTALLATION
    ) -> QueuedCall:
        """As :meth:`CallQueue.redial`."""
        plan = plan_redial(await self.get(name, viewer=viewer), self.settings, attempt, viewer.quota)
        if plan.again is None:
            return redialed(plan, (await self.store.run(call_transitions.redial([plan.attempt], actor)))[0])
        return queued_call((await self._store([plan.again]))[0], plan.again)

    async def cancel_all(
        self, wanted: CallFilter, *, limit: int = MAX_CALLS, reason: str = "canceled_by_operator"
    ) -> BulkResult:
        """As :meth:`CallQueue.cancel_all`."""
        return await WORK.run(bulk_actions.cancel_all, self.thread_store, wanted, limit=limit, reason=reason)

    async def redial_all(
        self, wanted: CallFilter, *, actor: str = "python", limit: int = MAX_CALLS, cursor: str | None = None
    ) -> BulkResult:
        """As :meth:`CallQueue.redial_all`."""
        rest = (wanted, actor, self.archive, limit, cursor)
        return await WORK.run(bulk_actions.redial_all, self.thread_store, self.waker, *rest)

    async def calls(self, wanted: CallFilter | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """As :meth:`CallQueue.calls`."""
        wanted = filter_or_all(wanted).in_zone(self.settings.timezone)
        if self.archive is None or is_live_only(wanted):
            return await self.store.call(page_async, wanted, cursor, limit)
        return await ARCHIVE.run(list_page, self.thread_store, self.archive, wanted, cursor, limit)

    async def count(self, wanted: CallFilter | None = None, *, limit: int = MAX_CALLS) -> Count:
        """As :meth:`CallQueue.count`."""
        return await self.store.call(
            count_async,
            filter_or_all(wanted).in_zone(self.settings.timezone),
            limit,
        )

    async def events(self, group: str, *, start: str = "0", block: float | None = None) -> AsyncIterator[Event]:
        """As :meth:`CallQueue.events`."""
        reader = reader_name(group)
        await self.store.call(events.create_group_async, group, start)
        try:
            while batch := (
                await self.store.call(events.reclaim_async, group, reader) or await self._read(group, reader, block)
            ):
                for position, event in batch:
                    yield parse_event(event)
                    await self.store.call(events.acknowledge_async, group, position)
        finally:
            await events.leave_group_async(self.store.redis, self.store.keys, group, reader)

    async def _read(self, group: str, reader: str, block: float | None) -> list[StreamEvent]:
        for wait in waits(block, self.settings.redis_timeout):
            if batch := await self.store.call(events.read_group_async, group, reader, wait):
                return batch
        return []

    @cached_property
    def campaigns(self) -> "AsyncCampaigns":
        """The campaigns, with awaitable methods: see :class:`alodial.campaigns.service.CampaignService`."""
        from ..campaigns.service import CampaignService  # noqa: PLC0415  # programs that place single calls need not load it
        from .awaitable import AsyncCampaigns  # noqa: PLC0415  # as above

        return AsyncCampaigns(CampaignService(self.thread_store, self.settings, self.waker))

    @cached_property
    def dnc(self) -> "AsyncDoNotCall":
        """The do-not-call lists, with awaitable methods: see :class:`alodial.do_not_call.DoNotCall`."""
        from ..do_not_call import DoNotCall  # noqa: PLC0415  # as above
        from .awaitable import AsyncDoNotCall  # noqa: PLC0415  # as above

        return AsyncDoNotCall(DoNotCall(self.thread_store))

    @cached_property
    def endpoints(self) -> "AsyncWebhookAdmin":
        """The webhook endpoints, with awaitable methods: see :class:`alodial.webhooks.admin.WebhookAdmin`."""
        from ..webhooks.admin import WebhookAdmin  # noqa: PLC0415  # as above
        from .awaitable import AsyncWebhookAdmin  # noqa: PLC0415  # as above

        return AsyncWebhookAdmin(WebhookAdmin(self.thread_store, self.settings))

    async def submit_campaign(
        self,
        source: "Path | str | Iterable[Mapping[str, Any] | str]",
        campaign: "CampaignRequest | Mapping[str, Any]",
        *,
        again: bool = False,
        idempotency_key: str = "",
        actor: str = "python",
        progress: "OnProgress | None" = None,
        on_problem: "OnProblem | None" = None,
    ) -> "CampaignRecord":
        """As :meth:`CallQueue.submit_campaign`, in a thread, which also calls ``progress`` and ``on_problem``."""
        from ..campaigns.stored_fields import read_campaign  # noqa: PLC0415  # as above

        return await self.campaigns.submit(
            source,
            read_campaign(campaign, self.settings),
            actor=actor,
            again=again,
            idempotency_key=idempotency_key,
            progress=progress,
            on_problem=on_problem,
        )

    async def stop(self, reason: str = "operator", *, actor: str = "python") -> bool:
        """As :meth:`CallQueue.stop`."""
        return (await CONTROL.run(self.thread_store.run, holds.stop(reason, actor)))[1]

    async def resume(self, account: str = "") -> None:
        """As :meth:`CallQueue.resume`."""
        await self.store.run(call_transitions.resume(account))

    async def aclose(self) -> None:
        """Closes the connections to Redis."""
        await WAKEUPS.run(self.waker.close)
        await CONTROL.run(self.close_archive)
        if "thread_store" in self.__dict__:
            await CONTROL.run(self.thread_store.close)
        await self.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()
