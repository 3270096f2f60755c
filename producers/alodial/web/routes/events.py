"""``GET /v1/events``: the events as server-sent events, for each reader from its own position."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alodial_schemas import EVENT_TYPES, FieldProblem

from ...errors import StoreUnavailable
from ...store.client import AsyncStore
from ...store.events import events_after, lost_after, newest
from ..auth import Reader
from ..context import app_context
from ..event_follower import EventFollower
from ..openapi import bodies
from ..openapi.models import refusals
from ..problems import Refusal

PING_INTERVAL = 15.0
"""Seconds without an event after which a comment is sent; proxies cut silent connections after 30."""

SEND_TIMEOUT = 30.0
"""Seconds that a reader may take to receive one block; then it is disconnected and may resume."""

READ_COUNT = 200

_POSITION = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")

router = APIRouter(prefix="/v1", tags=["events"])


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a reader gets: of an owner, of types, of a campaign; an empty field means all."""

    owner: str = ""
    types: frozenset[str] = frozenset()
    campaign: str = ""

    def matches(self, text: str) -> bool:
        if not (self.owner or self.types or self.campaign):
            return True
        try:
            event = json.loads(text)
        except ValueError:
            return False
        data = event.get("data")
        campaign = data.get("campaign_id") if isinstance(data, dict) else None
        return (
            (not self.owner or event.get("owner") == self.owner)
            and (not self.types or event.get("type") in self.types)
            and (not self.campaign or self.campaign in (campaign, event.get("subject")))
        )


class EventStream(Response):
    """The answer. It ends when the reader disconnects or is too slow, or the server stops."""

    def __init__(
        self, follower: EventFollower, store: AsyncStore, position: str, event_filter: EventFilter, key: str
    ) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._follower = follower
        self._store = store
        self._position = position
        self._filter = event_filter
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tasks = asyncio.create_task(self._send(send)), asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._follower.leave(self._key)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._blocks()) as blocks:
            async for block in blocks:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: 2000\n\n"
        while not self._follower.closing:
            news = self._follower.news()
            try:
                rows = await self._store.call(events_after, self._position, READ_COUNT)
            except StoreUnavailable:
                rows = []
            if rows:
                self._position = rows[-1].position
                matching = [row for row in rows if self._filter.matches(row.event)]
                if matching:
                    # CloudEvents JSON holds no line ends, so it fits into a single data line.
                    yield "".join([f"id: {row.position}\ndata: {row.event}\n\n" for row in matching]).encode()
                else:
                    # The position moves on, or a reader of few events would resume far back.
                    yield f"id: {self._position}\n\n".encode()
                continue
            try:
                async with asyncio.timeout(PING_INTERVAL):
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
    context.follower.join(api_key.scope, api_key.limits.event_streams)
    try:
        store = context.queue.store
        if position.strip("0-") and (oldest := await store.call(lost_after, position)):
            detail = f"Events behind {position} are gone; the oldest that is kept is {oldest}."
            remedy = "send 0, and read what you missed"
            problem = FieldProblem("Last-Event-ID", "gone", "is older than what is kept", remedy)
            raise Refusal(410, "events_gone", detail, [problem])
        return EventStream(context.follower, store, position or await store.call(newest), event_filter, api_key.scope)
    except BaseException:
        context.follower.leave(api_key.scope)
        raise
