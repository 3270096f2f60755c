"""The transport against servers that misbehave byte by byte: what decides whether a phone rings twice."""

import asyncio
import contextlib
import itertools
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from alodial.settings import Settings
from alodial_workers.alovoice import transport as wire
from alodial_workers.alovoice.client import AloVoiceClient
from alodial_workers.alovoice.transport import MAX_ANSWER, Connection, DirectTransport, StaleConnection

from .raw import BODY, TAKEN, Behave, Peer, RawServer, answer, exchange, nothing, open_files, sending, taking, until

linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")


class Refused(Exception):
    """What a hook raises."""


async def refuse() -> None:
    raise Refused


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


# --- the last instant -------------------------------------------------------------------------------------------------


def test_a_hook_that_raises_sends_not_one_byte_on_a_new_connection() -> None:
    async def work() -> None:
        async with RawServer(taking) as server:
            transport = DirectTransport()
            with pytest.raises(Refused):
                await exchange(transport, server.url(), refuse)
            await until(lambda: server.peers and server.peers[0].closed.is_set())
            assert server.received == 0

    run(work())


def test_a_hook_that_raises_sends_not_one_byte_on_a_reused_connection() -> None:
    async def work() -> None:
        async with RawServer(taking) as server:
            transport = DirectTransport()
            await exchange(transport, server.url())
            sent = server.received
            with pytest.raises(Refused):
                await exchange(transport, server.url(), refuse)
            await until(server.peers[0].closed.is_set)
            assert server.received == sent
            assert len(server.peers) == 1

    run(work())


def test_nothing_leaves_while_the_hook_waits() -> None:
    async def work() -> None:
        async with RawServer(taking) as server:
            seen: list[int] = []

            async def hook() -> None:
                await until(lambda: server.peers)
                for _ in range(50):
                    await asyncio.sleep(0)
                seen.append(server.received)

            assert (await exchange(DirectTransport(), server.url(), hook))[0] == 200
            assert seen == [0]

    run(work())


def test_head_and_body_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    made = Connection.connection_made

    class Recorder:
        def __init__(self, inner: asyncio.Transport) -> None:
            self._inner = inner

        def write(self, data: bytes) -> None:
            writes.append(bytes(data))
            self._inner.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setattr(Connection, "connection_made", lambda self, inner: made(self, Recorder(inner)))  # type: ignore[arg-type]  # all that is used of it

    async def work() -> None:
        async with RawServer(taking) as server:
            transport = DirectTransport()
            for _ in range(3):
                await exchange(transport, server.url())

    run(work())
    assert len(writes) == 3
    assert all(write.startswith(b"POST /requestcall/") and write.endswith(BODY) for write in writes)


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_a_connection_that_ends_while_the_hook_waits_was_never_written_to(end: Callable[[Peer], None]) -> None:
    async def work() -> None:
        async def hang_up(peer: Peer) -> None:
            end(peer)

        async with RawServer(hang_up) as server:

            async def hook() -> None:
                await until(lambda: server.peers and server.peers[0].closed.is_set())
                await asyncio.sleep(0.02)

            with pytest.raises(httpx.ConnectError):
                await exchange(DirectTransport(), server.url(), hook)
            assert server.received == 0

    run(work())


def test_bytes_that_nobody_asked_for_are_never_the_answer() -> None:
    async def work() -> None:
        async def eager(peer: Peer) -> None:
            peer.send(TAKEN)
            await peer.request()

        async with RawServer(eager) as server:

            async def hook() -> None:
                await until(lambda: server.peers)
                await asyncio.sleep(0.05)

            with pytest.raises(httpx.ConnectError):
                await exchange(DirectTransport(), server.url(), hook)
            assert server.received == 0

    run(work())


# --- one request is sent once -----------------------------------------------------------------------------------------


def test_a_post_on_a_reused_connection_that_breaks_is_never_sent_again() -> None:
    async def work() -> None:
        async def second_time_unlucky(peer: Peer) -> None:
            await peer.request()
            peer.send(TAKEN)
            await peer.request()
            peer.close()

        async with RawServer(second_time_unlucky) as server:
            transport = DirectTransport()
            await exchange(transport, server.url())
            with pytest.raises(httpx.ReadError):
                await exchange(transport, server.url())
            await asyncio.sleep(0.05)
            assert server.requests == 2
            assert len(server.peers) == 1

    run(work())


