"""Recordings of calls, played in the page: fetched from AloVoice's host alone, bounded in size, time and number."""

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..calls.threads import ThreadPool
from ..errors import AlodialError, NotFound
from ..web.context import app_context
from ..web.problems import Refusal
from . import call_rows
from .auth import Forbidden, Signed, audit, can
from .rendering import PeopleRoute, error_page

ACT: Final = "call.recording"
"""The act of listening: a conversation is not for everybody who may see that it took place."""

MAX_BYTES: Final = 100 << 20
"""Of one recording: about two hours of a telephone call as WAV."""

MAX_SECONDS: Final = 900.0
TIMEOUT: Final = 10.0
"""Seconds for a whole transfer, and for each step of it."""

BLOCK: Final = 64 * 1024
MAX_OPEN: Final = 16

_RANGE: Final = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}")
_CONTENT_RANGE: Final = re.compile(r"bytes (?:[0-9]{1,15}-[0-9]{1,15}|\*)/(?:[0-9]{1,15}|\*)")
_TYPES: Final = {".wav": "audio/wav", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4"}
_READ: Final = ThreadPool("alodial-recording", 4)
_places = BoundedSemaphore(MAX_OPEN)

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


class RecordingUnavailable(AlodialError):
    """AloVoice does not hand a recording out; the text says why."""

    code = "recording_unavailable"
    level = "info"


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """Where a recording is fetched. ``trusted`` is the address of ALODIAL_PROVIDER_URL itself, which may be a private one."""

    host: str
    port: int
    tls: bool
    target: str
    trusted: bool

    @property
    def kind(self) -> str:
        """The type that a browser is told: one of audio, whatever the other side says, so that nothing else is ever shown."""
        path = self.target.partition("?")[0].lower()
        return next((kind for ending, kind in _TYPES.items() if path.endswith(ending)), "audio/mpeg")


def source_of(url: object, provider_url: str) -> RecordingSource | None:
    """The source of a recording at AloVoice: the host of ``provider_url``, or https on a host beside it; else None.

    A result's address comes from outside: any other would let its sender look around in our network.
    """
    if not isinstance(url, str) or not call_rows.recording(url) or not url.isascii() or " " in url:
        return None
    try:
        parts, own = urlsplit(url), urlsplit(provider_url)
        tls = parts.scheme.lower() == "https"
        port, own_port = parts.port or (443 if tls else 80), own.port or (443 if own.scheme == "https" else 80)
    except ValueError:
        return None
    host, own_host = parts.hostname or "", own.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if (host, port, parts.scheme.lower()) == (own_host, own_port, own.scheme):
        return RecordingSource(host, port, tls, target, trusted=True)
    parent = own_host.partition(".")[2]
    beside = "." in parent and not parent.replace(".", "").isdigit() and f".{host}".endswith(f".{parent}")
    return RecordingSource(host, port, tls, target, trusted=False) if beside and tls and port == 443 else None


def _address_of(source: RecordingSource) -> str:
    """The checked address that is connected to. Raises RecordingUnavailable for one that is not public."""
    rows = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    if source.trusted:
        return str(rows[0][4][0])
    addresses = [str(row[4][0]) for row in rows if row[0] == socket.AF_INET]
    if not addresses or not all(_is_public(address) for address in addresses):
        raise RecordingUnavailable("the host leads to an address that is not public")
    return addresses[0]


def _is_public(text: str) -> bool:
    address = ipaddress.IPv4Address(text)
    return address.is_global and not address.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, with the certificate of the host's name."""

    def __init__(self, source: RecordingSource) -> None:
        super().__init__(source.host, source.port, timeout=TIMEOUT)
        self._source = source

    def connect(self) -> None:
        self.sock = socket.create_connection((_address_of(self._source), self._source.port), TIMEOUT)
        if self._source.tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._source.host)


@dataclass(slots=True)
class Recording:
    """An answer of AloVoice whose body is still to come. ``headers`` are those that are passed on."""

    status: int
    headers: dict[str, str]
    connection: http.client.HTTPConnection
    answer: http.client.HTTPResponse

    def blocks(self) -> Iterator[bytes]:
        """The body, up to ``MAX_BYTES`` and ``MAX_SECONDS``; ends early where the other side does. Blocks."""
        left, until = MAX_BYTES, time.monotonic() + MAX_SECONDS
        try:
            while left > 0 and time.monotonic() < until and (block := self.answer.read1(min(BLOCK, left))):
                left -= len(block)
                yield block
        except (OSError, http.client.HTTPException):
            return

    def close(self) -> None:
        self.connection.close()


def open_recording(source: RecordingSource, wanted: str = "") -> Recording:
    """Asks for a recording, or for the ``wanted`` range of it. Blocks. Raises RecordingUnavailable; follows no redirect."""
    connection = _Connection(source)
    try:
        headers = {"Range": wanted} if _RANGE.fullmatch(wanted) else {}
        connection.request(
            "GET", source.target, headers={"Accept": "audio/*", "Accept-Encoding": "identity", **headers}
        )
        answer = connection.getresponse()
        if answer.status not in (200, 206, 416):
            raise RecordingUnavailable(f"AloVoice answered HTTP {answer.status}")
        length = answer.getheader("Content-Length", "")
        if length.isdigit() and int(length) > MAX_BYTES:
            raise RecordingUnavailable("the recording is above 100 MiB; open it at AloVoice")
    except (OSError, http.client.HTTPException) as exc:
        connection.close()
        raise RecordingUnavailable(f"AloVoice does not answer: {type(exc).__name__}") from None
    except BaseException:
        connection.close()
        raise
    passed = {"Accept-Ranges": "bytes"} if answer.getheader("Accept-Ranges") == "bytes" or answer.status == 206 else {}
    if length.isdigit():
        passed["Content-Length"] = length
    if _CONTENT_RANGE.fullmatch(span := answer.getheader("Content-Range", "")):
        passed["Content-Range"] = span
    return Recording(answer.status, passed, connection, answer)


@router.get("/calls/{name}/recordings/{number}")
async def play(request: Request, operator: Signed, name: str, number: int) -> Response:
    """The recording of an attempt. Its audit line comes with the first byte, not with each range of it."""
    if not can(operator, ACT):
        raise Forbidden("refused.role")
    context = app_context(request)
    record = await context.queue.get(name)
    result = next((attempt["result"] for attempt in record.attempts if attempt["attempt"] == number), None) or {}
    source = source_of(result.get("record"), context.settings.provider_url)
    if source is None:
        raise NotFound("no recording")
    wanted = request.headers.get("range", "")
    if not _places.acquire(blocking=False):
        raise Refusal(429, "too_many_requests", "", headers={"Retry-After": "10"})
    try:
        recording = await _READ.run(open_recording, source, wanted)
    except BaseException as exc:
        _places.release()
        if isinstance(exc, RecordingUnavailable):
            return error_page(request, 502, "refused.recording", str(exc))
        raise
    if not wanted or wanted.startswith("bytes=0-"):
        await audit(request, operator, ACT, call_id=record.id, attempt=number)
    return _Playing(recording, source.kind)


class _Playing(StreamingResponse):
    """Sends a recording, and gives its place back however that ends."""

    def __init__(self, recording: Recording, kind: str) -> None:
        self._recording = recording
        headers = {**recording.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        super().__init__(self._body(), recording.status, headers, kind)

    async def _body(self) -> AsyncIterator[bytes]:
        async for (block,) in _READ.iterate(self._recording.blocks()):
            yield block

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._recording.close()
            _places.release()
