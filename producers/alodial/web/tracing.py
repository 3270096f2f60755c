"""Links calls to their caller's span by the header ``traceparent``; in the app only where traces are wanted."""

from starlette.types import ASGIApp, Receive, Scope, Send

from ..observability import trace_context


class TracingMiddleware:
    """Keeps the header in a context variable while the request is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = dict(scope["headers"]).get(b"traceparent", b"") if scope["type"] == "http" else b""
        if not header:
            return await self._app(scope, receive, send)
        token = trace_context.inbound.set(header.decode("latin-1"))
        try:
            await self._app(scope, receive, send)
        finally:
            trace_context.inbound.reset(token)
