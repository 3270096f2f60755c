"""A new campaign: the file is uploaded, shown as it is read, and corrected; nobody is called yet."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas.campaigns import WEEKDAYS

from ..calls.threads import READS, UPLOADS
from ..campaigns.errors import InvalidCampaign
from ..campaigns.exporting.rejected_rows import problem_blocks
from ..campaigns.exporting.texts import delimiter_of
from ..campaigns.service import CampaignService
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.uploads import receive_upload
from .auth import TOKEN_FIELD, Forbidden, Signed, audit, can, check_origin, check_token, form_of
from .campaign_form import DELAYS, KINDS, REDIALS, WINDOWS, default_fields, fields_of, form_field
from .context import monitor_context, translator_of
from .draft_check import begin_check, rejected_rows
from .draft_record import BUSY, Purpose, UploadDraft
from .file_form import FileAnswers, answers_of, header_hash, is_of_file, view_of
from .problem_kinds import kinds_of_report
from .rendering import PeopleRoute, go, page
from .upload_drafts import DraftGone

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def form_variables(request: Request, fields: dict[str, str], **more: Any) -> dict[str, Any]:
    """The template variables of the form with a campaign's settings."""
    settings = app_context(request).settings
    variables: dict[str, Any] = {
        "form": fields,
        "kinds": KINDS,
        "accounts": settings.account_names,
        "hours_default": settings.calling_hours,
        "weekdays": WEEKDAYS,
        "windows": WINDOWS,
        "redials": REDIALS,
        "delays": DELAYS,
        "wrong": {},
    }
    return variables | more


def _campaigns(request: Request) -> CampaignService:
    return app_context(request).queue.campaigns.blocking


@router.get("/campaigns/new")
async def show_form(request: Request, operator: Signed) -> Response:
    if not can(operator, "campaign.submit"):
        raise Forbidden("refused.role")
    fields = default_fields(app_context(request).settings)
    return page(request, "new_campaign.html", operator, no_file=False, **form_variables(request, fields))


@router.post("/campaigns/new")
async def upload(request: Request, operator: Signed) -> Response:
    """Writes the file to the disk as it arrives, and starts its check; the draft's page shows how far it is."""
    check_origin(request)
    if not can(operator, "campaign.submit"):
        raise Forbidden("refused.role")
    received = await receive_upload(request)
    path = received.path
    try:
        check_token(operator.nonce, received.fields.get(TOKEN_FIELD))
    except Forbidden:
        await UPLOADS.run(path.unlink, missing_ok=True)
        raise
    fields = fields_of(received.fields)
    if not received.filename:
        await UPLOADS.run(path.unlink, missing_ok=True)
        variables = form_variables(request, fields)
        return page(request, "new_campaign.html", operator, status=422, no_file=True, **variables)
    drafts = monitor_context(request).drafts
    try:
        draft = await UPLOADS.run(drafts.add, path, received.filename, operator.api_key.scope, fields)
    except BaseException:
        await UPLOADS.run(path.unlink, missing_ok=True)
        raise
    await audit(request, operator, "campaign.upload", draft=draft.id)
    await _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


async def _check(request: Request, draft: UploadDraft) -> None:
    await UPLOADS.run(begin_check, monitor_context(request).drafts, draft, _campaigns(request))


async def draft_of(request: Request, operator: Signed, id: str, purpose: Purpose = "campaign") -> UploadDraft:
    """The draft that a page is about, for the key that uploaded it alone. Raises DraftGone and StoreUnavailable."""
    draft = await READS.run(monitor_context(request).drafts.get, id, operator.api_key.scope, purpose)
    if draft is None:
        raise DraftGone
    return draft


async def _draft_going_on(request: Request, operator: Signed, id: str) -> UploadDraft:
    """As :func:`draft_of`; a check whose process has ended goes on in this one."""
    draft = await draft_of(request, operator, id)
    if draft.step == "stopped":
        await _check(request, draft)
    return draft


def error_variables(draft: UploadDraft) -> dict[str, Any]:
    """What the templates know of the draft's error."""
    return {
        "duplicate": draft.error.duplicate if draft.error else None,
        "bad_file": draft.error.bad_file if draft.error else None,
    }


