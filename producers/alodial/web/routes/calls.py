"""``/v1/calls``: place, show, list, cancel and redial calls."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import Disposition, FieldProblem, PhoneError, State, any_phone

from ...calls.call_events import events_of
from ...calls.prepare import prepare, read_call
from ...calls.threads import ARCHIVE
from ...store.call_facts import NO_VALUE
from ...store.call_filter import MIN_PART, CallFilter
from ..auth import Reader, Writer, caller, require_role, require_visible, require_write
from ..context import app_context
from ..idempotency import idempotency_key
from ..key_rules import caller_of, check_call
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal, invalid_fields
from ..query_parameters import unknown_parameters
from ..query_times import TimeRange
from ..request_bodies import parse_body, read_json_body
from ..responses import json_response

router = APIRouter(prefix="/v1/calls", tags=["calls"])

_CURSOR = r"^([a-z][0-9.-]{1,40}|m[a-z0-9_.-]{1,140})?$"
"""The letter of a list and a position in it; or a call's place in the list of live and archived calls."""


@dataclass(frozen=True, slots=True)
class _ListQuestion:
    """The parameters of the list of calls."""

    state: Annotated[State | None, Query(description="Only calls in this state")] = None
    campaign: Annotated[str, Query(max_length=128, description="Only calls of this campaign, by its id")] = ""
    phone: Annotated[
        str, Query(max_length=64, description="Only calls to or from this number", examples=["994412860"])
    ] = ""
    reference: Annotated[str, Query(max_length=128, description="Only calls with this reference of yours")] = ""
    disposition: Annotated[Disposition | None, Query(description="Only calls whose last attempt went so")] = None
    account: Annotated[str, Query(max_length=64, description="Only calls of this account")] = ""
    reason: Annotated[str, Query(max_length=64, description="Only calls that ended with this code")] = ""
    since: Annotated[str, Query(max_length=40, description="Made at this time or later, ISO 8601 with a zone")] = ""
    until: Annotated[str, Query(max_length=40, description="Made before this time")] = ""
    part: Annotated[
        str,
        Query(max_length=128, description="Only calls with this in a number, the reference or a value of the metadata"),
    ] = ""
    ended: Annotated[bool, Query(description="Only calls that have ended")] = False
    line: Annotated[str, Query(max_length=64, description="Only calls that went out from this line, or `none`")] = ""
    operator: Annotated[
        str,
        Query(max_length=8, description="Only calls to this operator, as reports name it, or `none`", examples=["90"]),
    ] = ""
    initiator: Annotated[
        str, Query(max_length=64, description="Only calls in which this number was called first, or `none`")
    ] = ""
    hour: Annotated[int | None, Query(ge=0, le=23, description="Only calls of this hour of local time")] = None
    weekday: Annotated[int | None, Query(ge=1, le=7, description="Only calls of this weekday; 1 is Monday")] = None
    times: Annotated[
        Literal["created", "called"],
        Query(description="`called`: since, until, hour and weekday are those of the first attempt"),
    ] = "created"
    cursor: Annotated[str, Query(pattern=_CURSOR, description="Of the page before, as it is")] = ""
    limit: Annotated[int, Query(ge=1, le=200)] = 50


ListQuestion = Annotated[_ListQuestion, Depends()]


@router.post(
    "",
    status_code=202,
    summary="Place a call",
    responses=refusals(400, 401, 403, 429, 408, 409, 413, 422, 503)
    | answers({200: ("The same call as before", models.PlacedCall), 202: ("Stored for good", models.PlacedCall)}),
    openapi_extra=bodies.CALL,
)
async def place_call(request: Request) -> Response:
    """Stores a call and rings the workers.

    202 for a new call, 200 for the call that the same `Idempotency-Key` or `extid` with the same body had made before,
    409 when the body differs. After a 503 nothing may be taken as queued: send it again with the same key.
    """
    api_key = require_role(
        await caller(request), "submit"
    )  # as a dependency it would cost a sixth of this route's speed
    context = app_context(request)
    key = idempotency_key(request)
    call = read_call(await read_json_body(request), context.settings)
    check_call(api_key, call, context.settings)
    new_call = prepare(call, context.settings, key=key, scope=api_key.scope, caller=caller_of(api_key))
    placed = await context.acceptor.accept(new_call)
    body = {"id": placed.id, "extid": placed.extid, "state": placed.state, "reference": call.reference, **placed.noted}
    return json_response(body, 202 if placed.created else 200, {"Location": f"/v1/calls/{placed.id}"})


@router.get(
    "",
    summary="List calls, newest first",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("A page", models.CallPage)}),
)
async def list_calls(request: Request, api_key: Reader, question: ListQuestion) -> Response:
    """One page of summaries. A narrow filter may give short or empty pages: go on until `cursor` is null.

    Archived calls are in the same list. While the archive does not answer a page has `"incomplete": true`: older calls lack.
    """
    call_filter = _filter(request, question, api_key.owner_filter)
    page = await app_context(request).queue.calls(call_filter, cursor=question.cursor or None, limit=question.limit)
    incomplete = {"incomplete": True} if page.incomplete else {}
    return json_response({"calls": [record.summary() for record in page.calls], "cursor": page.cursor} | incomplete)


