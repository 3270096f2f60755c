"""HTTP/1.1 POSTs over asyncio, hundreds at once: kept-alive connections, answers parsed by httptools.

httpx's own pool costs more with every request in flight (2 ms of CPU at 8, 7 ms at 64) and its aiohttp counterpart
stops at 100 connections. The moment of the first byte decides whether a phone rings twice: head and body leave in one
write, and :meth:`DirectTransport.post` awaits ``before_first_byte`` right before it, on an open connection.
"""

import asyncio
import errno
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import certifi
import httptools
import httpx

from alodial.store.local_errors import local_code, most_telling

from .resolver import Resolver

MAX_ANSWER = 64 * 1024
"""Bytes of an answer's body that are read; what is longer is cut and its connection closed."""

MAX_HEAD = 64 * 1024

MAX_RECEIVED = 1024 * 1024
"""Bytes of an answer on the wire, chunk sizes and trailers with it; a body of 64 KiB in chunks of one byte is 384 KiB."""

KEEP_ALIVE = 4.0
"""Seconds an idle connection is used again: below Express' 5 s, so that the server does not close it under a request."""

MAX_IDLE = 512
"""Connections to one origin that are kept open between exchanges."""

LEAST_ANSWER = 0.1
"""Seconds that an answer has at least, so that a slow connect does not turn every answer into an ambiguous one."""

Hook = Callable[[], Awaitable[None]]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

NEXT_ADDRESS = 0.25
"""Seconds after which a host's next address is tried beside those that have not answered yet, as RFC 8305 suggests."""


class StaleConnection(httpx.ReadError):
    """A kept connection was closed before any byte of the answer. The server may have acted on the request."""


class Origin(NamedTuple):
    """A server: ``host`` is also the name that its TLS certificate must have."""

    host: str
    port: int
    tls: bool


class HttpAnswer(NamedTuple):
    """``body`` is cut at the transport's ``max_body`` bytes; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def encode_head(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns the head of POSTs to ``target`` (path and query), for :func:`encode_post`."""
    fields = b"".join(b"%b: %b\r\n" % field for field in headers)
    return b"POST %b HTTP/1.1\r\n%bContent-Length: " % (target, fields)


def encode_post(head: bytes, body: bytes) -> bytes:
    """Returns the bytes of a POST of ``body``, with its Content-Length."""
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


_NO_HEADERS: Mapping[str, str] = {}


