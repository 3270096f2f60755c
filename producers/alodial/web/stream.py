"""``GET /v1/events``: the events as server-sent events, each reader from its own place."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alodial_schemas import FieldProblem

from ..errors import StoreUnavailable
from ..store.client import AsyncStore
from ..store.follow import events_after, newest
from . import shapes
from .access import Caller
from .follower import Follower
from .parts import parts_of
from .problems import Refusal

PING_EVERY = 15.0
"""Seconds without an event after which a comment shows that the line is alive; proxies cut silent ones after 30."""

SEND_TIMEOUT = 30.0
"""Seconds a reader may take for what it was sent; then it is cut off and may resume."""

READ_COUNT = 200

_POSITION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")

router = APIRouter(prefix="/v1", tags=["events"])


class EventStream(Response):
    """The answer itself. Ends when the reader goes, does not take what it is sent, or the server stops."""

    def __init__(self, follower: Follower, store: AsyncStore, position: str) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._follower = follower
        self._store = store
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tell = asyncio.create_task(self._tell(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({tell, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._follower.leave()
            for task in (tell, gone):
                task.cancel()
            await asyncio.gather(tell, gone, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: 2000\n\n"
        while not self._follower.closing:
            news = self._follower.news()
            try:
                rows = await self._store.call(lambda client: events_after(client, self._position, READ_COUNT))
            except StoreUnavailable:
                rows = []
            if rows:
                self._position = rows[-1].position
                # CloudEvents JSON has no line ends of its own, so one data line holds it.
                yield "".join([f"id: {row.position}\ndata: {row.event}\n\n" for row in rows]).encode()
                continue
            try:
                async with asyncio.timeout(PING_EVERY):
                    await news.wait()
            except TimeoutError:
                yield b": ping\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/events",
    summary="Follow the events",
    tags=["events"],
    response_class=Response,
    responses=shapes.refusals(401, 422, 503)
    | {200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    openapi_extra=shapes.LAST_EVENT_ID,
)
async def follow_events(request: Request, _scope: Caller) -> Response:
    """Server-sent events: `id` is the place in the stream, `data` the CloudEvents 1.0 JSON.

    Begins with the next event, or behind `Last-Event-ID`; `0` begins with the oldest that is kept. A comment comes
    every 15 seconds without an event.
    """
    parts = parts_of(request)
    position = request.headers.get("last-event-id", "").strip()
    if position and not _POSITION.fullmatch(position):
        wrong = FieldProblem(
            "Last-Event-ID", "bad_position", "is no id of an event", "send the last id as it came, or 0 for all"
        )
        raise Refusal(422, "invalid_request", "The header Last-Event-ID cannot be used.", [wrong])
    parts.follower.join()
    try:
        store = parts.queue.store
        return EventStream(parts.follower, store, position or await store.call(newest))
    except BaseException:
        parts.follower.leave()
        raise
