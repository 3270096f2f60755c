"""A call's trace ids and the ``traceparent`` headers of callers. Nothing of it is stored.

A call's id is a UUIDv7, 16 bytes like a trace id: the trace id *is* the call's id. The root span, ``alodial.enqueue``, has
the first 8 bytes of SHA-256(call id) as its span id, and every other span is its child. So any process can add to the
trace of a call that it knows by id alone. The header's form is W3C Trace Context.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

inbound: ContextVar[str] = ContextVar("alodial_traceparent", default="")
"""The ``traceparent`` of the request that is being answered; the call's trace links to it."""

_carried: dict[str, str] = {}
"""``traceparent`` by call id, for calls that another task stores than the one of their request."""


def ids(call_id: str) -> tuple[int, int]:
    """Returns the trace id and the root's span id. Raises ValueError when ``call_id`` is no UUID."""
    return uuid.UUID(call_id).int, int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big") or 1


def traceparent(call_id: str, *, sampled: bool = True) -> str:
    """Returns the header that continues a call's trace; readers of events use the event's ``subject`` as the id."""
    trace, root = ids(call_id)
    return f"00-{trace:032x}-{root:016x}-{int(sampled):02x}"


@contextmanager
def carried_headers(call_id: str) -> Iterator[None]:
    """Makes the request's header known, while it lasts, to the task that stores the call."""
    if header := inbound.get():
        _carried[call_id] = header
    try:
        yield
    finally:
        _carried.pop(call_id, None)


def caller_context(call_id: str) -> str:
    """Returns the ``traceparent`` that came with the call's request, or ""."""
    return _carried.get(call_id) or inbound.get()
