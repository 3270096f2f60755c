"""A server that sends the bytes that a test names, and counts what it was sent: asyncio sockets, no HTTP library."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, cast

import httpx

from alodial_workers.alovoice.transport import DirectTransport, Hook, Origin, encode_head, encode_post

TAKEN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"answer": {"id": 1}}'
BODY = b"callto=712037006&extid=123123"


def answer(body: bytes, *, status: str = "200 OK", head: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), head, body)


class Peer(asyncio.Protocol):
    """One connection as the server sees it."""

    def __init__(self, server: "RawServer") -> None:
        self._server = server
        self.received = bytearray()
        self.requests = 0
        self.closed = asyncio.Event()
        self._read_to = 0
        self._more = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._server.peers.append(self)
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        await self._server.behave(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._more.set()

    async def request(self) -> bytes:
        """The next whole request: head and as much body as it says; what there is when the client hangs up."""
        while True:
            waiting = bytes(self.received[self._read_to :])
            head, separator, _body = waiting.partition(b"\r\n\r\n")
            if separator:
                lengths = [
                    line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
                ]
                whole = len(head) + 4 + int(lengths[0])
                if len(waiting) >= whole:
                    self._read_to += whole
                    self.requests += 1
                    return waiting[:whole]
            if self.closed.is_set():
                return waiting
            self._more.clear()
            await self._more.wait()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def close(self) -> None:
        """FIN, after what was written."""
        self.transport.close()

    def reset(self) -> None:
        """RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SOL_SOCKET, SO_LINGER: on, no time
        self.transport.abort()


Behave = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Listens on a free loopback port; ``behave`` runs for each connection."""

    def __init__(self, behave: Behave, *, context: ssl.SSLContext | None = None) -> None:
        self.behave = behave
        self.peers: list[Peer] = []
        self._context = context

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Peer(self), "127.0.0.1", 0, ssl=self._context, backlog=1024, ssl_handshake_timeout=None
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for peer in self.peers:
            peer._task.cancel()
            peer.transport.abort()

    @property
    def received(self) -> int:
        """Bytes over all connections; under TLS, of what was decrypted."""
        return sum(len(peer.received) for peer in self.peers)

    @property
    def requests(self) -> int:
        return sum(bytes(peer.received).count(b"POST ") for peer in self.peers)

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}"


async def taking(peer: Peer) -> None:
    """Answers every request with 200 and JSON, on one connection."""
    while not peer.closed.is_set():
        if not (await peer.request()).endswith(BODY):
            return
        peer.send(TAKEN)


async def all_taken(peer: Peer) -> None:
    """Answers as :func:`taking`, whatever is requested."""
    while not peer.closed.is_set():
        await peer.request()
        if not peer.closed.is_set():
            peer.send(TAKEN)


def sending(*pieces: bytes, close: bool = True, pause: float = 0) -> Behave:
    """Reads a request and sends these bytes, with a pause between them."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            peer.send(piece)
            await asyncio.sleep(pause)
        if close:
            peer.close()

    return behave


async def nothing() -> None:
    """A hook that lets the request go at once."""


def origin_of(url: str) -> Origin:
    parsed = httpx.URL(url)
    tls = parsed.scheme == "https"
    return Origin(parsed.host, parsed.port or (443 if tls else 80), tls)


REQUEST = encode_post(
    encode_head(
        b"/requestcall/planted-token-7f3a9c",
        [(b"Host", b"cld.alovoice.uz"), (b"Content-Type", b"application/x-www-form-urlencoded")],
    ),
    BODY,
)


async def exchange(
    transport: DirectTransport, url: str, hook: Hook | None = nothing, *, within: float = 10
) -> tuple[int, bytes]:
    """One POST; its answer's status and body."""
    async with asyncio.timeout(within):
        answer = await transport.post(origin_of(url), REQUEST, before_first_byte=hook)
        return answer.status, answer.body


async def until(condition: Callable[[], Any], *, within: float = 10) -> None:
    """Waits for the condition to come true; TimeoutError when it does not."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.002)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