def _show(request: Request, operator: Signed, draft: UploadDraft, headers: dict[str, str] | None = None) -> Response:
    wrong: dict[str, Any] = {}
    for problem in draft.problems:
        wrong.setdefault(form_field(problem), problem)
    kind = draft.fields["kind"] or "two-way"
    return page(
        request,
        "upload_draft.html",
        operator,
        headers=headers,
        draft=draft,
        report=draft.report,
        preview=draft.preview,
        view=view_of(draft.preview, kind) if draft.preview else None,
        problem_kinds=kinds_of_report(draft.report, translator_of(request)) if draft.report else [],
        asked={question.code for question in draft.report.questions} if draft.report else set(),
        title=draft.fields["name"] or draft.filename,
        busy=draft.step in BUSY,
        form_field=form_field,
        is_of_file=is_of_file,
        **error_variables(draft),
        **form_variables(request, draft.fields, wrong=wrong),
    )


@router.get("/campaigns/drafts/{id}")
async def show_draft(request: Request, operator: Signed, id: str) -> Response:
    draft = await _draft_going_on(request, operator, id)
    if draft.step == "submitted":
        await UPLOADS.run(monitor_context(request).drafts.drop, draft)
        return go(f"/campaigns/{draft.campaign}?done=submit")
    return _show(request, operator, draft)


@router.get("/campaigns/drafts/{id}/progress")
async def update_progress(request: Request, operator: Signed, id: str) -> Response:
    """How far the file is read; at the end what the page shows of it.

    Where the settings have problems the whole page is loaded, because their form is marked.
    """
    try:
        draft: UploadDraft | None = await _draft_going_on(request, operator, id)
    except DraftGone:
        draft = None
    if draft is None or draft.step in ("settings", "submitted") or "hx-request" not in request.headers:
        return Response(
            status_code=200,
            headers={"HX-Redirect": f"/campaigns/drafts/{id}", "Cache-Control": "no-store"},
        )
    is_new = draft.fresh and request.query_params.get("seen") != draft.version
    if draft.step not in BUSY or is_new:
        swap = {"HX-Retarget": "#draft", "HX-Reselect": "#draft", "HX-Reswap": "outerHTML"}
        return _show(request, operator, draft, swap)
    return page(request, "upload_progress.html", operator, draft=draft)


@router.post("/campaigns/drafts/{id}/file")
async def answer(request: Request, operator: Signed, id: str) -> Response:
    """Checks the file again with other answers about its sheet, header row and columns."""
    form = await form_of(request, operator, "campaign.submit")
    draft = await draft_of(request, operator, id)
    if draft.step not in ("submitting", "submitted"):
        try:
            answers = answers_of(form, draft.answers, draft.preview)
        except InvalidCampaign as exc:
            if draft.step not in BUSY:
                draft.problems, draft.step, draft.report_of = exc.problems, "settings", ""
                await UPLOADS.run(monitor_context(request).drafts.change, draft)
        else:
            draft.remembered = draft.remembered and answers.mapping == draft.answers.mapping
            draft.answers = answers
            await _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}/forget")
async def forget_mapping(request: Request, operator: Signed, id: str) -> Response:
    """Reads the columns by their names again, and forgets how those of an earlier file were used."""
    await form_of(request, operator, "campaign.submit")
    draft = await draft_of(request, operator, id)
    if draft.preview is not None and draft.step not in BUSY:
        header = header_hash(draft.preview.columns)
        await UPLOADS.run(_campaigns(request).keep_mapping, draft.owner, header, None)
        before = draft.answers
        draft.answers = FileAnswers(before.sheet, before.header_row, before.hidden, None, before.uzbek)
        draft.remembered = False
        await _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}")
async def check_again(request: Request, operator: Signed, id: str) -> Response:
    """Checks the same file with other settings."""
    form = await form_of(request, operator, "campaign.submit")
    draft = await draft_of(request, operator, id)
    if draft.step not in ("submitting", "submitted"):
        draft.fields = fields_of(form)
        await _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


@router.get("/campaigns/drafts/{id}/rejected.csv")
async def rejected_csv(request: Request, operator: Signed, id: str) -> Response:
    """The rows that would not be taken, with their reasons in the reader's language, to be corrected and uploaded again."""
    draft = await draft_of(request, operator, id)
    if draft.report is None or draft.step in BUSY:
        raise DraftGone
    t = translator_of(request)
    rows = rejected_rows(draft.rejected_path)
    blocks = problem_blocks(rows, draft.report.columns, delimiter=delimiter_of(t), texts=t)
    name = draft.fields["name"] or draft.filename.rpartition(".")[0]
    return await csv_download(blocks, t("export.rejected_file", name=name))
