"""Records a call's OpenTelemetry trace: enqueue, POST, result and webhooks.

On when ``OTEL_TRACES_EXPORTER`` or an ``OTEL_EXPORTER_OTLP_*ENDPOINT`` is set and the extra ``alodial[otel]`` is installed;
otherwise nothing of OpenTelemetry is imported. Attributes hold ids and codes: no numbers, tokens or addresses.
"""

import importlib
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .trace_context import traceparent

if TYPE_CHECKING:
    from ..store.call_transitions import Enqueued, NewCall
    from .otel import SpanRecorder

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_configured() -> bool:
    """Returns whether the environment asks for traces."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    return bool(exporter) or any(os.environ.get(name) for name in _ENDPOINTS)


@lru_cache(maxsize=1)
def spans() -> "SpanRecorder | None":
    """Returns this process' recorder, made once; None without the extra or when traces are not configured."""
    if not is_configured():
        return None
    try:
        recorder: SpanRecorder | None = importlib.import_module("alodial.observability.otel").from_environment()
    except ImportError:  # OTEL_* may be meant for other programs of this process
        return None
    return recorder


def enqueued(calls: "Sequence[NewCall]", rows: "Sequence[Enqueued]", seconds: float) -> None:
    """Records the root span of each new call; ``seconds`` is how long storing them together took."""
    if (recorder := spans()) is not None:
        for call, row in zip(calls, rows, strict=True):
            if row.outcome == "created":
                attributes = {"account": call.account, "campaign": call.campaign, "priority": call.priority}
                recorder.record("alodial.enqueue", row.id, seconds, attributes)


def outgoing(call_id: str) -> dict[str, str]:
    """Returns request headers that continue the call's trace in another program; none when traces are off."""
    recorder = spans()
    if recorder is None or not call_id:
        return {}
    return {"traceparent": traceparent(call_id, sampled=recorder.sampled(call_id))}


def record(name: str, call_id: str, seconds: float, **attributes: str | int | float | None) -> None:
    """Records a span that took ``seconds`` and ends now. Does nothing when traces are off; ignores an invalid id."""
    if (recorder := spans()) is not None:
        recorder.record(name, call_id, seconds, attributes)