def test_a_connection_is_used_again() -> None:
    async def work() -> None:
        async with RawServer(taking) as server:
            transport = DirectTransport()
            for _ in range(20):
                assert (await exchange(transport, server.url()))[0] == 200
            assert (len(server.peers), server.requests) == (1, 20)

    run(work())


@pytest.mark.parametrize("words", [b"Connection: close\r\n", b"HTTP/1.0"], ids=["connection-close", "http-1.0"])
def test_a_connection_that_the_server_will_close_is_not_used_again(words: bytes) -> None:
    text = TAKEN.replace(b"HTTP/1.1", words) if words.startswith(b"HTTP") else answer(b"{}", head=words)

    async def work() -> None:
        async with RawServer(sending(text, close=False)) as server:
            transport = DirectTransport()
            await exchange(transport, server.url())
            await exchange(transport, server.url())
            assert len(server.peers) == 2

    run(work())


def test_an_idle_connection_that_the_server_closed_is_not_used_again() -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN)) as server:
            transport = DirectTransport()
            await exchange(transport, server.url())
            await until(server.peers[0].closed.is_set)
            await asyncio.sleep(0.02)
            assert (await exchange(transport, server.url()))[0] == 200
            assert server.requests == 2

    run(work())


def test_an_old_idle_connection_is_closed_and_not_used_again() -> None:
    async def work() -> None:
        async with RawServer(taking) as server:
            transport = DirectTransport(keep_alive=0.01)
            await exchange(transport, server.url())
            await asyncio.sleep(0.03)
            await exchange(transport, server.url())
            assert len(server.peers) == 2
            await until(server.peers[0].closed.is_set)

    run(work())


def test_unsolicited_bytes_close_an_idle_connection() -> None:
    async def work() -> None:
        async def late(peer: Peer) -> None:
            await peer.request()
            peer.send(TAKEN)
            await asyncio.sleep(0.02)
            peer.send(answer(b"{}", status="408 Request Timeout"))
            await peer.request()

        async with RawServer(late) as server:
            transport = DirectTransport()
            await exchange(transport, server.url())
            await until(server.peers[0].closed.is_set)
            sent = server.received
            assert (await exchange(transport, server.url()))[0] == 200
            assert len(server.peers) == 2
            assert server.peers[0].received
            assert server.received == 2 * sent

    run(work())


@pytest.mark.parametrize("behind", [answer(b"evil", status="503 No"), b"garbage\r\n\r\n", b"\x00" * 10])
def test_what_stands_behind_an_answer_neither_replaces_it_nor_is_left_for_the_next(behind: bytes) -> None:
    async def work() -> None:
        async with RawServer(sending(TAKEN + behind, close=False)) as server:
            transport = DirectTransport()
            assert await exchange(transport, server.url()) == (200, b'{"answer": {"id": 1}}')
            assert (await exchange(transport, server.url()))[0] == 200
            assert len(server.peers) == 2

    run(work())


def test_a_kept_connection_that_closes_without_a_byte_is_stale_and_one_that_said_something_is_not() -> None:
    async def work() -> None:
        for words in (b"", b"HTTP/1.1 2"):

            async def second_time_unlucky(peer: Peer, words: bytes = words) -> None:
                await peer.request()
                peer.send(TAKEN)
                await peer.request()
                peer.send(words)
                peer.close()

            async with RawServer(second_time_unlucky) as server:
                transport = DirectTransport()
                await exchange(transport, server.url())
                with pytest.raises(httpx.ReadError) as caught:
                    await exchange(transport, server.url())
                assert isinstance(caught.value, StaleConnection) == (words == b"")

    run(work())


def test_a_new_connection_that_closes_without_a_byte_is_not_stale() -> None:
    async def work() -> None:
        async with RawServer(sending()) as server:
            with pytest.raises(httpx.ReadError) as caught:
                await exchange(DirectTransport(), server.url())
            assert not isinstance(caught.value, StaleConnection)

    run(work())


def test_a_post_gets_through_on_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def work() -> None:
        async with RawServer(taking) as server:
            assert (await exchange(DirectTransport(), server.url()))[0] == 200

    uvloop.run(work())


