"""A call's trace: ids that everybody can work out, spans that say what happened, nothing where nobody asked."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from alodial import CallQueue, TwoWayCall
from alodial.observability import trace_context, tracing
from alodial.observability.otel import SpanRecorder
from alodial.settings import Settings

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
ID = "0195f1c2-7a10-7c3e-9f42-0123456789ab"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    spans = SpanRecorder(InMemorySpanExporter())
    spans.provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "spans", lambda: spans)
    yield exporter
    spans.provider.shutdown()


def test_a_trace_is_named_by_its_call() -> None:
    assert (
        trace_context.traceparent(ID) == "00-0195f1c27a107c3e9f420123456789ab-" + f"{trace_context.ids(ID)[1]:016x}-01"
    )
    assert trace_context.ids(ID)[0] == uuid.UUID(ID).int


def test_a_new_call_begins_its_trace_and_the_same_call_again_does_not(
    kept: InMemorySpanExporter, settings: Settings
) -> None:
    with CallQueue(settings=settings) as queue:
        call = queue.enqueue(CALL, extid="17")
        queue.enqueue(CALL, extid="17")
        many = queue.enqueue_many([CALL, CALL])
    spans = kept.get_finished_spans()
    assert [span.attributes["alodial.call_id"] for span in spans if span.attributes] == [
        call.id,
        *(one.id for one in many),
    ]
    for span in spans:
        assert span.parent is None
        assert span.attributes is not None
        assert (span.context.trace_id, span.context.span_id) == trace_context.ids(
            str(span.attributes["alodial.call_id"])
        )


def test_the_callers_own_span_is_linked(kept: InMemorySpanExporter, settings: Settings) -> None:
    tracer = TracerProvider().get_tracer("shop")
    with CallQueue(settings=settings) as queue, tracer.start_as_current_span("order") as order:
        queue.enqueue(CALL)
    (span,) = kept.get_finished_spans()
    assert [link.context.span_id for link in span.links] == [order.get_span_context().span_id]


def test_threads_do_not_take_each_others_ids(kept: InMemorySpanExporter) -> None:
    calls = [str(uuid.uuid4()) for _ in range(200)]

    def work(mine: list[str]) -> None:
        for call in mine:
            tracing.spans().record("alodial.enqueue", call, 0, {})  # type: ignore[union-attr]  # the fixture's
            tracing.record("alodial.submit", call, 0.5)

    threads = [threading.Thread(target=work, args=(calls[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = kept.get_finished_spans()
    assert len(spans) == 400
    for span in spans:
        assert span.attributes is not None
        trace, root = trace_context.ids(str(span.attributes["alodial.call_id"]))
        assert span.context.trace_id == trace
        assert (span.context.span_id == root) == (span.name == "alodial.enqueue")
    assert len({span.context.span_id for span in spans}) == 400


def test_all_spans_of_a_call_are_sampled_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    exporter = InMemorySpanExporter()
    spans = SpanRecorder(InMemorySpanExporter())
    spans.provider.add_span_processor(SimpleSpanProcessor(exporter))
    calls = [str(uuid.uuid4()) for _ in range(100)]
    for call in calls:
        spans.record("alodial.enqueue", call, 0, {})
        spans.record("alodial.result", call, 0, {})
    names: dict[int, list[str]] = {}
    for span in exporter.get_finished_spans():
        names.setdefault(span.context.trace_id, []).append(span.name)
    assert 20 < len(names) < 80
    assert all(found == ["alodial.enqueue", "alodial.result"] for found in names.values())
    spans.provider.shutdown()


def test_a_strange_id_is_left_out(kept: InMemorySpanExporter) -> None:
    tracing.record("alodial.result", "", 0.1)
    assert kept.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
    ],
)
def test_the_environment_asks_for_traces(given: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert tracing.is_configured() is wanted


def test_nothing_of_opentelemetry_is_imported_unasked() -> None:
    # redis-py itself looks whether OpenTelemetry is there, and loads the names of its metrics; spans nobody loads.
    heavy = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "alodial.observability.otel", "sentry_sdk")
    program = (
        "import sys, alodial.calls.queue, alodial.server.app, alodial_workers.submit; from alodial.observability import tracing; "
        f"assert tracing.spans() is None; assert not [name for name in sys.modules if name.startswith({heavy!r})]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PATH": "/usr/bin:/bin"}, timeout=60)