def _headers(fields: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """The fields by their names in lower case; repeated ones are joined, by httpx, which costs 4 % of a call."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}
    return headers if len(headers) == len(fields) else httpx.Headers(fields)


class _Cut(Exception):
    """The rest of the answer's body is not read."""


class _SecondAnswer(Exception):
    """Bytes behind the answer look like another one, which must not replace the first."""


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with at most one exchange under way.

    ``max_body`` is how many bytes of a body are read. Without ``wait_for_body`` only a body whose Content-Length fits
    into it is waited for: any other answer ends with its head.
    """

    def __init__(self, max_body: int = MAX_ANSWER, *, wait_for_body: bool = True) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = True
        self._max_body = max_body
        self._wait_for_body = wait_for_body
        self._used = self._reused = False
        self._parser: httptools.HttpResponseParser | None = None
        self._done: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._timer_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fresh()

    def _fresh(self) -> None:
        self.status = 0
        self.headers = _NO_HEADERS
        self.body = bytearray()
        self._fields: list[tuple[bytes, bytes]] = []
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
            # No request is under way: these bytes must not become the answer to the next one.
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
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._done is None or self._done.done():
            return
        until_eof = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        if self._in_body and until_eof and exc is None:
            self._finish(reusable=False)  # a body without a length ends with its connection
        else:
            error = StaleConnection if self._reused and not self._received else httpx.ReadError
            self._fail(error("connection lost before the whole answer"))

    # httptools calls these
    def on_message_begin(self) -> None:
        if self._complete:
            raise _SecondAnswer
        self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # Nothing acts on the trailers of a chunked body.
        if not self._in_body:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # noqa: S101  # it is the parser that calls
        self.status = self._parser.get_status_code()
        self.headers = _headers(self._fields)
        self._in_body = self.status >= 200
        if self._in_body and not self._wait_for_body and self.status not in (204, 304):
            length = self.headers.get("content-length", "")
            if "transfer-encoding" in self.headers or not length.isdigit() or int(length) > self._max_body:
                raise _Cut

    def on_body(self, body: bytes) -> None:
        self.body += body
        if len(self.body) > self._max_body:
            del self.body[self._max_body :]
            raise _Cut

    def on_message_complete(self) -> None:
        # 100 Continue and 103 Early Hints precede the answer.
        if self.status >= 200:
            self._complete = True
            # Asked after this callback, the parser has begun the next message and always says no.
            assert self._parser is not None  # noqa: S101  # it is the parser that calls
            self._keep = self._parser.should_keep_alive()

    def start(self, request: bytes, limit: float | None = None) -> "asyncio.Future[None]":
        """Sends head and body in one write; the future ends with the answer, after ``limit`` seconds with ReadTimeout."""
        assert self.transport is not None  # noqa: S101  # the pool hands out open connections only
        self._fresh()
        self._reused, self._used = self._used, True
        self._parser = httptools.HttpResponseParser(self)
        done = self._done = self._loop.create_future()
        if limit is not None:
            self._end_at(self._loop.time() + limit)
        self.transport.write(request)
        return done

    def _end_at(self, deadline: float) -> None:
        """Sets when the exchange ends at the latest. One timer serves all exchanges until it fires: each costs 5 % of a call."""
        self._deadline = deadline
        if self._timer is not None and self._timer_at > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if self._loop.time() >= self._deadline:
            self._fail(httpx.ReadTimeout("no answer in time"))
        else:
            self._end_at(self._deadline)

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
    """Returns TLS that trusts certifi's authorities alone, whatever SSL_CERT_FILE in the environment says."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def first_connected(attempts: Sequence[Callable[[], Awaitable[Connection]]]) -> Connection:
    """Returns the first connection that succeeds, and closes the others.

    Each attempt begins when the one before has failed or has not ended within NEXT_ADDRESS seconds, so that one address
    that swallows packets does not keep the others from being tried. Raises the most telling error when all fail, OSError
    without any attempt.
    """
    errors: list[BaseException] = []
    running: set[asyncio.Future[Connection]] = set()
    waiting = deque(attempts)
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.popleft()()))
            done, running = await asyncio.wait(
                running, timeout=NEXT_ADDRESS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            ended = sorted(done, key=lambda attempt: attempt.exception() is not None)
            if ended and ended[0].exception() is None:
                running.update(ended[1:])
                return ended[0].result()
            errors += [error for attempt in ended if (error := attempt.exception()) is not None]
    finally:
        for attempt in running:
            attempt.cancel()
            attempt.add_done_callback(_close_connected)
    raise most_telling(errors) if errors else OSError("the name has no address")


def _close_connected(attempt: "asyncio.Future[Connection]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


class DirectTransport:
    """A pool of connections. It takes the one used last, so that idle ones grow old and close.

    ``context`` is what TLS trusts (the tests pass their own authority), ``keep_alive`` how many seconds an idle
    connection may be used again, ``max_idle`` how many are kept for an origin. ``resolve`` returns the addresses to
    connect to, the first that answers; without it the system resolves names. See :class:`Connection` for the last two.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        keep_alive: float = KEEP_ALIVE,
        max_idle: int = MAX_IDLE,
        resolve: Resolve | None = None,
        max_body: int = MAX_ANSWER,
        wait_for_body: bool = True,
    ) -> None:
        self._context = context
        self._keep_alive = keep_alive
        self._max_idle = max_idle
        self._resolve = resolve or Resolver()
        self._make_connection = lambda: Connection(max_body, wait_for_body=wait_for_body)
        self._idle: dict[Origin, deque[tuple[Connection, float]]] = {}

    async def post(
        self,
        origin: Origin,
        request: bytes,
        *,
        before_first_byte: Hook | None,
        reuse: bool = True,
        limit: float | None = None,
    ) -> HttpAnswer:
        """Sends ``request`` (see :func:`encode_post`) once and returns the answer; never sends it again.

        ``before_first_byte`` is awaited on the open connection. When it raises, nothing was sent; when it returns,
        the whole request is written before anything else runs. ``reuse=False`` takes a new connection. ``limit`` is in seconds
        for connecting and the answer together, the hook's own time not counted; the answer has LEAST_ANSWER in any case.

        Raises httpx.ConnectError or ConnectTimeout when nothing was sent, and whatever the hook or ``resolve`` raises,
        likewise with nothing sent. After any other httpx.TransportError or a cancellation the server may have the request.
        """
        connection = self._take(origin) if reuse else None
        if connection is None:
            began = time.monotonic()
            try:
                async with asyncio.timeout(limit):
                    connection = await self._connect(origin)
            except TimeoutError:
                raise httpx.ConnectTimeout("not connected in time") from None
            if limit is not None:
                limit = max(LEAST_ANSWER, limit - (time.monotonic() - began))
        try:
            if before_first_byte is not None:
                await before_first_byte()
            if not connection.open:
                # It was closed while the hook waited; not one byte of the request was written.
                raise httpx.ConnectError("connection closed before the request was sent")
            await connection.start(request, limit)
        except BaseException:
            connection.close()
            raise
        if connection.open:
            idle = self._idle.setdefault(origin, deque())
            idle.append((connection, time.monotonic()))
            if len(idle) > self._max_idle:
                idle.popleft()[0].close()
        return HttpAnswer(connection.status, connection.headers, bytes(connection.body))

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        if not idle:
            return None
        now = time.monotonic()
        while idle and now - idle[0][1] > self._keep_alive:
            idle.popleft()[0].close()
        while idle:
            connection, _ = idle.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self, origin: Origin) -> Connection:
        try:
            if origin.tls and self._context is None:
                self._context = trusted_context()
            addresses = await self._resolve(origin.host, origin.port)
            connection = await first_connected([partial(self._connect_to, origin, address) for address in addresses])
        except ssl.SSLCertVerificationError:
            raise httpx.ConnectError("tls_untrusted") from None
        except ssl.SSLError:
            raise httpx.ConnectError("tls_failed") from None
        except (OSError, MemoryError, UnicodeError, asyncio.IncompleteReadError) as exc:
            raise httpx.ConnectError(local_code(exc) or type(exc).__name__) from None
        return connection

    async def _connect_to(self, origin: Origin, address: str) -> Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                self._make_connection,
                address,
                origin.port,
                ssl=self._context if origin.tls else None,
                server_hostname=origin.host if origin.tls else None,
            )
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL and ":" in address:
                # A machine without IPv6 says that; it may have all its ports.
                raise OSError(errno.ENETUNREACH, "no IPv6 here") from None
            raise
        return connection

    def close(self) -> None:
        """Closes the idle connections."""
        for idle in self._idle.values():
            for connection, _ in idle:
                connection.close()
        self._idle.clear()
