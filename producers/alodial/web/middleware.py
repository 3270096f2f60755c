"""Around every request: an id, security headers, bounds on the body's size and time, an answer whatever breaks."""

import asyncio
import secrets

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Refusal, internal_error, of_refusal, too_large

KIB = 1024
LIMITS: tuple[tuple[str, int, float], ...] = (
    ("/callbacks/", 256 * KIB, 10),
    ("/requestcall/", 64 * KIB, 10),
    ("/v1/calls/batch", 16 * KIB * KIB, 60),
    ("/v1/campaigns", 1024 * KIB * KIB, 1800),
    ("/campaigns/new", 1024 * KIB * KIB, 1800),
)
"""By the path's beginning: the largest body in bytes, and how many seconds it may take to arrive."""

CALLBACKS = "/callbacks/alovoice/"

OTHERWISE = (KIB * KIB, 30.0)

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger("alodial.web")


def limits_of(path: str) -> tuple[int, float]:
    for prefix, size, seconds in LIMITS:
        if path.startswith(prefix):
            return size, seconds
    return OTHERWISE


class BoundedReceive:
    """A request's ``receive`` that refuses, when it is read, a body that is too large or too slow.

    Nothing is refused before somebody reads, so that an unknown address answers the same whatever is sent to it.
    """

    __slots__ = ("_deadline", "_left", "_limit", "_over", "_receive", "_scope", "_seconds")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._limit, self._seconds = limits_of(scope["path"])
        self._left = self._limit
        self._receive = receive
        self._scope = scope
        self._deadline: float | None = None
        self._over = False

    async def __call__(self) -> Message:
        if self._over:  # what comes now is the disconnect, for which a stream may wait for hours
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
            self._over = not message.get("more_body", False)
        return message


class RequestMiddleware:
    """Pure ASGI middleware: the outermost layer of ours."""

    def __init__(self, app: ASGIApp, callbacks: ASGIApp | None = None) -> None:
        self._app = app
        self._callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        started = False

        async def send_out(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message.get("headers", ()),
                    *SECURITY_HEADERS,
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        bounded = BoundedReceive(scope, receive)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._next(scope)(scope, bounded, send_out)
            except ClientDisconnect:
                return
            except Refusal as exc:
                if not started:
                    await of_refusal(exc)(scope, receive, send_out)
            except Exception:
                log.exception("request.failed")
                if not started:
                    await internal_error()(scope, receive, send_out)

    def _next(self, scope: Scope) -> ASGIApp:
        """The app; for the one address under great load its endpoint itself, as routing would cost as much as the rest."""
        path: str = scope["path"]
        if self._callbacks is not None and path.startswith(CALLBACKS):
            secret = path[len(CALLBACKS) :]
            if "/" not in secret:
                scope["path_params"] = {"secret": secret}
                return self._callbacks
        return self._app
