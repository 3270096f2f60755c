"""Gives every request an id, security headers, bounds on its body (`body_limits.py`), and an answer whatever breaks."""

import secrets

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .body_limits import BoundedReceive
from .client_address import TrustedProxies
from .problems import Refusal, internal_error, of_refusal

CALLBACK_PATH = "/callbacks/alovoice/"

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger("alodial.web")


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
