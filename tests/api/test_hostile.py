"""Bodies that are meant to do harm: refused with a reason, in flat memory, and the server lives on."""

import contextlib
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from web.conftest import Web

from .conftest import ALL, SHOP

pytestmark = pytest.mark.slow

By = Callable[[str], httpx.Client]

ROUTES = [
    "/v1/calls",
    "/v1/calls/batch",
    "/v1/calls/x/redial",
    "/v1/campaigns/check",
    "/v1/campaigns/x/pause",
    "/v1/dnc",
    "/v1/webhooks/abcdef/resend",
    f"/requestcall/{ALL}",
]

GROWN_KIB = 60_000
"""What a process may have grown by: one body of the largest allowed size, parsed, and the allocator's own ways."""

BODIES: dict[str, bytes] = {
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 5,000 digits": b'{"callto":' + b"9" * 5000 + b"}",
    "an exponent without end": b'{"callto":1e999999999}',
    "no number": b'{"callto":NaN}',
    "half of a surrogate pair": b'{"callto":["\\ud800"],"callfrom":"712037006","reference":"\\udfff"}',
    "the same name twice": b'{"callto":"1","callto":"2"}',
    "what is no UTF-8": b'{"reference":"\xff\xfe"}',
    "UTF-16": '{"callto":"994412860"}'.encode("utf-16"),
    "zeros": b"\0" * 60_000,
    "20,000 names": json.dumps({f"k{n}": n for n in range(4000)}).encode(),
    "a text of 60 kB": json.dumps({"reference": "x" * 60_000}).encode(),
    "gzip that its header does not name": gzip.compress(b"x" * 10_000_000),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused_with_a_reason_everywhere(by: By, web: Web, body: bytes) -> None:
    before = web.memory_kib()
    for route in ROUTES:
        for kind in ("application/json", "text/plain", "application/x-ndjson", "multipart/form-data; boundary=x", ""):
            headers = {"Content-Type": kind} if kind else {}
            answer = by(ALL).post(route, content=body, headers=headers)
            assert 400 <= answer.status_code < 500 or (answer.status_code == 202 and route.endswith("batch")), (
                answer.text
            )
            if answer.status_code != 202:
                problem = answer.json()
                assert problem.get("errors") or problem.get("detail") or problem.get("error"), route
    assert web.memory_kib() - before < GROWN_KIB


def test_a_million_names_take_no_more_than_the_largest_body(by: By, web: Web) -> None:
    body = json.dumps({f"k{n}": n for n in range(1_000_000)}).encode()
    before = web.memory_kib()
    for route in ROUTES:
        answer = by(ALL).post(route, content=body)
        assert 400 <= answer.status_code < 500, (route, answer.text[:200])
    assert web.memory_kib() - before < 4 * GROWN_KIB  # the batch route may hold 16 MiB, parsed


def _raw(web: Web) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", web.port), timeout=20)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _head(route: str, *headers: str) -> bytes:
    lines = [f"POST {route} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {SHOP}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _answered(line: socket.socket) -> bytes:
    """The answer's head, or nothing when the server cut the line."""
    with contextlib.suppress(OSError):
        return line.recv(4096)
    return b""


@pytest.mark.parametrize("route", ["/v1/calls", "/v1/calls/batch", "/v1/dnc", f"/requestcall/{SHOP}"])
def test_a_body_of_a_gigabyte_is_refused_before_it_has_come(web: Web, route: str) -> None:
    before = web.memory_kib()
    with _raw(web) as line:
        line.sendall(_head(route, "Content-Type: application/json", f"Content-Length: {2**30}"))
        assert _answered(line).startswith(b"HTTP/1.1 413 ")
    assert web.memory_kib() - before < GROWN_KIB


def _chunks() -> Iterator[bytes]:
    block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    for _ in range(2000):  # 131 MB
        yield block


@pytest.mark.parametrize(
    ("route", "kind"), [("/v1/calls", "application/json"), ("/v1/calls/batch", "application/x-ndjson")]
)
def test_chunks_without_end_are_cut_off_in_flat_memory(web: Web, route: str, kind: str) -> None:
    before = web.memory_kib()
    sent = 0
    with _raw(web) as line:
        line.sendall(_head(route, f"Content-Type: {kind}", "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            for block in _chunks():
                line.sendall(block)
                sent += len(block)
    assert sent < 60_000_000
    assert web.memory_kib() - before < GROWN_KIB
    assert httpx.get(web.url + "/healthz").status_code == 200


def test_a_hundred_slow_senders_keep_nobody_else_from_an_answer(web: Web, by: By) -> None:
    lines = [_raw(web) for _ in range(100)]
    try:
        for line in lines:
            line.sendall(_head("/v1/calls", "Content-Type: application/json", "Content-Length: 100") + b"{")
        alone: Any = by(ALL).post("/v1/calls", json={"callfrom": "712037006", "callto": ["994412860"]})
        assert alone.status_code == 202
    finally:
        for line in lines:
            line.close()


def test_a_head_of_a_megabyte_is_refused(web: Web) -> None:
    with _raw(web) as line:
        with contextlib.suppress(OSError):
            line.sendall(_head("/v1/calls", "X-Long: " + "x" * 2**20))
        assert _answered(line)[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"")
    assert httpx.get(web.url + "/healthz").status_code == 200