def _filter(request: Request, question: _ListQuestion, owner: str) -> CallFilter:
    """The calls that are asked for: an owner's, or all with "". Raises Refusal 422."""
    problems = unknown_parameters(request, _ListQuestion)
    numbers = {"phone": question.phone, "initiator": question.initiator}
    for name, number in numbers.items():
        if number and (name, number) != ("initiator", NO_VALUE):
            try:
                numbers[name] = any_phone(_plus(number), app_context(request).settings.allowed_prefixes)
            except PhoneError as exc:
                problems.append(FieldProblem(name, exc.code, exc.reason, exc.remedy))
    if question.part and sum(char.isalnum() for char in question.part) < MIN_PART:
        remedy = f"give at least {MIN_PART} letters or digits"
        problems.append(FieldProblem("part", "too_short", "would match nearly every call", remedy))
    within = TimeRange(question.since, question.until)
    problems += within.problems
    if problems:
        raise invalid_fields(problems, "parameter")
    return CallFilter(
        state=question.state or "",
        campaign=question.campaign,
        phone=numbers["phone"],
        reference=question.reference,
        disposition=question.disposition or "",
        account=question.account,
        owner=owner,
        reason=question.reason,
        since=within.since,
        until=within.until,
        part=question.part,
        ended=question.ended,
        line=question.line,
        operator=_plus(question.operator),
        initiator=numbers["initiator"],
        hour=question.hour,
        weekday=question.weekday,
        times=question.times,
    )


def _plus(text: str) -> str:
    """A text of a query in which a "+" was not written as %2B: it arrives as a space."""
    return f"+{text[1:]}" if text[:1] == " " else text


@router.get(
    "/{name}",
    summary="Show a call",
    responses=refusals(401, 403, 429, 404, 503) | answers({200: ("The whole record", models.CallShown)}),
)
async def show_call(request: Request, api_key: Reader, name: str) -> Response:
    """The whole record with its attempts and timeline, by `id` or by any of its extids."""
    record = await app_context(request).queue.get(name, viewer=caller_of(api_key))
    require_visible(api_key, record.owner, name)
    return json_response(record.to_dict())


@router.get(
    "/{name}/events",
    summary="List a call's events",
    responses=refusals(401, 403, 429, 404, 503) | answers({200: ("Its events", models.CallEventsShown)}),
)
async def list_call_events(request: Request, api_key: Reader, name: str) -> Response:
    """The CloudEvents of a call, the oldest first: those in the stream, and those that only the archive still has."""
    queue = app_context(request).queue
    record = await queue.get(name, viewer=caller_of(api_key))
    require_visible(api_key, record.owner, name)
    read = await ARCHIVE.run(events_of, queue.thread_store, queue.archive, record)
    return json_response({"events": read.events} | ({"incomplete": True} if read.incomplete else {}))


@router.post(
    "/{name}/cancel",
    summary="Cancel a call",
    responses=refusals(401, 403, 429, 404, 409, 503) | answers({200: ("Canceled", models.CanceledCall)}),
)
async def cancel_call(request: Request, api_key: Writer, name: str) -> Response:
    """Cancels a call that was not submitted yet; 409 once it is being submitted or has ended otherwise."""
    queue, viewer = app_context(request).queue, caller_of(api_key)
    if api_key.own or not api_key.has_role("operate"):
        require_write(api_key, (await queue.get(name, viewer=viewer)).owner, name)
    canceled = await queue.cancel(name, viewer=viewer)
    return json_response({"id": canceled.id, "extid": canceled.extid, "state": canceled.state})


@router.post(
    "/{name}/redial",
    status_code=202,
    summary="Ring once more",
    responses=refusals(400, 401, 403, 404, 409, 422, 429, 503) | answers({202: ("On its way", models.RedialedCall)}),
    openapi_extra=bodies.REDIAL,
)
async def redial_call(request: Request, api_key: Writer, name: str) -> Response:
    """An unconfirmed call gets one more attempt although it may have rung; a call that ended gets a new call with the same
    body. 409 while it is on its way. Give `attempt`, the number of the attempt that you saw, so that two who ask ring once.
    """
    raw = await request.body()
    body = await parse_body(raw) if raw.strip() else {}
    attempt = body.get("attempt") if isinstance(body, dict) else None
    valid = attempt is None or (isinstance(attempt, int) and not isinstance(attempt, bool) and 1 <= attempt <= 1000)
    if not isinstance(body, dict) or set(body) - {"attempt"} or not valid:
        remedy = 'send {"attempt": 1}'
        problem = FieldProblem("attempt", "bad_attempt", "is the only field here, a number from 1", remedy)
        raise Refusal(422, "invalid_request", "The body is not understood.", [problem])
    queue, viewer = app_context(request).queue, caller_of(api_key)
    require_write(api_key, (await queue.get(name, viewer=viewer)).owner, name)
    call = await queue.redial(name, actor=api_key.actor, attempt=attempt, viewer=viewer)
    body = {"id": call.id, "extid": call.extid, "state": call.state}
    return json_response(body, 202, {"Location": f"/v1/calls/{call.id}"})
