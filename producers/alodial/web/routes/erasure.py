"""``POST /v1/forget``: erases one person."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ..audit import name_target
from ..auth import GlobalOperator
from ..erasing import OneErasure, number_to_erase
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import invalid_fields
from ..request_bodies import read_object
from ..responses import json_response

router = APIRouter(prefix="/v1", tags=["do-not-call"])


@router.post(
    "/forget",
    summary="Erase a person",
    responses=refusals(400, 401, 403, 413, 422, 429, 503) | answers({200: ("What was erased", models.Erased)}),
    openapi_extra=bodies.FORGET,
)
async def forget(request: Request, api_key: GlobalOperator) -> Response:
    """Erases everything that Redis holds of a number, and puts it on the do-not-call list as a hash that nobody can read.

    Without `"confirm": true` it is only counted. `under_way` are calls that have to end first: send it again then. A
    request that was cut short is sent again as well. What is out of reach is named under *Personal data* in the documentation
    on security.
    """
    body = await read_object(request)
    phone, confirm = body.get("phone"), body.get("confirm", False)
    problems = [
        FieldProblem(name[:64], "unknown_field", "is not known here", "send phone and confirm")
        for name in body
        if name not in ("phone", "confirm")
    ]
    if not isinstance(phone, str):
        problems.append(FieldProblem("phone", "not_text", "must be text", 'send for example "994412860"'))
    if not isinstance(confirm, bool):
        problems.append(FieldProblem("confirm", "bad_value", "must be true or false", "send true to erase"))
    if problems or not isinstance(phone, str):
        raise invalid_fields(problems)
    number = number_to_erase(request, phone)
    erasures: OneErasure = request.app.state.erasures
    report = await erasures.run(request, number, api_key.actor, apply=confirm)
    name_target(request, number, "erased" if confirm else "counted")
    return json_response(report.to_dict())
