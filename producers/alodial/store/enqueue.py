"""Enqueues with a deadline: Redis rejects requests that it reads too late.

A Redis that hangs carries out what waits in its sockets when it goes on. By then the caller has been answered that
nothing was queued, so the script itself refuses a request whose deadline has passed by Redis' clock.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import StoreUnavailable
from . import call_transitions
from .call_transitions import Enqueued, LateEnqueue, NewCall
from .client import AsyncStore, Operation, Store
from .new_calls import set_deadline


class EnqueueResult(NamedTuple):
    """``accounts`` are those to wake, ``rows`` holds one row for each call, ``seconds`` is how long storing them took."""

    accounts: list[str]
    rows: list[Enqueued]
    seconds: float


class PreparedCalls(NamedTuple):
    """Calls, and the operation that stores them."""

    calls: Sequence[NewCall]
    operation: Operation[tuple[list[str], list[Enqueued]]]


def prepare_calls(store: Store | AsyncStore, calls: Sequence[NewCall]) -> PreparedCalls:
    """Puts the arguments of the script together, which may be done while Redis is busy with others."""
    return PreparedCalls(calls, call_transitions.enqueue(calls, store.settings))


def enqueue_calls(store: Store, calls: Sequence[NewCall]) -> EnqueueResult:
    """Stores calls, each once. Raises StoreUnavailable; then nothing was stored, now or later."""
    operation = call_transitions.enqueue(calls, store.settings)
    for _ in range(2):
        if not store.clock.fresh:
            store.clock.learn(store.server_ms())
        set_deadline(operation, store.clock.deadline(store.settings.redis_timeout))
        began = time.monotonic()
        try:
            accounts, rows = store.run(operation)
            return EnqueueResult(accounts, rows, time.monotonic() - began)
        except LateEnqueue as exc:
            # Redis hung, or its clock was set: once more, by the clock that it has now.
            store.clock.learn(exc.server_ms)
    raise StoreUnavailable("Redis took too long")


async def enqueue_calls_async(store: AsyncStore, prepared: PreparedCalls) -> EnqueueResult:
    """As :func:`enqueue_calls`, for calls that :func:`prepare_calls` has prepared."""
    for _ in range(2):
        if not store.clock.fresh:
            store.clock.learn(await store.server_ms())
        set_deadline(prepared.operation, store.clock.deadline(store.settings.redis_timeout))
        began = time.monotonic()
        try:
            return EnqueueResult(*await store.run(prepared.operation), time.monotonic() - began)
        except LateEnqueue as exc:
            store.clock.learn(exc.server_ms)
    raise StoreUnavailable("Redis took too long")
