"""Gives every request an id, security headers, bounds on its body's size and time, and an answer whatever breaks."""

import asyncio
import secrets

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .client_address import TrustedProxies
from .problems import Refusal, internal_error, of_refusal, too_large

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

CALLBACK_PATH = "/callbacks/alovoice/"

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger("alodial.web")


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


class RequestMiddleware:
    """The outermost middleware of this app. ``callbacks`` serves CALLBACK_PATH without the router; the headers of
    ``proxies`` say from where a request came."""

    def __init__(self, app: ASGIApp, callbacks: ASGIApp | None = None, proxies: TrustedProxies | None = None) -> None:
        self._app = app
        self._callbacks = callbacks
        self._proxies = proxies or TrustedProxies(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._proxies.apply(scope)
        request_id = secrets.token_hex(8)
        started = False

        async def send_with_headers(message: Message) -> None:
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
                await self._app_for(scope)(scope, bounded, send_with_headers)
            except ClientDisconnect:
                return
            except Refusal as exc:
                if not started:
                    await of_refusal(exc)(scope, receive, send_with_headers)
            except Exception:
                log.exception("request.failed")
                if not started:
                    await internal_error()(scope, receive, send_with_headers)

    def _app_for(self, scope: Scope) -> ASGIApp:
        """The app, or for callbacks their endpoint: under load, routing would cost as much as all the rest."""
        path: str = scope["path"]
        if self._callbacks is not None and path.startswith(CALLBACK_PATH):
            secret = path[len(CALLBACK_PATH) :]
            if "/" not in secret:
                scope["path_params"] = {"secret": secret}
                return self._callbacks
        return self._app