def test_the_client_keeps_as_many_connections_as_it_may_have_posts_in_flight(settings: Settings) -> None:
    client = AloVoiceClient(settings.model_copy(update={"max_in_flight": 2048}))
    assert client._transport._max_idle == 2048


def test_more_idle_connections_than_the_limit_are_closed() -> None:
    async def work() -> None:
        released = asyncio.Event()

        async def gathering(peer: Peer) -> None:
            await peer.request()
            await released.wait()
            peer.send(TAKEN)

        async with RawServer(gathering) as server:
            transport = DirectTransport(max_idle=4)
            tasks = [asyncio.create_task(exchange(transport, server.url())) for _ in range(9)]
            await until(lambda: server.requests == 9)
            released.set()
            await asyncio.gather(*tasks)
            await until(lambda: sum(peer.closed.is_set() for peer in server.peers) == 5)

    run(work())


@pytest.mark.parametrize(
    ("text", "body", "kept"),
    [
        (answer(b"x" * 10), b"x" * 10, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b"", True),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b"", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"", False),
    ],
    ids=["short", "204", "304", "too-long", "chunked", "until-eof"],
)
def test_without_waiting_for_bodies_an_answer_ends_with_its_head_or_a_short_body(
    text: bytes, body: bytes, kept: bool
) -> None:
    async def work() -> None:
        async with RawServer(sending(text, close=False)) as server:
            transport = DirectTransport(max_body=10, wait_for_body=False)
            status, read = await exchange(transport, server.url(), within=2)
            assert (status in (200, 204, 304), read) == (True, body)
            assert any(transport._idle.values()) == kept

    run(work())


# --- what answers look like -------------------------------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"HTTP/1.1 100 Continue\r\n\r\n", TAKEN], (200, b'{"answer": {"id": 1}}')),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + TAKEN], (200, b'{"answer": {"id": 1}}')),
        ([CHUNKED + b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"], (200, b"{}")),
        ([CHUNKED + b"2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"], (200, b"{}")),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b'{"a":', b"1}"], (200, b'{"a":1}')),
        ([b"HTTP/1.0 200 OK\r\n\r\n{}"], (200, b"{}")),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], (204, b"")),
        ([answer(b"")], (200, b"")),
        ([bytes([byte]) for byte in TAKEN], (200, b'{"answer": {"id": 1}}')),
        ([answer(b'{"ok":true}').replace(b"Content-Length: 11", b"Content-Length: 4")], (200, b'{"ok')),
    ],
    ids=[
        "100-continue",
        "103-early-hints",
        "chunked",
        "trailer",
        "until-eof",
        "http-1.0",
        "204",
        "empty",
        "byte-by-byte",
        "length-too-short",
    ],
)
def test_an_answer_is_read_in_every_form_that_http_allows(pieces: list[bytes], expected: tuple[int, bytes]) -> None:
    async def work() -> None:
        async with RawServer(sending(*pieces)) as server:
            assert await exchange(DirectTransport(), server.url()) == expected

    run(work())


