"""An httpx transport for hundreds of POSTs in flight: one asyncio connection each, kept alive, parsed by httptools.

httpx's own pool costs more with every request in flight (2 ms of CPU at 8, 7 ms at 64) and its aiohttp counterpart
stops at 100 connections. What decides whether a phone rings twice is the moment of the first byte, so this transport
makes it plain: headers and body leave in one write, and right before it, with the connection open, the request's
``trace`` extension hears ``http11.send_request_headers.started``. What raises there sends nothing. A failure before
the write is always an httpx.ConnectError or ConnectTimeout; any other error may have reached AloVoice.
"""

import asyncio
import ssl
import time
from collections import deque
from typing import cast

import certifi
import httptools
import httpx

MAX_ANSWER = 64 * 1024
"""Bytes of an answer's body that are read; what is longer is cut and its connection closed."""

MAX_HEAD = 64 * 1024

MAX_RECEIVED = 1024 * 1024
"""Bytes of an answer on the wire, chunk sizes and trailers with it; a body of 64 KiB in chunks of one byte is 384 KiB."""

KEEP_ALIVE = 4.0
"""Seconds an idle connection is used again: below Express' 5 s, so that the server does not close it under a request."""

MAX_IDLE = 512


class _Cut(Exception):
    """The answer's body is longer than is read."""


class _Another(Exception):
    """Bytes behind the answer that look like one more: nobody asked for it, and it must not replace the first."""


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with at most one exchange under way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = True
        self._parser: httptools.HttpResponseParser | None = None
        self._done: asyncio.Future[None] | None = None
        self._fresh()

    def _fresh(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self._received = 0
        self._complete = False
        self._keep = False
        self._in_body = False

    @property
    def open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing() and self.reusable

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._done is None:
            # Bytes that nobody asked for: whatever they are, they are not the answer to our next call.
            self.close()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            # What follows a whole answer makes the connection useless, not the answer wrong.
            if self._complete or isinstance(exc.__context__, _Cut):
                self._finish(reusable=False)
            else:
                self._fail(httpx.RemoteProtocolError("unreadable answer"))
        else:
            if self._complete:
                self._finish(reusable=self._keep)
            elif self._received > (MAX_RECEIVED if self._in_body else MAX_HEAD):
                self._fail(httpx.RemoteProtocolError("answer is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if self._done is None or self._done.done():
            return
        names = {name.lower() for name, _ in self.headers}
        if self._in_body and b"content-length" not in names and b"transfer-encoding" not in names and exc is None:
            self._finish(reusable=False)  # a body without a length ends with its connection
        else:
            self._fail(httpx.ReadError("connection lost before the whole answer"))

    # httptools calls these
    def on_message_begin(self) -> None:
        if self._complete:
            raise _Another
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer after a chunked body says nothing that we act on.
        if not self._in_body:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # noqa: S101  # it is the parser that calls
        self.status = self._parser.get_status_code()
        self._in_body = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self.body += body
        if len(self.body) > MAX_ANSWER:
            del self.body[MAX_ANSWER:]
            raise _Cut

    def on_message_complete(self) -> None:
        # 100 Continue and 103 Early Hints are no answer yet.
        if self.status >= 200:
            self._complete = True
            # After this callback the parser has begun the next message and always answers no.
            assert self._parser is not None  # noqa: S101  # it is the parser that calls
            self._keep = self._parser.should_keep_alive()

    def start(self, head_and_body: bytes) -> "asyncio.Future[None]":
        """Sends the request in one write; the future ends with the answer."""
        assert self.transport is not None  # noqa: S101  # the pool hands out open connections only
        self._fresh()
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(head_and_body)
        return self._done

    def _finish(self, *, reusable: bool) -> None:
        self.reusable = self.reusable and reusable
        self._parser = None
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
        self._done = None
        if not self.reusable:
            self.close()

    def _fail(self, exc: Exception) -> None:
        self.reusable = False
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc)
        self._done = self._parser = None
        self.close()

    def close(self) -> None:
        self.reusable = False
        if self.transport is not None:
            self.transport.abort()


def trusted_context() -> ssl.SSLContext:
    """TLS by certifi's authorities alone: SSL_CERT_FILE and its kin in the environment do not weaken it."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class DirectTransport(httpx.AsyncBaseTransport):
    """The pool. Takes the connection used last, so that idle ones grow old and close.

    ``context`` is what TLS trusts; the tests give their own authority.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None, keep_alive: float = KEEP_ALIVE) -> None:
        self._context = context
        self._keep_alive = keep_alive
        self._idle: dict[tuple[str, str, int], deque[tuple[Connection, float]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange. Raises httpx.ConnectError or ConnectTimeout when nothing was sent."""
        url = request.url
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        connection = self._take(origin) or await self._connect(origin)
        try:
            trace = request.extensions.get("trace")
            if trace is not None:
                await trace("http11.send_request_headers.started", {"request": request})
            if not connection.open:
                # It was closed while the hook waited; not one byte of the request was written.
                raise httpx.ConnectError("connection closed before the request was sent")
            payload = b"".join([chunk async for chunk in cast(httpx.AsyncByteStream, request.stream)])
            await connection.start(self._head(request, len(payload)) + payload)
        except BaseException:
            connection.close()
            raise
        response = httpx.Response(
            connection.status, headers=connection.headers, stream=httpx.ByteStream(bytes(connection.body))
        )
        if connection.open:
            self._idle.setdefault(origin, deque()).append((connection, time.monotonic()))
        return response

    def _take(self, origin: tuple[str, str, int]) -> Connection | None:
        idle = self._idle.get(origin)
        if not idle:
            return None
        now = time.monotonic()
        while idle and (now - idle[0][1] > self._keep_alive or len(idle) > MAX_IDLE):
            idle.popleft()[0].close()
        while idle:
            connection, _ = idle.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self, origin: tuple[str, str, int]) -> Connection:
        scheme, host, port = origin
        context = None
        if scheme == "https":
            if self._context is None:
                self._context = trusted_context()
            context = self._context
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection,
                host,
                port,
                ssl=context,
                server_hostname=host if context else None,
                happy_eyeballs_delay=0.25,
            )
        except ssl.SSLCertVerificationError:
            raise httpx.ConnectError("tls_untrusted") from None
        except ssl.SSLError:
            raise httpx.ConnectError("tls_failed") from None
        except (OSError, UnicodeError, asyncio.IncompleteReadError) as exc:
            raise httpx.ConnectError(type(exc).__name__) from None
        return connection

    @staticmethod
    def _head(request: httpx.Request, length: int) -> bytes:
        lines = [request.method.encode("ascii"), b" ", request.url.raw_path, b" HTTP/1.1\r\n"]
        for name, value in request.headers.raw:
            if name.lower() not in (b"content-length", b"transfer-encoding"):
                lines += (name, b": ", value, b"\r\n")
        lines += (b"Content-Length: ", str(length).encode("ascii"), b"\r\n\r\n")
        return b"".join(lines)

    async def aclose(self) -> None:
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.close()
        self._idle.clear()
