"""``GET /v1/logs``: the log lines of all processes."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...store.client import AsyncStore
from ...store.find_call import find_async
from ...store.log_stream import LEVELS, LogFilter, names_of_call, page_async
from ..auth import GlobalReader
from ..context import app_context
from ..openapi import models
from ..openapi.models import answers, refusals
from ..problems import invalid_fields
from ..query_times import TimeRange
from ..responses import json_response

router = APIRouter(prefix="/v1", tags=["operating"])

_CURSOR = r"^([0-9]{1,18}-[0-9]{1,18})?$"
_LEVEL = rf"^({'|'.join(LEVELS)})?$"
_NAME = Query(max_length=128)


async def names_async(store: AsyncStore, call: str) -> frozenset[str]:
    """Returns every id and extid that a call's lines may carry, none for "". Raises StoreUnavailable."""
    return names_of_call(call, await store.call(find_async, call)) if call else frozenset()


@router.get(
    "/logs",
    summary="Log lines of all processes",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("A page, newest first", models.LogPage)}),
)
async def log_lines(
    request: Request,
    _key: GlobalReader,
    call: Annotated[str, Query(max_length=128, description="A call's id or extid: lines of all its attempts")] = "",
    extid: Annotated[str, _NAME] = "",
    campaign: Annotated[str, _NAME] = "",
    account: Annotated[str, _NAME] = "",
    worker: Annotated[str, Query(max_length=128, description="A process's name or its beginning")] = "",
    level: Annotated[str, Query(pattern=_LEVEL, description="This level and graver ones")] = "",
    event: Annotated[str, Query(max_length=64, description="A name, or a pattern such as call.*")] = "",
    since: Annotated[str, Query(max_length=40, description="ISO 8601")] = "",
    until: Annotated[str, Query(max_length=40, description="ISO 8601")] = "",
    cursor: Annotated[str, Query(pattern=_CURSOR, description="Of the page before, as it is")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Lines as they were logged: secrets taken out, numbers masked. A narrow filter may give short or empty pages: go on
    until `cursor` is null."""
    context = app_context(request)
    times = TimeRange(since, until, ZoneInfo(context.settings.timezone))
    if times.problems:
        raise invalid_fields(times.problems)
    store = context.queue.store
    log_filter = LogFilter(
        call=await names_async(store, call),
        extid=extid,
        campaign=campaign,
        account=account,
        worker=worker,
        level=level,
        event=event,
        since=times.since,
        until=times.until,
    )
    page = await store.call(page_async, log_filter, cursor=cursor or None, limit=limit)
    return json_response({"lines": [line.fields for line in page.lines], "cursor": page.cursor})
