"""One POST to a checked address: bounded in time, in what is read, and in whom it reaches."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import certifi

from alodial.webhooks.config import Endpoint

from .ssrf_guard import NotAllowed, Resolve, checked_address, resolve

MAX_HEAD = 16 * 1024
MAX_BODY = 4096
"""Bytes of an answer's body that are read, and then forgotten: what counts is its status."""

IDLE = 4
"""Connections that are kept open for one endpoint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0 when there was none; then ``why`` says what was in the way, in a word of ours."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass(slots=True)
class _Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False


class Stale(Exception):
    """A kept connection was closed before it said anything: on a new one it may go better."""


class Post:
    """POSTs to one endpoint. Nothing of the environment is trusted: no proxies, no other certificates than certifi's."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        private: bool,
        timeout: float,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._private = private
        self._timeout = timeout
        self._resolve = resolve
        self._trust = (trust or ssl.create_default_context(cafile=certifi.where())) if endpoint.tls else None
        self._idle: list[_Line] = []

    async def send(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The whole exchange within the timeout. Never raises for what the other side does."""
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    line = await self._line()
                    try:
                        return await self._exchange(line, self._head(headers, body) + body)
                    except Stale:
                        continue
        except TimeoutError:
            return Answer(0, why="timeout")
        except NotAllowed:
            return Answer(0, why="address_not_allowed")
        except ssl.SSLError:
            return Answer(0, why="tls")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Answer(0, why="no_connection")
        except (ValueError, UnicodeError):
            return Answer(0, why="no_http")

    def _head(self, headers: Mapping[str, str], body: bytes) -> bytes:
        host = f"[{self._endpoint.host}]" if ":" in self._endpoint.host else self._endpoint.host
        if self._endpoint.port != (443 if self._endpoint.tls else 80):
            host = f"{host}:{self._endpoint.port}"
        lines = [
            f"POST {self._endpoint.target} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if not line.reader.at_eof() and not line.writer.is_closing():
                line.used = True
                return line
            line.writer.close()
        address = await checked_address(
            self._endpoint.host, self._endpoint.port, private=self._private, resolve=self._resolve
        )
        reader, writer = await asyncio.open_connection(
            address,
            self._endpoint.port,
            ssl=self._trust,
            server_hostname=self._endpoint.host if self._trust else None,
            limit=MAX_HEAD,
        )
        return _Line(reader, writer)

    async def _exchange(self, line: _Line, request: bytes) -> Answer:
        keep = False
        try:
            line.writer.write(request)
            try:
                await line.writer.drain()
                head = await line.reader.readuntil(b"\r\n\r\n")
                while head[9:12] in (b"100", b"102", b"103"):
                    head = await line.reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError) as exc:
                if line.used and not getattr(exc, "partial", b""):
                    raise Stale from None
                raise
            status, headers = _parsed(head)
            length = headers.get("content-length", "")
            if length.isdigit() and len(length) < 10 and int(length) <= MAX_BODY and "transfer-encoding" not in headers:
                await line.reader.readexactly(int(length))
                keep = headers.get("connection", "").lower() != "close" and head.startswith(b"HTTP/1.1")
            elif status in (204, 304):
                keep = headers.get("connection", "").lower() != "close"
            return Answer(status, headers)
        finally:
            if keep and len(self._idle) < IDLE:
                self._idle.append(line)
            else:
                line.writer.transport.abort()

    def close(self) -> None:
        for line in self._idle:
            line.writer.transport.abort()
        self._idle.clear()


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers in small letters. Raises ValueError for what is no HTTP."""
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, tail = first.partition(" ")
    if not version.startswith("HTTP/1.") or not tail[:3].isdigit():
        raise ValueError("no HTTP")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(tail[:3]), headers
