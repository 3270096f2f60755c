"""``/v1/campaigns``: check a file, submit it, look, steer, export. Blocking work is done in threads."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignRequest, CampaignState

from ...api_keys import ApiKey
from ...campaigns.errors import BadFile
from ...campaigns.importing.files import Source, open_source
from ...campaigns.records import CampaignRecord
from ...campaigns.service import KEEP, Campaigns
from ...campaigns.stored_fields import read_campaign
from ..auth import Reader, Steerer, Submitter, require_visible, require_write
from ..context import app_context
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal
from ..request_bodies import read_json, strict_json
from ..responses import json_response
from ..uploads import Upload, receive_upload

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

MAX_INLINE = 10_000
"""Rows inside of a JSON body; more of them come as a file."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_CURSOR = r"^[0-9]{0,9}$"


def _campaigns(request: Request) -> Campaigns:
    return app_context(request).queue.campaigns.blocking


async def _seen(request: Request, by: ApiKey, name: str) -> CampaignRecord:
    """Raises NotFound, also for somebody else's."""
    record = await asyncio.to_thread(_campaigns(request).get, name)
    require_visible(by, record.owner, name, "campaign")
    return record


async def _steered(request: Request, by: ApiKey, name: str) -> None:
    """Raises NotFound, Refusal 403."""
    if by.own or not by.may("operate"):
        record = await asyncio.to_thread(_campaigns(request).get, name)
        require_write(by, record.owner, name, "campaign")


