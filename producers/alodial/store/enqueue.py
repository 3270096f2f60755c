"""Stores calls for somebody who waits for the answer: what Redis could not do in that time it does not do later.

A Redis that hangs carries out what it finds in its sockets when it wakes. The caller was told by then that nothing was
queued, so the script itself refuses a request whose deadline has passed by Redis' clock.
"""

import time
from collections.abc import Sequence
from typing import Any

from ..errors import StoreUnavailable
from ..observability import tracing
from . import call_transitions
from .call_transitions import Enqueued, LateEnqueue, NewCall
from .client import AsyncStore, Store

Accepted = tuple[list[str], list[Enqueued]]


def _ms(clock: Any) -> int:
    seconds, micros = clock
    return int(seconds) * 1000 + int(micros) // 1000


def _told(began: float, calls: Sequence[NewCall], accepted: Accepted) -> Accepted:
    tracing.enqueued(calls, accepted[1], time.monotonic() - began)
    return accepted


def enqueue_calls(store: Store, calls: Sequence[NewCall]) -> Accepted:
    """The accounts to ring and a row for each call. Raises StoreUnavailable; then nothing was stored nor will be."""
    for _ in range(2):
        if not store.clock.fresh:
            store.clock.learn(_ms(store.call(lambda client: client.time())))
        began = time.monotonic()
        try:
            accepted = store.run(
                call_transitions.enqueue(
                    calls, store.settings, deadline=store.clock.deadline(store.settings.redis_timeout)
                )
            )
            return _told(began, calls, accepted)
        except LateEnqueue as exc:
            # Redis hung, or its clock was set: once more, by the clock that it has now.
            store.clock.learn(exc.server_ms)
    raise StoreUnavailable("Redis took too long")


async def enqueue_calls_async(store: AsyncStore, calls: Sequence[NewCall]) -> Accepted:
    """As :func:`accept`."""
    for _ in range(2):
        if not store.clock.fresh:
            store.clock.learn(_ms(await store.call(lambda client: client.time())))
        began = time.monotonic()
        try:
            accepted = await store.run(
                call_transitions.enqueue(
                    calls, store.settings, deadline=store.clock.deadline(store.settings.redis_timeout)
                )
            )
            return _told(began, calls, accepted)
        except LateEnqueue as exc:
            store.clock.learn(exc.server_ms)
    raise StoreUnavailable("Redis took too long")
