"""``/v1/webhooks``: lists webhook endpoints, enables and disables them, sends events again."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ..auth import GlobalOperator, GlobalReader
from ..context import app_context
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import invalid_fields
from ..request_bodies import read_json_body
from ..responses import json_response

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_LATEST = 4_102_444_800_000
"""Unix ms of the year 2100."""

Id = Annotated[str, Path(pattern="^[0-9a-f]{4,12}$", description="An endpoint's id, or its beginning")]


_ENDPOINT = refusals(401, 403, 429, 404, 422, 503) | answers({200: ("How it fares now", models.Endpoint)})
_TIME = {"type": "integer", "minimum": 0, "maximum": _LATEST, "description": "Unix ms"}
_BODY = bodies.object_body(
    {
        "parked": {"type": "boolean", "description": "What was given up, or came while it was off"},
        "since": _TIME,
        "until": _TIME,
        "call": {"type": "string", "maxLength": 64, "description": "Of this call alone, by id or extid"},
    },
    {"since": 1_795_413_409_008},
    closed=True,
)


@router.get(
    "",
    summary="Endpoints and how they fare",
    responses=refusals(401, 403, 429, 503) | answers({200: ("All of them", models.EndpointList)}),
)
async def listed(request: Request, _key: GlobalReader) -> Response:
    endpoints = await app_context(request).queue.endpoints.list()
    return json_response({"endpoints": [endpoint.to_dict() for endpoint in endpoints]})


@router.post("/{id}/enable", summary="Send to it again", responses=_ENDPOINT)
async def enable(request: Request, id: Id, _key: GlobalOperator) -> Response:
    return json_response((await app_context(request).queue.endpoints.enable(id)).to_dict())


@router.post("/{id}/disable", summary="Send nothing more to it", responses=_ENDPOINT)
async def disable(request: Request, id: Id, _key: GlobalOperator) -> Response:
    """Events are parked meanwhile, for 30 days."""
    return json_response((await app_context(request).queue.endpoints.disable(id)).to_dict())


def _read_body(body: Any) -> dict[str, Any]:
    """Returns the fields of a resend. Raises Refusal 422."""
    problems = []
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    if not fields:
        remedy = 'send {"parked": true}, {"since": Unix ms} or {"call": "extid"}'
        problems.append(FieldProblem("", "nothing_asked", "says nothing of what to send", remedy))
    for name, value in fields.items():
        if name in ("since", "until"):
            valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LATEST
            remedy = "send Unix milliseconds"
        elif name == "parked":
            valid, remedy = isinstance(value, bool), "send true or false"
        elif name == "call":
            valid, remedy = isinstance(value, str) and len(value) <= 64, "send a call's id or extid"
        else:
            remedy = "send parked, since, until, call"
            problems.append(FieldProblem(name[:64], "unknown_field", "is not known here", remedy))
            continue
        if not valid:
            problems.append(FieldProblem(name, "bad_value", "is not usable", remedy))
    if problems:
        raise invalid_fields(problems)
    return fields


@router.post(
    "/{id}/resend",
    summary="Send events once more",
    responses=refusals(400, 401, 403, 429, 404, 413, 422, 503) | answers({200: ("On their way", models.Resent)}),
    openapi_extra=_BODY,
)
async def resend(request: Request, id: Id, _key: GlobalOperator) -> Response:
    """They keep their ids. `parked` alone, or a time and a call among what the event stream still has."""
    fields = _read_body(await read_json_body(request))
    endpoints = app_context(request).queue.endpoints
    if fields.get("parked"):
        count = await endpoints.resend_parked(id)
    else:
        since, until, call = fields.get("since"), fields.get("until"), fields.get("call", "")
        count = await endpoints.resend(id, since=since, until=until, call=call)
    return json_response({"events": count})
