"""A call's OpenTelemetry trace: from enqueue through the POST and its result to the webhooks.

Nothing is stored for it. A call's id is a UUIDv7, 16 bytes, and so is a trace's: the trace id *is* the call's id. The span
``alodial.enqueue`` has the first 8 bytes of SHA-256(call id) as its span id, and every other span is its child, so that any
process can add to the trace of a call that it knows by id alone.

On when ``OTEL_TRACES_EXPORTER`` or an ``OTEL_EXPORTER_OTLP_*ENDPOINT`` is set and the extra ``alodial[otel]`` is installed;
otherwise nothing of OpenTelemetry is imported. Attributes are ids and words of ours: no numbers, tokens or addresses.
"""

import hashlib
import importlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..store.call_transitions import Enqueued, NewCall
    from .otel import SpanRecorder

inbound: ContextVar[str] = ContextVar("alodial_traceparent", default="")
"""The ``traceparent`` of the request that is being answered: the call's trace is linked to it."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_configured() -> bool:
    """Whether the environment wants traces."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    return bool(exporter) or any(os.environ.get(name) for name in _ENDPOINTS)


@lru_cache(maxsize=1)
def spans() -> "SpanRecorder | None":
    """This process' spans; None without the extra or where nobody asked for them. Looked at once."""
    if not is_configured():
        return None
    try:
        made: SpanRecorder | None = importlib.import_module("alodial.observability.otel").from_environment()
    except ImportError:  # OTEL_* may be meant for others in this process
        return None
    return made


def ids(call_id: str) -> tuple[int, int]:
    """A call's trace id and the span id of its root. Raises ValueError for what is no call's id."""
    return uuid.UUID(call_id).int, int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big") or 1


def traceparent(call_id: str, *, sampled: bool = True) -> str:
    """The W3C header that continues a call's trace; for readers of events too, whose ``subject`` is the call's id."""
    trace, root = ids(call_id)
    return f"00-{trace:032x}-{root:016x}-{int(sampled):02x}"


_carried: dict[str, str] = {}
"""``traceparent`` by call id of requests whose calls are stored by somebody else's task."""


@contextmanager
def _carry(call_id: str, header: str) -> Iterator[None]:
    _carried[call_id] = header
    try:
        yield
    finally:
        _carried.pop(call_id, None)


def carried_headers(call_id: str) -> AbstractContextManager[None]:
    """While it lasts, whoever stores this call knows the request that it came with."""
    header = inbound.get()
    return _carry(call_id, header) if header else nullcontext()


def caller_context(call_id: str) -> str:
    """The ``traceparent`` that came with the call's request, or ""."""
    return _carried.get(call_id) or inbound.get()


def enqueued(calls: "Sequence[NewCall]", rows: "Sequence[Enqueued]", seconds: float) -> None:
    """The root of each new call's trace; ``seconds`` is how long storing them together took."""
    if (kept := spans()) is not None:
        for call, row in zip(calls, rows, strict=True):
            if row.outcome == "created":
                about = {"account": call.account, "campaign": call.campaign, "priority": call.priority}
                kept.record("alodial.enqueue", row.id, seconds, about)


def outgoing(call_id: str) -> dict[str, str]:
    """Headers that continue the call's trace at somebody else's; none without traces."""
    kept = spans()
    if kept is None or not call_id:
        return {}
    return {"traceparent": traceparent(call_id, sampled=kept.sampled(call_id))}


def record(name: str, call_id: str, seconds: float, **attributes: str | int | float | None) -> None:
    """Adds a span that ended now and took so long. Nothing without traces; never raises for a strange id."""
    if (kept := spans()) is not None:
        kept.record(name, call_id, seconds, attributes)
