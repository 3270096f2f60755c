"""``GET /v1/logs``: the log lines of all processes."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ...store.client import AsyncStore
from ...store.find_call import find_async
from ...store.log_stream import LEVELS, LogFilter, names_of_call, page_async
from ..auth import Watching
from ..context import app_context
from ..openapi import models
from ..openapi.models import answers, refusals
from ..problems import Refusal
from ..responses import json_response

router = APIRouter(prefix="/v1", tags=["operating"])

_CURSOR = r"^([0-9]{1,18}-[0-9]{1,18})?$"
_LEVEL = rf"^({'|'.join(LEVELS)})?$"
_NAME = Query(max_length=128)


async def names_async(store: AsyncStore, call: str) -> frozenset[str]:
    """Every name of a call that its lines may give; none for "". Raises StoreUnavailable."""
    return names_of_call(call, await store.call(find_async, call)) if call else frozenset()


def moment(text: str, zone: ZoneInfo) -> int | None:
    """Unix ms of ISO 8601, without a zone in the given one. Raises ValueError."""
    if not text:
        return None
    # A "+" in an address that somebody typed arrives as a space.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    try:
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except OverflowError as exc:
        raise ValueError(str(exc)) from None


@router.get(
    "/logs",
    summary="Log lines of all processes",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("A page, newest first", models.LogPage)}),
)
async def log_lines(
    request: Request,
    _by: Watching,
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
    parts = app_context(request)
    zone = ZoneInfo(parts.settings.timezone)
    times: dict[str, int | None] = {}
    problems = []
    for name, text in (("since", since), ("until", until)):
        try:
            times[name] = moment(text, zone)
        except ValueError:
            problems.append(FieldProblem(name, "bad_time", "is no ISO 8601 time", "write 2026-11-23T14:00:00Z"))
    if problems:
        raise Refusal(422, "invalid_request", f"{len(problems)} field(s) to mend; see errors.", problems)
    store = parts.queue.store
    wanted = LogFilter(
        call=await names_async(store, call),
        extid=extid,
        campaign=campaign,
        account=account,
        worker=worker,
        level=level,
        event=event,
        since=times["since"],
        until=times["until"],
    )
    found = await store.call(page_async, wanted, cursor=cursor or None, limit=limit)
    return json_response({"lines": [line.fields for line in found.lines], "cursor": found.cursor})
