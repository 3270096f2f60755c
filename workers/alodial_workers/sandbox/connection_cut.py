"""Closes a connection without an answer: the trouble for which HTTP has no status."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "alodial.cut"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a `close` for the application in the scope's extensions."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"close": self.transport.close}}


class CutConnection(Response):
    """Sends nothing and closes. Under another server it sends a head and no body, which cuts the answer short."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cut = scope.get("extensions", {}).get(_EXTENSION)
        if cut is None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            return
        cut["close"]()
        # uvicorn answers 500 for an application that returns silently, unless it knows that the peer is gone.
        while (await receive())["type"] != "http.disconnect":
            continue
