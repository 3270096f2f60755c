"""Records spans with OpenTelemetry; imported by :mod:`alodial.observability.tracing` when traces are configured."""

import os
import threading
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from . import trace_context

ROOT: Final = "alodial.enqueue"
KINDS: Final = {
    ROOT: SpanKind.PRODUCER,
    "alodial.submit": SpanKind.CLIENT,
    "alodial.result": SpanKind.CONSUMER,
    "alodial.webhook": SpanKind.CLIENT,
}


class CallIds(RandomIdGenerator, threading.local):
    """Generates random ids, except for the root span of a call, whose ids follow from the call's id. One a thread."""

    root: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.root[0] if self.root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.root[1] if self.root else super().generate_span_id()


class SpanRecorder:
    """Records ended spans with its own provider; the provider of the process, if any, is not touched."""

    def __init__(self, exporter: SpanExporter) -> None:
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "alodial"}
        self._ids = CallIds()
        # sampled() applies the sampler of OTEL_TRACES_SAMPLER, so the provider records every span.
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self.provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create(named), id_generator=self._ids)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("alodial", metadata.version("alodial"))

    def sampled(self, call_id: str) -> bool:
        """Returns the same decision for every span of a call in every process.

        It is made by the root span's id, a hash: samplers by ratio read the lower half of the trace id, where a UUID has
        two fixed bits, so that a ratio of one half would take none.
        """
        _, root = trace_context.ids(call_id)
        decision = self._sampler.should_sample(None, root, ROOT).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def record(
        self, name: str, call_id: str, seconds: float, attributes: Mapping[str, str | int | float | None]
    ) -> None:
        """As :func:`alodial.observability.tracing.record`."""
        try:
            trace_id, root = trace_context.ids(call_id)
        except ValueError:
            return
        if not self.sampled(call_id):
            return
        ended = time.time_ns()
        present = {f"alodial.{key}": value for key, value in attributes.items() if value is not None and value != ""}
        context, links = Context(), _callers(call_id) if name == ROOT else []
        if name != ROOT:
            parent = SpanContext(trace_id, root, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            context = trace.set_span_in_context(NonRecordingSpan(parent), context)
        self._ids.root = (trace_id, root) if name == ROOT else None
        try:
            span = self._tracer.start_span(
                name,
                context=context,
                kind=KINDS.get(name, SpanKind.INTERNAL),
                attributes={"alodial.call_id": call_id, **present},
                links=links,
                start_time=ended - round(max(0.0, seconds) * 1e9),
            )
        finally:
            self._ids.root = None
        span.end(ended)


def _callers(call_id: str) -> list[Link]:
    """Returns links to the caller's span: of this process, or of the request that is being answered."""
    contexts = [trace.get_current_span().get_span_context()]
    if header := trace_context.caller_context(call_id):
        carried = TraceContextTextMapPropagator().extract({"traceparent": header}, Context())
        contexts.append(trace.get_current_span(carried).get_span_context())
    return [Link(context) for context in contexts if context.is_valid]


def from_environment() -> SpanRecorder:
    """Returns a recorder with the exporter of OTEL_TRACES_EXPORTER: ``otlp`` (over HTTP, the default) or ``console``."""
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        return SpanRecorder(ConsoleSpanExporter())
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # optional

    return SpanRecorder(OTLPSpanExporter())
