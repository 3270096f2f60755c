"""``/v1/dnc``: the do-not-call list."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ..auth import Operating, Steerer, Watching
from ..context import app_context
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal
from ..request_bodies import read_json
from ..responses import json_response

router = APIRouter(prefix="/v1/dnc", tags=["do-not-call"])

MOST = 10_000
_CURSOR = r"^[0-9]{0,19}$"


async def _asked(request: Request) -> tuple[list[str], str, str]:
    """Numbers, reason, scope. Raises Refusal."""
    body: Any = read_json(await request.body())
    problems = []
    if not isinstance(body, dict):
        body = {}
        problems.append(FieldProblem("", "not_an_object", "must be an object", 'send {"numbers": [...]}'))
    numbers, reason, scope = body.get("numbers"), body.get("reason", ""), body.get("campaign", "")
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MOST or not all(isinstance(n, str) for n in numbers):
        problems.append(FieldProblem("numbers", "not_a_list", f"must be 1 to {MOST} texts", 'send ["994412860"]'))
    for name, value in (("reason", reason), ("campaign", scope)):
        if not isinstance(value, str) or len(value) > 200:
            problems.append(FieldProblem(name, "bad_text", "must be a text of up to 200 characters", "mend it"))
    problems += [
        FieldProblem(name[:64], "unknown_field", "is not known here", "send numbers, reason and campaign")
        for name in body
        if name not in ("numbers", "reason", "campaign")
    ]
    if problems:
        raise Refusal(422, "invalid_request", f"{len(problems)} field(s) to mend; see errors.", problems)
    return numbers, "".join(c if c.isprintable() else " " for c in reason), scope


_CHANGED = refusals(400, 401, 403, 429, 413, 422, 503) | answers({200: ("Done", models.DncChanged)})


@router.post("", summary="Put numbers on the list", responses=_CHANGED, openapi_extra=bodies.DNC)
async def add(request: Request, by: Steerer) -> Response:
    """From the next second on they are not rung, whatever is queued for them."""
    numbers, reason, campaign = await _asked(request)
    dnc = app_context(request).queue.dnc.blocking
    changed = await asyncio.to_thread(lambda: dnc.add(numbers, scope=campaign, reason=reason, actor=by.actor))
    return json_response({"changed": changed})


@router.post("/remove", summary="Take numbers off the list", responses=_CHANGED, openapi_extra=bodies.DNC)
async def remove(request: Request, _by: Operating) -> Response:
    numbers, _, campaign = await _asked(request)
    dnc = app_context(request).queue.dnc.blocking
    return json_response({"changed": await asyncio.to_thread(lambda: dnc.remove(numbers, scope=campaign))})


@router.get(
    "",
    summary="The list, or why one number is on it",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("Some of it, in no order", models.DncList)}),
)
async def show(
    request: Request,
    _by: Watching,
    number: Annotated[str, Query(max_length=64, description="Only this number")] = "",
    campaign: Annotated[str, Query(max_length=64, description="A campaign's own list")] = "",
    cursor: Annotated[str, Query(pattern=_CURSOR)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    dnc = app_context(request).queue.dnc.blocking
    if number:
        wanted = f"+{number[1:]}" if number[0] == " " else number
        found = await asyncio.to_thread(lambda: dnc.find(wanted, scopes=("", campaign) if campaign else ("",)))
        return json_response({"entries": [entry.to_dict() for entry in found], "cursor": None})
    page = await asyncio.to_thread(lambda: dnc.page(cursor or None, limit, scope=campaign))
    return json_response({"entries": [entry.to_dict() for entry in page.entries], "cursor": page.cursor})
