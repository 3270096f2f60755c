"""``GET /v1/events``: the events as server-sent events, for each reader from its own position."""

import asyncio
import re
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alodial_schemas import EVENT_TYPES, FieldProblem

from ...store.events import lost_after, newest, position_of
from ..auth import Reader
from ..context import ABORT, app_context
from ..event_follower import SEND_TIMEOUT, EventFollower
from ..event_reader import EventFilter, EventReader
from ..openapi import bodies
from ..openapi.models import refusals
from ..problems import Refusal

_POSITION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")

router = APIRouter(prefix="/v1", tags=["events"])

log = structlog.get_logger("alodial.web")


class EventStream(Response):
    """The answer. It ends when the reader disconnects or is too slow, or the server stops."""

    def __init__(self, follower: EventFollower, reader: EventReader) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._follower = follower
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._reader.task = asyncio.create_task(self._send(send))
        tasks = self._reader.task, asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._follower.leave(self._reader)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._reader.is_cut:
            log.warning("events.reader_cut", key=self._reader.key, seconds=SEND_TIMEOUT)
            # Closing alone would wait until the client takes what was written, which it may never do.
            if (extension := scope.get("extensions", {}).get(ABORT)) is not None:
                extension["abort"]()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        follower, reader, time = self._follower, self._reader, asyncio.get_running_loop().time
        block = b"retry: 2000\n\n"
        while not follower.closing:
            if block:
                reader.sending = time()
                await send({"type": "http.response.body", "body": block, "more_body": True})
                reader.sending, reader.sent = 0.0, time()
            block = await follower.next_block(reader)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "/events",
    summary="Follow the events",
    tags=["events"],
    response_class=Response,
    responses=refusals(401, 403, 410, 422, 429, 503)
    | {200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    openapi_extra=bodies.LAST_EVENT_ID,
)
async def follow_events(
    request: Request,
    api_key: Reader,
    type: Annotated[
        list[str] | None, Query(max_length=20, description="Only this type, such as `completed`; may be repeated")
    ] = None,
    campaign: Annotated[str, Query(max_length=64, description="Only events of this campaign and of its calls")] = "",
) -> Response:
    """Server-sent events: `id` is the place in the stream, `data` the CloudEvents 1.0 JSON.

    Begins with the next event, or behind `Last-Event-ID`; `0` begins with the oldest that is kept. A comment comes
    every 15 seconds without an event. A place that the stream has outlived already is told: 410, with the oldest place
    that is kept; go on from there and read the calls that you may have missed.
    """
    context = app_context(request)
    types = {name if name.startswith("alodial.") else f"alodial.call.{name}" for name in type or []}
    if types - set(EVENT_TYPES):
        problem = FieldProblem("type", "unknown_type", "is no type", f"use one of {', '.join(sorted(EVENT_TYPES))}")
        raise Refusal(422, "invalid_request", "No event has that type.", [problem])
    event_filter = EventFilter(api_key.owner_filter, frozenset(types), campaign)
    position = request.headers.get("last-event-id", "").strip()
    if position and not _POSITION.fullmatch(position):
        remedy = "send the last id as it came, or 0 for all"
        problem = FieldProblem("Last-Event-ID", "bad_position", "is no id of an event", remedy)
        raise Refusal(422, "invalid_request", "The header Last-Event-ID cannot be used.", [problem])
    reader = EventReader(event_filter, api_key.scope)
    context.follower.join(reader, api_key.limits.event_streams)
    try:
        store = context.queue.store
        reader.position = position_of(position or await store.call(newest))
        known = not position.strip("0-") or context.follower.covers(reader.position)
        if not known and (oldest := await store.call(lost_after, position)):
            detail = f"Events behind {position} are gone; the oldest that is kept is {oldest}."
            remedy = "send 0, and read what you missed"
            problem = FieldProblem("Last-Event-ID", "gone", "is older than what is kept", remedy)
            raise Refusal(410, "events_gone", detail, [problem])
        return EventStream(context.follower, reader)
    except BaseException:
        context.follower.leave(reader)
        raise