BAD: dict[str, tuple[type[Exception], bytes]] = {
    "closed-without-a-word": (httpx.ReadError, b""),
    "half-a-status-line": (httpx.ReadError, b"HTTP/1.1 20"),
    "half-a-head": (httpx.ReadError, b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half-a-body": (httpx.ReadError, b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok":'),
    "chunks-cut-off": (httpx.ReadError, CHUNKED + b"5\r\n{}"),
    "chunks-without-an-end": (httpx.ReadError, CHUNKED + b"2\r\n{}\r\n"),
    "chunk-garbage": (httpx.RemoteProtocolError, CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk-longer-than-said": (httpx.RemoteProtocolError, CHUNKED + b"1\r\n{}\r\n0\r\n\r\n"),
    "negative-length": (httpx.RemoteProtocolError, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "two-lengths": (httpx.RemoteProtocolError, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "huge-length": (httpx.RemoteProtocolError, b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n{}"),
    "http-0.9": (httpx.RemoteProtocolError, b"<html>hello</html>"),
    "http-2-only": (httpx.RemoteProtocolError, b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"),
    "not-http": (httpx.RemoteProtocolError, b"220 smtp.example ESMTP\r\n"),
    "tls-on-a-plain-port": (httpx.RemoteProtocolError, b"\x15\x03\x01\x00\x02\x02\x46"),
    "switching-protocols": (
        httpx.RemoteProtocolError,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ),
    "head-with-nul": (httpx.RemoteProtocolError, b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n"),
    "only-informational": (httpx.ReadError, b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_answer_is_an_error_and_closes_its_connection(name: str) -> None:
    error, text = BAD[name]

    async def work() -> None:
        async with RawServer(sending(text, pause=0.01)) as server:
            transport = DirectTransport()
            with pytest.raises(error):
                await exchange(transport, server.url())
            await until(server.peers[0].closed.is_set)
            assert server.requests == 1

    run(work())


def _endless(first: bytes, again: bytes) -> Behave:
    async def behave(peer: Peer) -> None:
        await peer.request()
        peer.send(first)
        while not peer.closed.is_set():
            peer.send(again)
            await asyncio.sleep(0)

    return behave


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Bomb: " + b"x" * 8000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Bomb: ", b"x" * 8000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nX: " + b"y" * 900 + b"\r\n\r\n"),
        (CHUNKED + b"0\r\n", b"X-Trailer: " + b"x" * 8000 + b"\r\n"),
        (CHUNKED + b"1;", b"x" * 8000),
    ],
    ids=["many-headers", "one-endless-header", "endless-hints", "endless-trailers", "endless-chunk-extension"],
)
def test_a_head_without_an_end_is_cut_off(first: bytes, again: bytes) -> None:
    async def work() -> None:
        async with RawServer(_endless(first, again)) as server:
            with pytest.raises(httpx.RemoteProtocolError):
                await exchange(DirectTransport(), server.url())
            await until(server.peers[0].closed.is_set)

    run(work())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_hundred_megabytes_are_cut_at_64_kib_in_flat_memory(chunked: bool) -> None:
    sent = 0
    block = b"A" * 65536

    async def huge(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(CHUNKED if chunked else b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        while sent < 104857600 and not peer.closed.is_set():
            peer.send(b"10000\r\n%s\r\n" % block if chunked else block)
            sent += len(block)
            await asyncio.sleep(0)

    async def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with RawServer(huge) as server:
            status, body = await exchange(DirectTransport(), server.url())
            assert (status, len(body)) == (200, MAX_ANSWER)
            await until(server.peers[0].closed.is_set)
        # KiB; the server's own socket buffers are in it, 100 MB would be 102,400.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000

    run(work())
    assert sent < 104857600


# --- time and cancellation --------------------------------------------------------------------------------------------


DRIP = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 5000]


@pytest.mark.parametrize(
    "behave",
    [sending(close=False), sending(b"HTTP/1.1 200 OK\r\n", close=False), sending(*DRIP, pause=0.005)],
    ids=["says-nothing", "stops-in-the-head", "drips"],
)
def test_the_deadline_holds_and_closes_the_connection(behave: Behave) -> None:
    async def work() -> None:
        async with RawServer(behave) as server:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(TimeoutError):
                await exchange(DirectTransport(), server.url(), within=0.3)
            assert loop.time() - began < 1.3
            await until(server.peers[0].closed.is_set)

    run(work())


@pytest.mark.parametrize("moment", ["connected", "sent"])
def test_cancellation_closes_the_connection(moment: str) -> None:
    async def work() -> None:
        async with RawServer(sending(close=False)) as server:
            transport = DirectTransport()

            connected = asyncio.Event()

            async def wait() -> None:
                connected.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(exchange(transport, server.url(), wait if moment == "connected" else nothing))
            # The server may know of the connection before the client does.
            await until(lambda: server.peers and (connected.is_set() if moment == "connected" else server.requests))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(server.peers[0].closed.is_set)
            assert (server.received == 0) == (moment == "connected")
            assert not any(transport._idle.values())

    run(work())


# --- before the connection --------------------------------------------------------------------------------------------


def test_a_refused_connection_and_an_unknown_name_are_connect_errors() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def work() -> None:
        for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid", f"http://{'a' * 70}.invalid"):
            with pytest.raises(httpx.ConnectError) as caught:
                await exchange(DirectTransport(), url)
            assert "requestcall" not in str(caught.value)

    run(work())


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_context(certificate: trustme.LeafCert, alpn: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def _client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _dated(first: int, last: int) -> "Certificate":
    since, until_then = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 2, 1, tzinfo=UTC)
    return lambda ca: ca.issue_cert("127.0.0.1", not_before=since, not_after=until_then)


Certificate = Callable[[trustme.CA], trustme.LeafCert]
UNTRUSTED: dict[str, Certificate] = {
    "expired": _dated(2020, 2020),
    "not-valid-yet": _dated(2200, 2201),
    "wrong-host": lambda ca: ca.issue_cert("cld.alovoice.uz"),
    "another-authority": lambda _: trustme.CA().issue_cert("127.0.0.1"),
}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_a_server_that_is_not_who_it_says_gets_not_one_byte(name: str, authority: trustme.CA) -> None:
    async def work() -> None:
        hooked = []

        async def hook() -> None:
            hooked.append(1)

        async with RawServer(taking, context=_server_context(UNTRUSTED[name](authority))) as server:
            with pytest.raises(httpx.ConnectError, match=r"^tls_untrusted$"):
                await exchange(DirectTransport(context=_client_context(authority)), server.url("https"), hook)
            assert server.received == 0
            assert not hooked

    run(work())


def test_a_trusted_server_is_posted_to_and_its_connection_used_again(authority: trustme.CA) -> None:
    async def work() -> None:
        async with RawServer(taking, context=_server_context(authority.issue_cert("127.0.0.1"))) as server:
            transport = DirectTransport(context=_client_context(authority))
            for _ in range(3):
                assert await exchange(transport, server.url("https")) == (200, b'{"answer": {"id": 1}}')
            assert (len(server.peers), server.requests) == (1, 3)
            transport.close()

    run(work())


def test_under_tls_a_hook_that_raises_sends_nothing_and_a_closed_connection_is_noticed(authority: trustme.CA) -> None:
    async def work() -> None:
        async with RawServer(taking, context=_server_context(authority.issue_cert("127.0.0.1"))) as server:
            transport = DirectTransport(context=_client_context(authority))
            with pytest.raises(Refused):
                await exchange(transport, server.url("https"), refuse)

            async def hook() -> None:
                await until(lambda: len(server.peers) == 2)
                server.peers[1].close()
                await until(server.peers[1].closed.is_set)
                await asyncio.sleep(0.05)

            with pytest.raises(httpx.ConnectError):
                await exchange(transport, server.url("https"), hook)
            assert server.received == 0

    run(work())


def test_without_a_context_only_public_authorities_are_trusted_whatever_the_environment_says(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    async def work() -> None:
        async with RawServer(taking, context=_server_context(authority.issue_cert("127.0.0.1"))) as server:
            with pytest.raises(httpx.ConnectError, match="tls_untrusted"):
                await exchange(DirectTransport(), server.url("https"))
            assert server.received == 0

    run(work())


def test_a_plain_server_behind_https_and_a_stalled_handshake_are_connect_errors(authority: trustme.CA) -> None:
    async def work() -> None:
        async def plain(peer: Peer) -> None:
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async def stalled(peer: Peer) -> None:
            await peer.closed.wait()

        context = _client_context(authority)
        async with RawServer(plain) as server:
            with pytest.raises(httpx.ConnectError):
                await exchange(DirectTransport(context=context), server.url("https"))
        async with RawServer(stalled) as server:
            with pytest.raises(TimeoutError):
                await exchange(DirectTransport(context=context), server.url("https"), within=0.2)
            await until(server.peers[0].closed.is_set)
            assert b"POST" not in server.peers[0].received

    run(work())


def test_http2_is_never_agreed_to(authority: trustme.CA) -> None:
    async def work() -> None:
        context = _server_context(authority.issue_cert("127.0.0.1"), ["h2"])
        trusted = wire.trusted_context()
        authority.configure_trust(trusted)
        async with RawServer(taking, context=context) as server:
            # OpenSSL goes on without a protocol when there is none in common: then it is HTTP/1.1, which this server speaks.
            assert (await exchange(DirectTransport(context=trusted), server.url("https")))[0] == 200

    run(work())


def test_the_default_context_checks_names_and_wants_tls_1_2() -> None:
    context = wire.trusted_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


# --- many at once, and nothing left behind ----------------------------------------------------------------------------


def test_three_hundred_posts_are_in_flight_at_once() -> None:
    async def work() -> None:
        released = asyncio.Event()

        async def gathering(peer: Peer) -> None:
            await peer.request()
            await released.wait()
            peer.send(TAKEN)

        async with RawServer(gathering) as server:
            transport = DirectTransport()
            tasks = [asyncio.create_task(exchange(transport, server.url(), within=30)) for _ in range(300)]
            await until(lambda: server.requests == 300, within=30)
            released.set()
            assert {(await task)[0] for task in tasks} == {200}
            assert len(server.peers) == 300
            transport.close()
            await until(lambda: all(peer.closed.is_set() for peer in server.peers))

    run(work())


@linux
def test_no_file_stays_open_after_trouble_of_every_kind(authority: trustme.CA) -> None:
    async def work() -> None:
        good = _client_context(authority)
        bad = _server_context(trustme.CA().issue_cert("127.0.0.1"))
        async with (
            RawServer(sending(b"garbage")) as garbage,
            RawServer(sending(b"", close=False)) as silent,
            RawServer(taking) as kind,
            RawServer(taking, context=bad) as untrusted,
        ):
            transport = DirectTransport(context=good)
            await exchange(transport, kind.url())
            transport.close()
            before = open_files()
            for _ in range(30):
                for url, hook in (
                    (garbage.url(), nothing),
                    (silent.url(), nothing),
                    (kind.url(), refuse),
                    (kind.url(), nothing),
                    (untrusted.url("https"), nothing),
                    ("http://127.0.0.1:1", nothing),
                ):
                    with contextlib.suppress(httpx.TransportError, TimeoutError, Refused):
                        await exchange(transport, url, hook, within=0.02 if url == silent.url() else 10)
            transport.close()
            await until(
                lambda: all(
                    peer.closed.is_set() for server in (garbage, silent, kind, untrusted) for peer in server.peers
                )
            )
            await until(lambda: open_files() <= before + 2)

    run(work())


@linux
def test_with_no_file_left_a_call_is_not_sent_and_the_next_one_is() -> None:
    program = """
import asyncio, resource, os
import httpx
from alodial_workers.alovoice.transport import DirectTransport, Origin, encode_head, encode_post

async def main():
    async def serve(reader, writer):
        await reader.readuntil(b"BODY")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        await writer.drain()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], False)
    request = encode_post(encode_head(b"/x", []), b"BODY")
    transport = DirectTransport()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    try:
        await transport.post(origin, request, before_first_byte=None)
    except httpx.ConnectError:
        print("not sent")
    for fd in held:
        os.close(fd)
    print((await transport.post(origin, request, before_first_byte=None)).status)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["not sent", "200"]


# --- any bytes in any pieces ------------------------------------------------------------------------------------------


class Deaf(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


def parsed(pieces: list[bytes]) -> tuple[str, int, bytes, bool]:
    """What a connection makes of these pieces and then the end of the stream: outcome, status, body, still reusable."""

    async def work() -> tuple[str, int, bytes, bool]:
        connection = Connection()
        connection.connection_made(Deaf())
        done = connection.start(b"POST")
        for piece in pieces:
            if not connection.open:
                break
            connection.data_received(piece)
        reusable = connection.open
        connection.connection_lost(None)
        try:
            await done
        except httpx.TransportError as exc:
            return type(exc).__name__, 0, b"", False
        return "whole", connection.status, bytes(connection.body), reusable

    return asyncio.run(work())


lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 429 Slow\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 103 Hints\r\n",
        b"HTTP/1.1 204 No\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: 70000\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"{}",
        b"2\r\n{}\r\n",
        b"0\r\n\r\n",
        b"x" * 70000,
    ]
)
streams = st.lists(lines | st.binary(max_size=8), max_size=9).map(b"".join)


@example(TAKEN + TAKEN, [3])
@example(CHUNKED + b"2\r\n{}\r\n0\r\nA: b\r\n\r\nHTTP/1.1 500 No\r\n\r\n", [70])
@examples(max_examples=400, deadline=None)
@given(streams, st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_give_an_answer_or_a_transport_error_and_the_same_in_whatever_pieces(
    stream: bytes, cuts: list[int]
) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(bounds) if a < b]
    whole, cut = parsed([stream] if stream else []), parsed(pieces)
    # Whether bytes behind a whole answer came in time to close the connection is the one thing that pieces may change.
    assert whole[:3] == cut[:3]
    assert whole[0] != "whole" or 200 <= whole[1] <= 999
    assert len(whole[2]) <= MAX_ANSWER
