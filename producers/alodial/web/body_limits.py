"""How large a request's body may be and how long it may take, by route and content type, and how much all of them may hold."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from starlette.types import Message, Receive, Scope

from .problems import RETRY_AFTER, Refusal, too_large

KIB: Final = 1024
MIB: Final = 1024 * KIB

FREE_BYTES: Final = 64 * KIB
"""Of each body; only what is beyond counts for :class:`BodyMemory`, so that large bodies never displace small ones."""

FILE_TYPES: Final = {
    "text/csv": ".csv",
    "application/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/x-ndjson": ".ndjson",
    "application/ndjson": ".ndjson",
    "application/jsonl": ".ndjson",
    "application/octet-stream": "",
}
"""Content types of a body that is the file itself, with the file's suffix."""


class BodyLimit(NamedTuple):
    """The largest body in bytes, its time in seconds, and whether it goes to the disk instead of memory."""

    size: int
    seconds: float
    on_disk: bool = False


FILE: Final = BodyLimit(1024 * MIB, 1800, on_disk=True)
LARGE: Final = BodyLimit(16 * MIB, 60)
DEFAULT: Final = BodyLimit(MIB, 30)

_FILE_ROUTES: Final = re.compile(r"/v1/campaigns(/check|/[^/]+/rows)?|/campaigns/new|/do-not-call/import")
_LARGE_ROUTES: Final = re.compile(r"/v1/calls/batch|/v1/campaigns(/check)?")
_SMALL: Final = (
    ("/callbacks/", BodyLimit(256 * KIB, 10)),
    ("/requestcall/", BodyLimit(64 * KIB, 10)),
    ("/sign-in", BodyLimit(64 * KIB, 10)),
)


def is_file(kind: str) -> bool:
    """Whether a body of this media type is a file or a form with one."""
    return kind == "multipart/form-data" or kind in FILE_TYPES


def body_limit(path: str, kind: str) -> BodyLimit:
    """Returns the limit of a body. ``kind`` is its media type in lower case, "" without one."""
    for prefix, limit in _SMALL:
        if path.startswith(prefix):
            return limit
    if is_file(kind) and _FILE_ROUTES.fullmatch(path):
        return FILE
    return LARGE if _LARGE_ROUTES.fullmatch(path) else DEFAULT


def media_type_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Returns the media type of a request's raw headers, in lower case and without parameters; "" without one."""
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("latin-1")
    return ""


class BodyMemory:
    """Counts the bodies that are in memory at once in this process, up to ``limit`` bytes."""

    def __init__(self, limit: int = 256 * MIB) -> None:
        self._left = limit

    def take(self, size: int) -> bool:
        """Counts ``size`` more bytes. False, and nothing is counted, when they would be too many."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """The bytes are free again."""
        self._left += size


class BoundedReceive:
    """A request's ``receive`` that raises Refusal 413 or 408 while a body is read that is too large or too slow, and 503
    when it is large and too many others are in memory.

    Nothing is refused before the body is read, so that an unknown address answers the same whatever is sent to it.
    """

    __slots__ = ("_complete", "_counted", "_deadline", "_limit", "_memory", "_read", "_receive", "_scope")

    def __init__(self, scope: Scope, receive: Receive, memory: BodyMemory) -> None:
        self._limit = body_limit(scope["path"], media_type_of(scope["headers"]))
        self._read = 0
        self._counted = 0
        self._memory = memory
        self._receive = receive
        self._scope = scope
        self._deadline: float | None = None
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:  # only the disconnect follows, for which an event stream may wait for hours
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._limit.seconds
            size = self._limit.size
            for name, value in self._scope["headers"]:
                if name == b"content-length" and (len(value) > 15 or not value.isdigit() or int(value) > size):
                    raise too_large(size)
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = f"The body did not arrive within {self._limit.seconds:.0f} seconds."
            raise Refusal(408, "too_slow", detail, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
            self._complete = not message.get("more_body", False)
        return message

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > self._limit.size:
            raise too_large(self._limit.size)
        more = self._read - FREE_BYTES - self._counted
        if self._limit.on_disk or more <= 0:
            return
        if not self._memory.take(more):
            headers = {"Retry-After": RETRY_AFTER, "Connection": "close"}
            raise Refusal(503, "overloaded", "Too many large bodies arrive at once; send it again.", headers=headers)
        self._counted += more

    def close(self) -> None:
        """The request is over, and its body out of memory."""
        self._memory.give_back(self._counted)
        self._counted = 0
