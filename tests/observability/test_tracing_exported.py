"""Spans on the wire: OTLP over HTTP to a collector that reads them with OpenTelemetry's own types."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from alodial.observability import trace_context
from alodial.observability.otel import from_environment

ID = "0195f1c2-7a10-7c3e-9f42-0123456789ab"


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: Queue[tuple[str, ExportTraceServiceRequest]] = Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.came.put((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    yield collector
    collector.shutdown()
    collector.server_close()


def test_a_collector_gets_a_calls_spans_under_its_own_trace_id(collector: Collector) -> None:
    spans = from_environment()
    spans.record("alodial.enqueue", ID, 0, {"account": "default"})
    spans.record("alodial.submit", ID, 0.25, {"outcome": "taken", "attempt": 1})
    spans.provider.shutdown()
    path, request = collector.came.get(timeout=10)
    assert path == "/v1/traces"
    with pytest.raises(Empty):
        collector.came.get_nowait()
    (resource,) = request.resource_spans
    assert {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.name"] == "alodial"
    enqueue, submit = resource.scope_spans[0].spans
    trace, root = trace_context.ids(ID)
    assert {enqueue.trace_id, submit.trace_id} == {trace.to_bytes(16, "big")}
    assert (enqueue.span_id, enqueue.parent_span_id) == (root.to_bytes(8, "big"), b"")
    assert submit.parent_span_id == enqueue.span_id
    assert round((submit.end_time_unix_nano - submit.start_time_unix_nano) / 1e9, 2) == 0.25
    assert {pair.key for pair in submit.attributes} == {"alodial.call_id", "alodial.outcome", "alodial.attempt"}


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    spans = from_environment()
    recorded = threading.Event()

    def record() -> None:
        for _ in range(10_000):  # more than the exporter's queue holds
            spans.record("alodial.submit", ID, 0, {})
        recorded.set()

    threading.Thread(target=record, daemon=True).start()
    assert recorded.wait(60)
    spans.provider.shutdown()
