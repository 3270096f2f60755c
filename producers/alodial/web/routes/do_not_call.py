"""``/v1/dnc``: the do-not-call list."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ...api_keys import ApiKey
from ..audit import name_target
from ..auth import Reader, Writer, require_role, require_visible
from ..context import app_context
from ..key_rules import limit_refusal
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import invalid_fields
from ..request_bodies import printable, read_json_body
from ..responses import json_response

router = APIRouter(prefix="/v1/dnc", tags=["do-not-call"])

NAMED = 10
"""Numbers of a request that the audit names, masked."""

MAX_OWN_NUMBERS = 200_000
"""Numbers on the list of a key marked own, or of one of its campaigns."""

_CURSOR = r"^[0-9]{0,19}$"


async def _read_body(request: Request) -> tuple[list[str], str, str]:
    """Returns numbers, reason and campaign ("" for the list of all campaigns). Raises Refusal 400 or 422."""
    body: Any = await read_json_body(request)
    problems = []
    if not isinstance(body, dict):
        body = {}
        problems.append(FieldProblem("", "not_an_object", "must be an object", 'send {"numbers": [...]}'))
    numbers, reason, campaign = body.get("numbers"), body.get("reason", ""), body.get("campaign", "")
    if (
        not isinstance(numbers, list)
        or not 1 <= len(numbers) <= bodies.MAX_ROWS
        or not all(isinstance(n, str) for n in numbers)
    ):
        problems.append(
            FieldProblem("numbers", "not_a_list", f"must be 1 to {bodies.MAX_ROWS} texts", 'send ["994412860"]')
        )
    for name, value in (("reason", reason), ("campaign", campaign)):
        if not isinstance(value, str) or len(value) > 200:
            problems.append(FieldProblem(name, "bad_text", "must be a text of up to 200 characters", "shorten it"))
    problems += [
        FieldProblem(name[:64], "unknown_field", "is not known here", "send numbers, reason and campaign")
        for name in body
        if name not in ("numbers", "reason", "campaign")
    ]
    if problems:
        raise invalid_fields(problems)
    return numbers, printable(reason), campaign


_CHANGED = refusals(400, 401, 403, 404, 429, 413, 422, 503) | answers({200: ("Done", models.DncChanged)})


async def _list_of(request: Request, api_key: ApiKey, campaign: str) -> dict[str, str]:
    """Returns which list it is, as the arguments of ``queue.dnc``. Raises NotFound, Refusal 403."""
    if not campaign:
        return {"owner": api_key.owner_filter}
    record = await app_context(request).queue.campaigns.get(campaign, owner=api_key.owner_filter)
    require_visible(api_key, record.owner, campaign, "campaign")
    return {"scope": record.id, "owner": api_key.owner_filter}


@router.post("", summary="Put numbers on the list", responses=_CHANGED, openapi_extra=bodies.DNC)
async def add(request: Request, api_key: Writer) -> Response:
    """From the next second on they are not rung, whatever is queued for them. A key marked own has a list of its own, which
    binds its calls only."""
    numbers, reason, campaign = await _read_body(request)
    dnc, place = app_context(request).queue.dnc, await _list_of(request, api_key, campaign)
    if api_key.own and await dnc.count(**place) + len(numbers) > MAX_OWN_NUMBERS:
        raise limit_refusal("do_not_call", f"The list of this key holds up to {MAX_OWN_NUMBERS} numbers.")
    changed = await dnc.add(numbers, reason=reason, actor=api_key.actor, **place)
    name_target(request, campaign, *numbers[:NAMED], reason)
    return json_response({"changed": changed})


@router.post("/remove", summary="Take numbers off the list", responses=_CHANGED, openapi_extra=bodies.DNC)
async def remove(request: Request, api_key: Writer) -> Response:
    """Takes the role operate, but for the own list of a key marked own."""
    if not api_key.own:
        require_role(api_key, "operate")
    numbers, _, campaign = await _read_body(request)
    dnc, place = app_context(request).queue.dnc, await _list_of(request, api_key, campaign)
    changed = await dnc.remove(numbers, **place)
    name_target(request, campaign, *numbers[:NAMED])
    return json_response({"changed": changed})


@router.get(
    "",
    summary="The list, or why one number is on it",
    responses=refusals(401, 403, 404, 429, 422, 503) | answers({200: ("Some of it, in no order", models.DncList)}),
)
async def show(
    request: Request,
    api_key: Reader,
    number: Annotated[str, Query(max_length=64, description="Only this number")] = "",
    campaign: Annotated[str, Query(max_length=64, description="A campaign's own list")] = "",
    cursor: Annotated[str, Query(pattern=_CURSOR)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """For a key marked own: its own list."""
    dnc, place = app_context(request).queue.dnc, await _list_of(request, api_key, campaign)
    if number:
        # A "+" that was not written as %2B arrives as a space.
        phone = f"+{number[1:]}" if number[0] == " " else number
        scopes = ("", place["scope"]) if campaign else ("",)
        entries = await dnc.find(phone, scopes=scopes, owner=place["owner"])
        return json_response({"entries": [entry.to_dict() for entry in entries], "cursor": None})
    page = await dnc.page(cursor or None, limit, **place)
    return json_response({"entries": [entry.to_dict() for entry in page.entries], "cursor": page.cursor})
