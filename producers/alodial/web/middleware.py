"""Gives every request an id, security headers, bounds on its body (`body_limits.py`), and an answer whatever breaks."""

import re
import secrets

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import StoreUnavailable
from .audit import record_request
from .body_limits import BodyMemory, BoundedReceive
from .client_address import TrustedProxies
from .host_check import is_expected
from .ports import Ports
from .problems import Refusal, internal_error, not_found, of_refusal, show_docs

CALLBACK_PATH = "/callbacks/alovoice/"

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
NO_STORE = (b"cache-control", b"no-store")
"""For every answer that says nothing else: most hold numbers, and none is worth keeping."""
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""Behind TLS: the browser does not come back without it for a year."""

_REPEATED_SLASH = re.compile("//+")

log = structlog.get_logger("alodial.web")


class RequestMiddleware:
    """The outermost middleware of this app. ``callbacks`` serves CALLBACK_PATH without the router; the headers of
    ``proxies`` say from where a request came; with a ``public_url`` other host names are refused; a port of ``ports``
    serves its own paths only."""

    def __init__(
        self,
        app: ASGIApp,
        callbacks: ASGIApp | None = None,
        proxies: TrustedProxies | None = None,
        public_url: str = "",
        ports: Ports = Ports(),  # noqa: B008  # a NamedTuple, never changed
    ) -> None:
        self._app = app
        self._callbacks = callbacks
        self._memory = BodyMemory()
        self._proxies = proxies or TrustedProxies(())
        self._public_url = public_url
        self._ports = ports

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
                api_key = scope.get("state", {}).get("api_key")
                if api_key is not None and message["status"] < 400:
                    await record_request(scope, api_key)
                headers = [*message.get("headers", ()), *SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                if scope["scheme"] == "https":
                    headers.append(HSTS)
                message["headers"] = headers
            await send(message)

        bounded = BoundedReceive(scope, receive, self._memory)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if not is_expected(self._public_url, scope):
                    raise Refusal(421, "wrong_host", "The header Host is not the name of ALODIAL_PUBLIC_URL.")
                await self._app_for(scope)(scope, bounded, send_with_headers)
            except ClientDisconnect:
                return
            except Refusal as exc:
                if not started:
                    await of_refusal(exc)(scope, receive, send_with_headers)
            except Exception as exc:
                if started and isinstance(exc.__cause__ or exc, StoreUnavailable):
                    # The reader sees that the file is not whole: the connection ends before the answer does.
                    log.error("request.broken_off", reason=str(exc.__cause__ or exc))
                else:
                    log.exception("request.failed")
                if not started:
                    await internal_error()(scope, receive, send_with_headers)
            finally:
                bounded.close()

    def _app_for(self, scope: Scope) -> ASGIApp:
        """The app, or for callbacks their endpoint: under load, routing would cost as much as all the rest."""
        path: str = scope["path"]
        port = (scope.get("server") or ("", None))[1]
        if self._ports.operator:
            show_docs(self._ports.serves(port, "/docs"))
        if not self._ports.serves(port, path):
            return not_found()
        if self._callbacks is None or "callbacks" not in path:
            return self._app
        whole = _REPEATED_SLASH.sub("/", path)
        secret = whole[len(CALLBACK_PATH) :].rstrip("/")
        if not whole.startswith(CALLBACK_PATH) or not secret or "/" in secret:
            return self._app
        # An address that is nearly the right one gets no 200, but somebody has to learn of it.
        flaw = "double_slash" if whole != path else "trailing_slash" if whole.endswith("/") else ""
        scope["path_params"] = {"secret": secret, "flaw": flaw}
        return self._callbacks