class _Asked:
    """A campaign with its rows, however it was sent; ``close`` deletes what was uploaded."""

    def __init__(self, request: CampaignRequest, source: Source, path: Path | None, *, again: bool) -> None:
        self.request = request
        self.source = source
        self.again = again
        self._path = path

    def close(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


async def _asked(request: Request) -> _Asked:
    """Raises Refusal, BadFile, InvalidCampaign."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/json", ""):
        return await _inline(request)
    upload = await receive_upload(request)
    try:
        return await asyncio.to_thread(_uploaded, request, upload)
    except BaseException:
        await asyncio.to_thread(upload.path.unlink, missing_ok=True)
        raise


async def _inline(request: Request) -> _Asked:
    body = read_json(await request.body())
    if not isinstance(body, dict):
        wrong = FieldProblem("", "not_an_object", "must be an object", "send one JSON object with name, call and rows")
        raise Refusal(422, "invalid_campaign", "The body is no campaign.", [wrong])
    rows = body.pop("rows", None)
    again = body.pop("again", False) is True
    if not isinstance(rows, list) or not rows:
        wrong = FieldProblem(
            "rows", "missing", "must be a list of rows", "give rows, or send a file as multipart/form-data"
        )
        raise Refusal(422, "invalid_campaign", "The campaign has no rows.", [wrong])
    if len(rows) > MAX_INLINE:
        raise Refusal(413, "too_many_rows", f"A body has up to {MAX_INLINE} rows; send more of them as a file.")
    asked = read_campaign(body, app_context(request).settings)
    source = await asyncio.to_thread(
        open_source, [row if isinstance(row, dict | str | int) else str(row) for row in rows]
    )
    return _Asked(asked, source, None, again=again)


def _uploaded(request: Request, upload: Upload) -> _Asked:
    given = {**dict(request.query_params), **upload.fields}
    given.pop("filename", None)
    if not upload.filename:
        wrong = FieldProblem("file", "missing", "is missing", "send the file as the form's part `file`")
        raise Refusal(422, "invalid_campaign", "No file came.", [wrong])
    again = given.pop("again", "").lower() in _TRUE
    text = given.pop("campaign", None)
    if text is None:
        wrong = FieldProblem(
            "campaign", "missing", "is missing", 'send {"name": ..., "call": {...}} as the field `campaign`'
        )
        raise Refusal(422, "invalid_campaign", "The campaign itself is missing.", [wrong])
    if given:
        names = ", ".join(sorted(given))[:200]
        wrong = FieldProblem(names, "unknown_field", "is not known here", "send file, campaign and again")
        raise Refusal(422, "invalid_campaign", "There are fields too many.", [wrong])
    try:
        body = strict_json(text.encode())
    except ValueError as exc:
        wrong = FieldProblem("campaign", "malformed_json", f"is not JSON: {exc}", "send one JSON object")
        raise Refusal(422, "invalid_campaign", "The campaign cannot be read.", [wrong]) from None
    asked = read_campaign(body, app_context(request).settings)
    return _Asked(asked, open_source(upload.path, name=upload.filename), upload.path, again=again)


@router.post(
    "/check",
    summary="Check a file before anything is dialled",
    responses=refusals(400, 401, 403, 429, 408, 413, 415, 422, 503)
    | answers({200: ("What a submission would take and refuse", models.Check)}),
    openapi_extra=bodies.CAMPAIGN,
)
async def check(request: Request, _by: Submitter) -> Response:
    """Nothing is stored and nobody is called. Problems carry the spreadsheet's own row numbers."""
    asked = await _asked(request)
    try:
        report = await asyncio.to_thread(_campaigns(request).check, asked.source, asked.request)
    finally:
        await asyncio.to_thread(asked.close)
    return json_response(report.to_dict())


@router.post(
    "",
    status_code=202,
    summary="Submit a campaign",
    responses=refusals(400, 401, 403, 429, 408, 409, 413, 415, 422, 503)
    | answers({202: ("Its rows are stored", models.Campaign)}),
    openapi_extra=bodies.CAMPAIGN,
)
async def submit(request: Request, by: Submitter) -> Response:
    """A file as multipart/form-data (`file`, `campaign` as JSON, `again`), or JSON with `rows`.

    The same rows a second time are refused with 409 `campaign_duplicate`, unless `again` is true. A submission that was
    broken off goes on where it stopped when the same request is sent again.
    """
    asked = await _asked(request)
    try:
        record = await asyncio.to_thread(
            lambda: _campaigns(request).submit(
                asked.source, asked.request, actor=by.actor, owner=by.name, again=asked.again
            )
        )
    finally:
        await asyncio.to_thread(asked.close)
    return json_response(record.to_dict(), 202, {"Location": f"/v1/campaigns/{record.id}"})


@router.get(
    "",
    summary="List campaigns, newest first",
    responses=refusals(401, 403, 429, 422, 503) | answers({200: ("A page", models.CampaignList)}),
)
async def list_campaigns(
    request: Request,
    by: Reader,
    state: Annotated[CampaignState | None, Query(description="Only campaigns in this state")] = None,
    cursor: Annotated[str, Query(pattern=_CURSOR, description="Of the page before, as it is")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    page = await asyncio.to_thread(
        lambda: _campaigns(request).list(state=state or "", owner=by.only, cursor=cursor or None, limit=limit)
    )
    return json_response({"campaigns": [record.to_dict() for record in page.campaigns], "cursor": page.cursor})


_SHOWN = answers({200: ("The campaign", models.Campaign)})


@router.get("/{name}", summary="Show a campaign", responses=refusals(401, 403, 429, 404, 503) | _SHOWN)
async def show(request: Request, by: Reader, name: str) -> Response:
    """Its state, its figures and its expected end, by id."""
    return json_response((await _seen(request, by, name)).to_dict())


_STEERED = refusals(400, 401, 403, 429, 404, 409, 422, 503) | _SHOWN


@router.post("/{name}/pause", summary="Pause a campaign", responses=_STEERED, openapi_extra=bodies.REASON)
async def pause(request: Request, by: Steerer, name: str) -> Response:
    """No new POST of it on any worker from now on; what rings goes on to its result."""
    await _steered(request, by, name)
    reason = await _reason(request)
    done = await asyncio.to_thread(lambda: _campaigns(request).pause(name, actor=by.actor, reason=reason))
    return json_response(done.to_dict())


@router.post("/{name}/resume", summary="Resume a campaign", responses=_STEERED)
async def resume(request: Request, by: Steerer, name: str) -> Response:
    """It goes on where it was."""
    await _steered(request, by, name)
    return json_response((await asyncio.to_thread(lambda: _campaigns(request).resume(name, actor=by.actor))).to_dict())


@router.post("/{name}/cancel", summary="Cancel a campaign", responses=_STEERED, openapi_extra=bodies.REASON)
async def cancel(request: Request, by: Steerer, name: str) -> Response:
    """For good. What waits is canceled, what rings goes on to its result."""
    await _steered(request, by, name)
    reason = await _reason(request)
    done = await asyncio.to_thread(lambda: _campaigns(request).cancel(name, actor=by.actor, reason=reason))
    return json_response(done.to_dict())


@router.post("/{name}/change", summary="Change a campaign", responses=_STEERED, openapi_extra=bodies.CHANGE)
async def change(request: Request, by: Steerer, name: str) -> Response:
    """`pace`, `channels`, `weight` and `ends_at`; null lifts a limit."""
    await _steered(request, by, name)
    body = await _object(request)
    known = {"pace", "channels", "weight", "ends_at"}
    problems = [
        FieldProblem(field[:64], "unknown_field", "cannot be changed", f"give {', '.join(sorted(known))}")
        for field in body
        if field not in known
    ]
    if problems or not body:
        nothing = [FieldProblem("", "missing", "changes nothing", f"give {', '.join(sorted(known))}")]
        raise Refusal(422, "invalid_campaign", "There is nothing that can be changed.", problems or nothing)
    asked = {field: body.get(field, KEEP) for field in known}
    done = await asyncio.to_thread(lambda: _campaigns(request).change(name, actor=by.actor, **asked))
    return json_response(done.to_dict())


@router.post("/{name}/clone", status_code=202, summary="Clone a campaign", responses=_STEERED)
async def clone(request: Request, by: Steerer, name: str) -> Response:
    """The same rows and policy once more, paused."""
    await _steered(request, by, name)
    return json_response(
        (await asyncio.to_thread(lambda: _campaigns(request).clone(name, actor=by.actor, owner=by.name))).to_dict(), 202
    )


@router.post("/{name}/retry", status_code=202, summary="Call the unanswered once more", responses=_STEERED)
async def retry(request: Request, by: Steerer, name: str) -> Response:
    """A new campaign of the rows that nobody answered; the old one must have ended."""
    await _steered(request, by, name)
    done = await asyncio.to_thread(lambda: _campaigns(request).retry_failed(name, actor=by.actor, owner=by.name))
    return json_response(done.to_dict(), 202)


@router.post(
    "/{name}/rows",
    status_code=202,
    summary="Add rows",
    responses=_STEERED | refusals(413, 415),
    openapi_extra=bodies.ROWS,
)
async def add_rows(request: Request, by: Steerer, name: str) -> Response:
    """A file with the same columns as the first; all of its good rows or none."""
    await _steered(request, by, name)
    upload = await receive_upload(request)
    again = {**dict(request.query_params), **upload.fields}.get("again", "").lower() in _TRUE

    def add() -> Any:
        if not upload.filename:
            raise BadFile("no_file", "no file came", "send the file as the form's part `file`")
        source = open_source(upload.path, name=upload.filename)
        return _campaigns(request).add(name, source, actor=by.actor, again=again)

    try:
        record = await asyncio.to_thread(add)
    finally:
        await asyncio.to_thread(upload.path.unlink, missing_ok=True)
    return json_response(record.to_dict(), 202)


@router.get(
    "/{name}/activity",
    summary="Who did what to it",
    responses=refusals(401, 403, 429, 404, 503) | answers({200: ("Newest first", models.ActivityList)}),
)
async def activity(request: Request, by: Reader, name: str) -> Response:
    await _seen(request, by, name)
    acts = await asyncio.to_thread(_campaigns(request).activity, name)
    return json_response({"activity": [act.to_dict() for act in acts]})


def _block_of(blocks: Iterator[bytes]) -> bytes | None:
    return next(blocks, None)


async def _streamed(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (block := await asyncio.to_thread(_block_of, blocks)) is not None:
        yield block


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


_CSV: dict[int | str, dict[str, Any]] = {200: {"description": "A CSV file", "content": {"text/csv": {}}}}


@router.get(
    "/{name}/results.csv", summary="Export the results", responses=refusals(401, 403, 429, 404, 422, 503) | _CSV
)
async def results_csv(
    request: Request,
    by: Reader,
    name: str,
    delimiter: Annotated[str, Query(pattern="^(,|;|tab)$", description="`,`, `;` or `tab`")] = ",",
) -> Response:
    """Every good row with its original columns and what became of it, in the file's order, streamed."""
    from ...campaigns.exporting.results import csv_blocks  # noqa: PLC0415  # only this route needs it

    campaigns = _campaigns(request)
    record = await _seen(request, by, name)
    blocks = csv_blocks(campaigns.rows(record.id), record.columns, delimiter="\t" if delimiter == "tab" else delimiter)
    headers = _attachment(f"campaign-{record.id}.csv")
    return StreamingResponse(_streamed(blocks), media_type="text/csv; charset=utf-8", headers=headers)


_XLSX: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A workbook",
        "content": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {}},
    }
}


@router.get("/{name}/results.xlsx", summary="Export as a workbook", responses=refusals(401, 403, 429, 404, 503) | _XLSX)
async def results_xlsx(request: Request, by: Reader, name: str) -> Response:
    """As results.csv. It is written to disk first, so it begins to arrive when it is whole."""
    from ...campaigns.exporting.results import write_xlsx  # noqa: PLC0415  # as above
    from ..uploads import place_file  # noqa: PLC0415  # as above

    campaigns = _campaigns(request)
    record = await _seen(request, by, name)
    path = await asyncio.to_thread(place_file, app_context(request).settings)

    def write() -> None:
        write_xlsx(path, campaigns.rows(record.id), record.columns)

    try:
        await asyncio.to_thread(write)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    return _Passing(path, f"campaign-{record.id}.xlsx")


class _Passing(FileResponse):
    """A file that goes with its answer."""

    def __init__(self, path: Path, name: str) -> None:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        super().__init__(path, media_type=kind, filename=name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.to_thread(Path(self.path).unlink, missing_ok=True)


@router.get(
    "/{name}/problems.csv",
    summary="The rows that were not taken",
    responses=refusals(401, 403, 429, 404, 503) | _CSV,
)
async def problems_csv(request: Request, by: Reader, name: str) -> Response:
    """The bad, repeated and suppressed rows as they came, each with its reason: mend it and send it again."""
    from ...campaigns.exporting.results import problem_blocks  # noqa: PLC0415  # as above

    campaigns = _campaigns(request)
    record = await _seen(request, by, name)
    blocks = problem_blocks(campaigns.problems(record.id), record.columns)
    headers = _attachment(f"campaign-{record.id}-problems.csv")
    return StreamingResponse(_streamed(blocks), media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/{name}/report",
    summary="A page to print",
    responses=refusals(401, 403, 429, 404, 503) | {200: {"description": "HTML", "content": {"text/html": {}}}},
)
async def report(request: Request, by: Reader, name: str) -> Response:
    """One page with charts and figures, without scripts."""
    from ...campaigns.exporting.report import make_report  # noqa: PLC0415  # as above

    await _seen(request, by, name)
    return HTMLResponse(await asyncio.to_thread(make_report, _campaigns(request), name, style="link"))


async def _object(request: Request) -> dict[str, Any]:
    raw = await request.body()
    body = read_json(raw) if raw.strip() else {}
    if not isinstance(body, dict):
        wrong = FieldProblem("", "not_an_object", "must be an object", "send one JSON object")
        raise Refusal(422, "invalid_request", "The body is no object.", [wrong])
    return body


async def _reason(request: Request) -> str:
    body = await _object(request)
    reason = body.pop("reason", "")
    if body or not isinstance(reason, str) or len(reason) > 200:
        wrong = FieldProblem("reason", "bad_text", "is the only field here, a text of up to 200 characters", "mend it")
        raise Refusal(422, "invalid_request", "The body has other fields than reason.", [wrong])
    return "".join(c if c.isprintable() else " " for c in reason)
