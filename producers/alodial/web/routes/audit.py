"""``/v1/audit``: which key or person did what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ...api_keys import ApiKey
from ...store import audit
from ..auth import require_role, requires
from ..context import app_context
from ..openapi import models
from ..openapi.models import answers, refusals
from ..responses import json_response

router = APIRouter(prefix="/v1/audit", tags=["keys"])

_LATEST = 4_102_444_800_000
"""Unix ms of the year 2100."""

Moment = Annotated[int | None, Query(ge=0, le=_LATEST, description="Unix ms")]


@router.get(
    "",
    summary="Acts, the newest first",
    responses=refusals(401, 403, 422, 429, 503) | answers({200: ("A page of them", models.AuditPage)}),
)
async def listed(
    request: Request,
    api_key: Annotated[ApiKey, Depends(requires("read", "operate"))],
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, Query(ge=1, le=audit.PAGE)] = 100,
) -> Response:
    """For those before, send `until` with the time of the last one. Takes the role operate; a key marked own sees its own."""
    store = app_context(request).queue.store
    if api_key.own:
        lines = await store.run_steps(audit.page_of_own, api_key.actor, since=since, until=until, limit=limit)
    else:
        require_role(api_key, "operate")
        lines = await store.run_steps(audit.page, since=since, until=until, limit=limit)
    return json_response({"acts": [line.to_dict() for line in lines]})
