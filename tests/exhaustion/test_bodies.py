"""No body that a route takes holds up the event loop or fills memory: every route of the app, found by asking the app."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.web import body_limits, request_bodies
from alodial.web.body_limits import FILE_TYPES, MIB, BodyMemory, BoundedReceive, body_limit
from alodial.web.problems import Refusal
from alodial.web.request_bodies import MalformedBody, strict_json
from web.conftest import API_KEY, Web, shared_web, web

PLAIN = ("application/json", "", "text/plain", "application/x-www-form-urlencoded", "application/xml", "text/json")
FILES = ("multipart/form-data", *FILE_TYPES)
__all__ = ["shared_web", "web"]
NO_BODY = ("/enable", "/disable")
"""Endings of addresses that read no body."""

READERS = {"receive_upload", "received_upload", "_received"}


@pytest.fixture(scope="module")
def app(redis_server: Any) -> FastAPI:
    return create_app(Settings(_env_file=None, redis_url=redis_server.url))


def _routes(routes: Sequence[Any]) -> Iterator[Route]:
    """Routes with those of routers in routers, which newer versions of FastAPI keep apart."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _routes(inner.routes)


def taking_bodies(app: FastAPI) -> Iterator[tuple[str, str, Any]]:
    """Method, address and function of every route that a body may be sent to."""
    for route in _routes(app.routes):
        if route.path:
            path = re.sub(r"{[^}]+}", "019a", route.path)
            for method in (route.methods or {"POST"}) - {"GET", "HEAD"}:
                yield method, path, route.endpoint


@pytest.mark.parametrize("place", ["redial.delays", "metadata", "callfrom", ""])
def test_an_object_of_thousands_of_names_is_not_described_name_by_name(place: str) -> None:
    """300,000 unknown dispositions kept the event loop, and with it every callback, for 12 s."""
    wide: Any = dict.fromkeys(map(str, range(501)), 1)
    for name in filter(None, reversed(place.split("."))):
        wide = {name: wide}
    with pytest.raises(MalformedBody, match="an object has more than 500 names"):
        strict_json(json.dumps([wide]).encode())


def test_no_route_takes_a_body_above_16_mib_that_is_no_file(app: FastAPI) -> None:
    routes = list(taking_bodies(app))
    assert len(routes) > 30
    for method, path, endpoint in routes:
        for kind in PLAIN:
            assert body_limit(path, kind).size <= 16 * MIB, (method, path, kind)
        names = set(getattr(getattr(endpoint, "__code__", None), "co_names", ()))
        for kind in FILES:
            limit = body_limit(path, kind)
            assert limit.on_disk == bool(names & READERS), (method, path, kind)
            assert limit.on_disk or limit.size <= 16 * MIB


def test_a_body_that_says_it_is_too_large_is_refused_at_once_by_every_route(web: Web, app: FastAPI) -> None:
    before = web.memory_kib()
    for method, path, _ in taking_bodies(app):
        size = body_limit(path, "application/json").size + 1
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\nContent-Length: {size}\r\n"
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as line:
            line.sendall(f"{head}Content-Type: application/json\r\n\r\n[".encode())
            status = line.recv(20).split()[1]
        assert status[:1] in (b"3", b"4") or path.endswith(NO_BODY), (method, path, status)
    assert web.memory_kib() - before < 40_000


def test_a_large_body_is_parsed_in_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    strict = request_bodies.strict_json

    def spy(body: bytes) -> Any:
        seen.append(threading.current_thread() is threading.main_thread())
        return strict(body)

    monkeypatch.setattr(request_bodies, "strict_json", spy)
    asyncio.run(request_bodies.parse_body(b"[1]"))
    asyncio.run(request_bodies.parse_body(b"[" + b"1," * 200_000 + b"1]"))
    assert seen == [True, False]


def test_no_route_parses_a_whole_body_by_itself() -> None:
    folder = Path(request_bodies.__file__).parent
    for file in [*folder.rglob("*.py"), *(folder.parent / "monitor").glob("*.py")]:
        if file.name != "request_bodies.py":
            assert not re.search(r"(read_json|strict_json)\((await )?request\.|\.json\(\)", file.read_text()), file


def test_millions_of_values_in_one_body_are_refused_before_they_take_memory() -> None:
    with pytest.raises(Refusal, match="malformed_json"):
        request_bodies.read_json(b"[" + b"[]," * 2_000_000 + b"[]]")


def _receive(memory: BodyMemory, path: str, kind: bytes, size: int) -> BoundedReceive:
    blocks = [{"type": "http.request", "body": b"x" * size, "more_body": True}] * 2

    async def receive() -> Any:
        return blocks.pop()

    return BoundedReceive({"path": path, "headers": [(b"content-type", kind)]}, receive, memory)


def test_large_bodies_together_are_bounded_and_small_ones_always_pass() -> None:
    memory = BodyMemory(300_000)

    async def scenario() -> None:
        first = _receive(memory, "/v1/calls/batch", b"application/json", 200_000)
        await first()
        second = _receive(memory, "/v1/calls/batch", b"application/json", 300_000)
        with pytest.raises(Refusal, match="overloaded"):
            await second()
        await _receive(memory, "/v1/calls", b"application/json", 30_000)()
        await _receive(memory, "/v1/campaigns", b"text/csv", 10**6)()
        first.close()
        second.close()
        await _receive(memory, "/v1/calls/batch", b"application/json", 300_000)()

    asyncio.run(scenario())
    assert body_limits.FREE_BYTES == 64 * 1024
