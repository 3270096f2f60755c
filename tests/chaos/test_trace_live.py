"""One call through real processes is one trace."""

import json
import signal
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from plant import API_KEY, TOKEN, Plant

from alodial.observability import trace_context
from waiting import wait_until

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = {"alodial.enqueue", "alodial.submit", "alodial.result", "alodial.webhook"}


def _spans(text: str) -> list[dict[str, Any]]:
    """What the console exporter wrote between the log's lines."""
    reader, found, at = json.JSONDecoder(), [], 0
    while (at := text.find('{\n    "name"', at)) >= 0:
        span, at = reader.raw_decode(text, at)
        found.append(span)
    return found


@pytest.mark.slow
def test_a_call_is_one_trace_from_enqueue_to_webhook_and_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    hooks = {
        "webhooks": f"http://127.0.0.1:{receiver.server_port}/hook",
        "webhook_private": "1",
        "webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
    try:
        with Plant(tmp_path, sandbox=("--speed", "200"), fsync="no", **hooks) as plant:
            plant.start_worker("worker-1")
            wait_until(lambda: "worker.started" in plant.log_text(), within=20, what="worker starts")
            with plant.redis.client() as client:
                wait_until(lambda: client.exists("alodial:{dial}:wh"), within=10, what="relay begins")
            request = urllib.request.Request(
                f"{plant.web_url}/v1/calls",
                json.dumps({"callfrom": "712037006", "callto": ["994412861"]}).encode(),
                {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json", "traceparent": CALLER},
            )
            with urllib.request.urlopen(request, timeout=5) as answer:
                id = json.load(answer)["id"]
            trace, root = trace_context.ids(id)

            def written() -> list[dict[str, Any]]:
                found = _spans(plant.log_text())
                return found if {span["name"] for span in found} >= NAMES else []

            ours = wait_until(written, within=30, what="all spans are written")
            plant.kill("worker-1", signal.SIGTERM)
            assert plant.processes["worker-1"].wait(20) == 0
            with urllib.request.urlopen(f"{plant.web_url}/metrics", timeout=5) as answer:
                metrics = answer.read().decode().splitlines()
            for line in (
                'alodial_post_seconds_count{account="default",outcome="taken"} 1.0',
                'alodial_attempts_finished_total{account="default",disposition="answered"} 1.0',
                'alodial_results_total{outcome="completed"} 1.0',
                "alodial_callback_applied_seconds_count 1.0",
                'alodial_calls_ended_total{state="completed"} 1.0',
                "alodial_workers_alive 0.0",
            ):
                assert line in metrics
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert {span["context"]["trace_id"] for span in ours} == {f"0x{trace:032x}"}
    (enqueue,) = [span for span in ours if span["name"] == "alodial.enqueue"]
    assert enqueue["context"]["span_id"] == f"0x{root:016x}"
    assert enqueue["parent_id"] is None
    assert [link["context"]["trace_id"] for link in enqueue["links"]] == [f"0x{CALLER[3:35]}"]
    assert all(span["parent_id"] == f"0x{root:016x}" for span in ours if span is not enqueue)
    (submit,) = [span for span in ours if span["name"] == "alodial.submit"]
    assert submit["attributes"] == {
        "alodial.call_id": id,
        "alodial.account": "default",
        "alodial.attempt": 1,
        "alodial.outcome": "taken",
        "alodial.state": "submitted",
    }
    assert came[0]["traceparent"] == trace_context.traceparent(id)
    text = json.dumps(ours)
    assert not any(secret in text for secret in ("712037006", "994412861", TOKEN, API_KEY, "/hook"))
