"""How large a request's body may be, uploads too, and how long it may take to arrive."""

import asyncio

from starlette.types import Message, Receive, Scope

from .problems import Refusal, too_large

KIB = 1024
LIMITS: tuple[tuple[str, int, float], ...] = (
    ("/callbacks/", 256 * KIB, 10),
    ("/requestcall/", 64 * KIB, 10),
    ("/v1/calls/batch", 16 * KIB * KIB, 60),
    ("/v1/campaigns", 1024 * KIB * KIB, 1800),
    ("/campaigns/new", 1024 * KIB * KIB, 1800),
)
"""By the beginning of the path: the largest body in bytes, and how many seconds it may take to arrive."""

DEFAULT_LIMITS = (KIB * KIB, 30.0)


def body_limits(path: str) -> tuple[int, float]:
    """Returns the largest body in bytes and its time in seconds."""
    for prefix, size, seconds in LIMITS:
        if path.startswith(prefix):
            return size, seconds
    return DEFAULT_LIMITS


class BoundedReceive:
    """A request's ``receive`` that raises Refusal 413 or 408 while a body is read that is too large or too slow.

    Nothing is refused before the body is read, so that an unknown address answers the same whatever is sent to it.
    """

    __slots__ = ("_complete", "_deadline", "_left", "_limit", "_receive", "_scope", "_seconds")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._limit, self._seconds = body_limits(scope["path"])
        self._left = self._limit
        self._receive = receive
        self._scope = scope
        self._deadline: float | None = None
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:  # only the disconnect follows, for which an event stream may wait for hours
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
            for name, value in self._scope["headers"]:
                if name == b"content-length" and (len(value) > 15 or not value.isdigit() or int(value) > self._limit):
                    raise too_large(self._limit)
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = f"The body did not arrive within {self._seconds:.0f} seconds."
            raise Refusal(408, "too_slow", detail, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise too_large(self._limit)
            self._complete = not message.get("more_body", False)
        return message
