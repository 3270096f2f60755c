"""A sandbox, a place for its results, and the ways of asking it for a call."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from alodial_workers.sandbox.config import SandboxConfig
from alodial_workers.sandbox.run import running_sandbox
from waiting import wait_until


class Receiver:
    """Takes results over HTTP. `refuse` answers 503 to that many of them first; `when` is noted before the answer."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.refuse = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                taken = receiver.refuse <= 0
                receiver.refuse -= 1
                if taken:
                    receiver.bodies.append((self.headers["content-type"], body))
                self.send_response(200 if taken else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/callbacks/s3cret"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def results(self, count: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.bodies) >= count)
        return [json.loads(body) for _, body in self.bodies]


class Sandbox:
    """What a test does with a sandbox."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=5)

    def post(self, body: dict[str, Any], token: str = "token") -> httpx.Response:
        return self.http.post(f"/requestcall/{token}", json=body)

    def two_way(self, *callto: str, extid: str, callfrom: str = "712037006") -> httpx.Response:
        numbers = [{"phone": number, "lang": "uz"} for number in callto]
        return self.post({"callfrom": {"phone": callfrom, "lang": "ru"}, "callto": numbers, "extid": extid})

    def ledger(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get("/sandbox/ledger").json()
        return answer

    def timeline(self, extid: str) -> list[dict[str, Any]]:
        """The whole timeline, once the call is over."""

        def over() -> list[dict[str, Any]] | None:
            answer = self.http.get(f"/sandbox/calls/{extid}")
            entries: list[dict[str, Any]] = answer.json().get("timeline", [])
            return entries if entries and entries[-1]["event"] == "ended" else None

        entries: list[dict[str, Any]] = wait_until(over)
        return entries

    def story(self, extid: str) -> list[str]:
        """The timeline as short texts: `party number event [file]`."""
        return [
            " ".join(text for text in (entry["party"], entry["number"], entry["event"], entry["file"]) if text)
            for entry in self.timeline(extid)
        ]


@contextmanager
def sandbox_with(**settings: Any) -> Generator[Sandbox, None, None]:
    """A sandbox whose calls take a few milliseconds, unless told otherwise."""
    with running_sandbox(SandboxConfig(**({"speed": 5000} | settings))) as url:
        sandbox = Sandbox(url)
        with sandbox.http:
            yield sandbox


@pytest.fixture
def receiver() -> Generator[Receiver, None, None]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def silent() -> Generator[Sandbox, None, None]:
    """A sandbox without announcement files and without a callback URL."""
    with sandbox_with() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def announcing() -> Generator[Sandbox, None, None]:
    """A sandbox with all four announcement files."""
    files = {"initiator": "1.wav", "recipient": "2.wav", "next": "3.wav", "failed": "4.wav"}
    with sandbox_with(announcements=files) as sandbox:
        yield sandbox
