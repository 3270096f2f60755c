"""Stores the calls of many requests at once: those that arrive together share one script."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..calls.bulk_actions import CHUNK
from ..calls.outcomes import QueuedCall, queued_call
from ..calls.queue import AsyncCallQueue
from ..errors import StoreUnavailable
from ..observability import tracing
from ..observability.trace_context import carried_headers
from ..store.call_transitions import Enqueued, NewCall
from ..store.coalesce import Coalescer
from ..store.enqueue import PreparedCalls, enqueue_calls_async, prepare_calls

Answer = Enqueued | Exception


class CallAcceptor:
    """Stores calls and wakes the workers, within ``ALODIAL_REDIS_TIMEOUT`` seconds or not at all."""

    def __init__(self, queue: AsyncCallQueue) -> None:
        self._queue = queue
        self._timeout = queue.settings.redis_timeout
        self._coalescer: Coalescer[tuple[NewCall, float], Answer] = Coalescer(self._flush, limit=CHUNK)
        self._failed_at = -1.0
        self._wake_thread = ThreadPoolExecutor(1, thread_name_prefix="alodial-wakeup")

    async def accept(self, call: NewCall) -> QueuedCall:
        """Stores one call together with others that arrive now. Raises Conflict, StoreUnavailable."""
        with carried_headers(call.id):
            answer = await self._coalescer.submit((call, asyncio.get_running_loop().time()))
        if isinstance(answer, Exception):
            raise answer
        return queued_call(answer, call)

    def prepare(self, calls: Sequence[NewCall]) -> PreparedCalls:
        """Prepares up to CHUNK calls for :meth:`accept_many`."""
        return prepare_calls(self._queue.store, calls)

    async def accept_many(self, prepared: PreparedCalls) -> list[Enqueued]:
        """Stores calls by one script, one row for each in order. Raises StoreUnavailable."""
        return await self._store(prepared) if prepared.calls else []

    async def _flush(self, items: Sequence[tuple[NewCall, float]]) -> list[Answer]:
        # Calls that gathered behind a failed flush have waited its whole timeout already, so they fail at once.
        fresh = [i for i, (_, arrived) in enumerate(items) if arrived > self._failed_at]
        answers: list[Answer] = [StoreUnavailable("Redis did not answer the requests before this one")] * len(items)
        if not fresh:
            return answers
        try:
            for i, answer in zip(fresh, await self._each([items[i][0] for i in fresh]), strict=True):
                answers[i] = answer
        except StoreUnavailable as exc:
            self._failed_at = asyncio.get_running_loop().time()
            return [exc] * len(items)
        return answers

    async def _each(self, calls: Sequence[NewCall]) -> list[Answer]:
        try:
            return list(await self._store(self.prepare(calls)))
        except StoreUnavailable:
            raise
        except Exception as exc:
            if len(calls) == 1:
                return [exc]
        # One call broke the script for all of them; run alone it breaks for itself. Running twice does no harm.
        answers: list[Answer] = []
        for call in calls:
            answers += await self._each([call])
        return answers

    async def _store(self, prepared: PreparedCalls) -> list[Enqueued]:
        try:
            async with asyncio.timeout(self._timeout):
                result = await enqueue_calls_async(self._queue.store, prepared)
        except TimeoutError:
            raise StoreUnavailable("Redis did not answer in time") from None
        tracing.enqueued(prepared.calls, result.rows, result.seconds)
        if result.accounts:
            # Not awaited: the calls are stored, and a pacer repeats a wake-up that is lost.
            self._wake_thread.submit(self._queue.waker.submit, result.accounts)
        return result.rows

    def close(self) -> None:
        self._wake_thread.shutdown(wait=False, cancel_futures=True)
