"""``/v1/campaigns``: checks, submits, shows, controls and exports campaigns."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignRequest, CampaignState, parse_campaign

from ...api_keys import ApiKey
from ...calls.awaitable import AsyncCampaigns
from ...campaigns.errors import BadFile
from ...campaigns.importing.files import RowSource, open_source
from ...campaigns.records import CampaignRecord
from ...campaigns.service import KEEP
from ...campaigns.stored_fields import read_campaign
from ..auth import Reader, Submitter, Writer, charge_rows, require_visible, require_write
from ..client_presence import RequestWork, while_present
from ..context import app_context, reader_of
from ..idempotency import idempotency_key
from ..key_rules import caller_of, check_campaign, check_ends_at
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal
from ..request_bodies import media_type, printable, read_json_body, read_object, strict_json
from ..responses import json_response
from ..uploads import Upload, fields_beside, received_upload

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

_TRUE = frozenset({"1", "true", "yes", "on"})
_SAME = ("The campaign of the request with the same Idempotency-Key", models.Campaign)


def _campaigns(request: Request) -> AsyncCampaigns:
    return app_context(request).queue.campaigns


async def visible_campaign(request: Request, api_key: ApiKey, name: str) -> CampaignRecord:
    """Returns the campaign. Raises NotFound, also when the key may not see it."""
    record = await _campaigns(request).get(name, owner=api_key.owner_filter)
    require_visible(api_key, record.owner, name, "campaign")
    return record


async def _writable(request: Request, api_key: ApiKey, name: str) -> str:
    """Returns the id of a campaign that the key may change. Raises NotFound, Refusal 403."""
    if not api_key.own and api_key.has_role("operate"):
        return name
    record = await visible_campaign(request, api_key, name)
    require_write(api_key, record.owner, name, "campaign")
    return record.id


def _made(record: CampaignRecord) -> Response:
    """The answer 202 for a campaign that was made or got rows, 200 when its idempotency key had done so before."""
    return json_response(record.to_dict(), 200 if record.repeated else 202, {"Location": f"/v1/campaigns/{record.id}"})


class ReceivedCampaign(NamedTuple):
    """A campaign with its rows as a client sent them; ``again`` submits rows that were submitted before."""

    request: CampaignRequest
    source: RowSource
    again: bool
    work: RequestWork


@asynccontextmanager
async def _received(request: Request, api_key: ApiKey) -> AsyncIterator[ReceivedCampaign]:
    """Yields the campaign of a JSON body or of an upload, whose file is deleted afterwards.

    Raises Refusal, BadFile, InvalidCampaign.
    """
    if media_type(request) in ("application/json", ""):
        body = await read_json_body(request)
        if isinstance(body, dict) and isinstance(body.get("rows"), list):
            charge_rows(request, api_key, len(body["rows"]))
        async with while_present(request, app_context(request).settings.file_cpu_seconds) as work:
            yield ReceivedCampaign(*await work.run(_from_json, request, body), work)
        return
    async with received_upload(request, api_key) as (upload, work):
        yield ReceivedCampaign(*await work.run(_from_upload, request, upload), work)


def _invalid(detail: str, field: str, code: str, problem: str, remedy: str) -> Refusal:
    return Refusal(422, "invalid_campaign", detail, [FieldProblem(field, code, problem, remedy)])


def _from_json(request: Request, body: Any) -> tuple[CampaignRequest, RowSource, bool]:
    if not isinstance(body, dict):
        remedy = "send one JSON object with name, call and rows"
        raise _invalid("The body is no campaign.", "", "not_an_object", "must be an object", remedy)
    rows = body.pop("rows", None)
    again = body.pop("again", False) is True
    if not isinstance(rows, list) or not rows:
        remedy = "give rows, or send a file as multipart/form-data"
        raise _invalid("The campaign has no rows.", "rows", "missing", "must be a list of rows", remedy)
    if len(rows) > bodies.MAX_ROWS:
        raise Refusal(413, "too_many_rows", f"A body has up to {bodies.MAX_ROWS} rows; send more of them as a file.")
    campaign = read_campaign(body, app_context(request).settings)
    plain = [row if isinstance(row, dict | str | int) else str(row) for row in rows]
    return campaign, open_source(plain), again


def _from_upload(request: Request, upload: Upload) -> tuple[CampaignRequest, RowSource, bool]:
    fields = fields_beside(request, upload)
    fields.pop("filename", None)
    if not upload.filename:
        raise _invalid("No file came.", "file", "missing", "is missing", "send the file as the form's part `file`")
    again = fields.pop("again", "").lower() in _TRUE
    text = fields.pop("campaign", None)
    if text is None:
        remedy = 'send {"name": ..., "call": {...}} as the field `campaign`'
        raise _invalid("The campaign itself is missing.", "campaign", "missing", "is missing", remedy)
    if fields:
        names, remedy = ", ".join(sorted(fields))[:200], "send file, campaign and again"
        raise _invalid("There are fields too many.", names, "unknown_field", "is not known here", remedy)
    try:
        body = strict_json(text.encode())
    except ValueError as exc:
        detail, problem = "The campaign cannot be read.", f"is not JSON: {exc}"
        raise _invalid(detail, "campaign", "malformed_json", problem, "send one JSON object") from None
    campaign = read_campaign(body, app_context(request).settings)
    return campaign, open_source(upload.path, name=upload.filename), again


@router.post(
    "/check",
    summary="Check a file before anything is dialled",
    responses=refusals(400, 401, 403, 429, 408, 413, 415, 422, 503)
    | answers({200: ("What a submission would take and refuse", models.Check)}),
    openapi_extra=bodies.CAMPAIGN,
)
async def check(request: Request, api_key: Submitter) -> Response:
    """Nothing is stored and nobody is called. Problems carry the spreadsheet's own row numbers.

    Texts are in the language of `Accept-Language`: en, ru or uz. Names and codes are the same in all.
    """
    async with _received(request, api_key) as received:
        check_campaign(api_key, received.request, app_context(request).settings)
        check_file = partial(_campaigns(request).blocking.check, caller=caller_of(api_key))
        report = await received.work.run(check_file, received.source, received.request)
    return json_response(report.to_dict(reader_of(request)))


@router.post(
    "",
    status_code=202,
    summary="Submit a campaign",
    responses=refusals(400, 401, 403, 429, 408, 409, 413, 415, 422, 503)
    | answers({202: ("Its rows are stored", models.Campaign), 200: _SAME}),
    openapi_extra=bodies.CAMPAIGN_KEY | bodies.CAMPAIGN,
)
async def submit(request: Request, api_key: Submitter) -> Response:
    """A file as multipart/form-data (`file`, `campaign` as JSON, `again`), or JSON with `rows`.

    The same rows a second time are refused with 409 `campaign_duplicate`, unless `again` is true. A submission that was
    broken off goes on where it stopped when the same request is sent again. 200 with the campaign that the same
    `Idempotency-Key` made before, 409 when the request differs.
    """
    key = idempotency_key(request)
    async with _received(request, api_key) as received:
        check_campaign(api_key, received.request, app_context(request).settings)
        record = await received.work.run(
            _campaigns(request).blocking.submit,
            received.source,
            received.request,
            actor=api_key.actor,
            caller=caller_of(api_key),
            again=received.again,
            idempotency_key=key,
            scope=api_key.scope,
        )
    return _made(record)


@router.get(
    "",
    summary="List campaigns, newest first",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("A page", models.CampaignList)}),
)
async def list_campaigns(
    request: Request,
    api_key: Reader,
    state: Annotated[CampaignState | None, Query(description="Only campaigns in this state")] = None,
    cursor: Annotated[
        str, Query(pattern=r"^([0-9]{0,9}|[0-9a-f-]{36})$", description="Of the page before, as it is")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    page = await _campaigns(request).list(
        state=state or "", owner=api_key.owner_filter, cursor=cursor or None, limit=limit
    )
    return json_response({"campaigns": [record.to_dict() for record in page.campaigns], "cursor": page.cursor})


_SHOWN = answers({200: ("The campaign", models.Campaign)})


@router.get("/{name}", summary="Show a campaign", responses=refusals(401, 403, 429, 404, 503) | _SHOWN)
async def show(request: Request, api_key: Reader, name: str) -> Response:
    """Its state, its figures and its expected end, by id."""
    return json_response((await visible_campaign(request, api_key, name)).to_dict())


_CHANGED = refusals(400, 401, 403, 429, 404, 409, 422, 503) | _SHOWN


@router.post("/{name}/pause", summary="Pause a campaign", responses=_CHANGED, openapi_extra=bodies.REASON)
async def pause(request: Request, api_key: Writer, name: str) -> Response:
    """No new POST of it on any worker from now on; what rings goes on to its result."""
    name = await _writable(request, api_key, name)
    reason = await _reason(request)
    return json_response((await _campaigns(request).pause(name, actor=api_key.actor, reason=reason)).to_dict())


@router.post("/{name}/resume", summary="Resume a campaign", responses=_CHANGED)
async def resume(request: Request, api_key: Writer, name: str) -> Response:
    """It goes on where it was."""
    name = await _writable(request, api_key, name)
    return json_response((await _campaigns(request).resume(name, actor=api_key.actor)).to_dict())


@router.post("/{name}/cancel", summary="Cancel a campaign", responses=_CHANGED, openapi_extra=bodies.REASON)
async def cancel(request: Request, api_key: Writer, name: str) -> Response:
    """For good. What waits is canceled, what rings goes on to its result."""
    name = await _writable(request, api_key, name)
    reason = await _reason(request)
    return json_response((await _campaigns(request).cancel(name, actor=api_key.actor, reason=reason)).to_dict())


@router.post("/{name}/change", summary="Change a campaign", responses=_CHANGED, openapi_extra=bodies.CHANGE)
async def change(request: Request, api_key: Writer, name: str) -> Response:
    """`pace`, `channels`, `weight` and `ends_at`; null lifts a limit."""
    name = await _writable(request, api_key, name)
    body = await read_object(request)
    names = ("channels", "ends_at", "pace", "weight")
    remedy = f"give {', '.join(names)}"
    unknown = [
        FieldProblem(field[:64], "unknown_field", "cannot be changed", remedy) for field in body if field not in names
    ]
    if unknown or not body:
        problems = unknown or [FieldProblem("", "missing", "changes nothing", remedy)]
        raise Refusal(422, "invalid_campaign", "There is nothing that can be changed.", problems)
    check_ends_at(body.get("ends_at"), app_context(request).settings)
    changes = {field: body.get(field, KEEP) for field in names}
    return json_response((await _campaigns(request).change(name, actor=api_key.actor, **changes)).to_dict())


_MADE = _CHANGED | answers({202: ("The new campaign", models.Campaign), 200: _SAME})


@router.post(
    "/{name}/clone", status_code=202, summary="Clone a campaign", responses=_MADE, openapi_extra=bodies.CAMPAIGN_KEY
)
async def clone(request: Request, api_key: Writer, name: str) -> Response:
    """The same rows and policy once more, paused."""
    name = await _writable(request, api_key, name)
    record = await _campaigns(request).clone(
        name,
        actor=api_key.actor,
        caller=caller_of(api_key),
        idempotency_key=idempotency_key(request),
        scope=api_key.scope,
    )
    return _made(record)


@router.post(
    "/{name}/retry",
    status_code=202,
    summary="Call the unanswered once more",
    responses=_MADE,
    openapi_extra=bodies.CAMPAIGN_KEY,
)
async def retry(request: Request, api_key: Writer, name: str, leave_out: bool = False) -> Response:
    """A new campaign of the rows that nobody answered; the old one must have ended.

    A campaign is retried once: afterwards 409 `campaign_duplicate` names the retry, which can be retried in its turn. While
    calls are in progress it is 409 `campaign_state`, unless `leave_out` leaves out their rows: `rows.left_out` counts them.
    """
    name = await _writable(request, api_key, name)
    record = await _campaigns(request).retry_failed(
        name,
        actor=api_key.actor,
        caller=caller_of(api_key),
        idempotency_key=idempotency_key(request),
        scope=api_key.scope,
        leave_out=leave_out,
    )
    return _made(record)


@router.post(
    "/{name}/rows",
    status_code=202,
    summary="Add rows",
    responses=_CHANGED | refusals(413, 415) | answers({202: ("With its new rows", models.Campaign), 200: _SAME}),
    openapi_extra=bodies.CAMPAIGN_KEY | bodies.ROWS,
)
async def add_rows(request: Request, api_key: Writer, name: str) -> Response:
    """A file with the same columns as the first; all of its good rows or none.

    `sheet`, `header_row`, `hidden` and `columns` (an object as JSON) say how this file is read, as in a campaign.
    """
    name = await _writable(request, api_key, name)
    key = idempotency_key(request)
    async with received_upload(request, api_key) as (upload, work):
        if not upload.filename:
            raise BadFile("no_file", "no file came", "send the file as the form's part `file`")
        fields = fields_beside(request, upload)
        again, reading = fields.get("again", "").lower() in _TRUE, _file_reading(fields)
        source = await work.run(open_source, upload.path, name=upload.filename)
        record = await work.run(
            _campaigns(request).blocking.add,
            *(name, source),
            actor=api_key.actor,
            again=again,
            idempotency_key=key,
            scope=api_key.scope,
            **reading,
        )
    return _made(record)


def _file_reading(fields: dict[str, str]) -> dict[str, Any]:
    """How a file is read, from the fields beside it. Raises InvalidCampaign that names each bad field."""
    names = ("sheet", "header_row", "hidden", "columns")
    part: dict[str, Any] = {name: fields[name] for name in names if fields.get(name)}
    if "columns" in part:
        try:
            part["columns"] = strict_json(part["columns"].encode())
        except ValueError as exc:
            detail, remedy = "The columns cannot be read.", 'send an object such as {"phone": "Телефон"}'
            raise _invalid(detail, "columns", "malformed_json", f"is not JSON: {exc}", remedy) from None
    request = parse_campaign({"name": "rows", "call": {}} | part)
    return {name: getattr(request, name) for name in part}


@router.get(
    "/{name}/activity",
    summary="Who did what to it",
    responses=refusals(401, 403, 429, 404, 503) | answers({200: ("Newest first", models.ActivityList)}),
)
async def activity(request: Request, api_key: Reader, name: str) -> Response:
    name = (await visible_campaign(request, api_key, name)).id
    acts = await _campaigns(request).activity(name)
    return json_response({"activity": [act.to_dict() for act in acts]})


async def _reason(request: Request) -> str:
    """Returns the reason in the body, "" without one. Raises Refusal 400 or 422."""
    body = await read_object(request)
    reason = body.pop("reason", "")
    if body or not isinstance(reason, str) or len(reason) > 200:
        text = "is the only field here, a text of up to 200 characters"
        problem = FieldProblem("reason", "bad_text", text, "shorten the text, send no other field")
        raise Refusal(422, "invalid_request", "The body has other fields than reason.", [problem])
    return printable(reason)
