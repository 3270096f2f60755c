"""A new campaign: the file is uploaded, checked, shown as it was read, and submitted only then."""

import contextlib
from copy import copy
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas.campaigns import CampaignRequest

from ..calls.threads import UPLOADS
from ..campaigns.errors import BadFile, CampaignDuplicate, InvalidCampaign
from ..campaigns.importing.files import open_source
from ..campaigns.importing.questions import require_answers
from ..errors import StoreFull, StoreUnavailable
from ..store.records import iso
from ..web.context import app_context
from ..web.uploads import receive_upload
from .auth import TOKEN_FIELD, Forbidden, Signed, audit, can, check_origin, check_token, form_of, text_of
from .campaign_form import DEFAULTS, KINDS, fields_of, form_field, request_of
from .campaign_terms import terms
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, go, page
from .upload_drafts import BUSY, UploadDraft

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _form(request: Request, fields: dict[str, str], **more: Any) -> dict[str, Any]:
    """The template variables of the form."""
    settings = app_context(request).settings
    variables: dict[str, Any] = {
        "form": fields,
        "kinds": KINDS,
        "accounts": settings.account_names,
        "hours_default": settings.calling_hours,
        "wrong": {},
        "file_columns": (),
    }
    return variables | more


@router.get("/campaigns/new")
async def show_form(request: Request, operator: Signed) -> Response:
    return page(request, "new_campaign.html", operator, no_file=False, **_form(request, dict(DEFAULTS)))


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
        return page(request, "new_campaign.html", operator, status=422, no_file=True, **_form(request, fields))
    draft = monitor_context(request).drafts.add(path, received.filename, operator.api_key.scope, fields)
    audit(operator, "campaign.upload", draft=draft.id)
    _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


def _read(request: Request, draft: UploadDraft) -> CampaignRequest | None:
    """The campaign that the draft's fields describe; None when they have problems, which the draft keeps."""
    try:
        campaign = request_of(draft.fields, app_context(request).settings, draft.filename)
    except InvalidCampaign as exc:
        draft.problems, draft.step = exc.problems, "settings"
        return None
    draft.problems = []
    return campaign


def _check(request: Request, draft: UploadDraft) -> None:
    campaign = _read(request, draft)
    campaigns = app_context(request).queue.campaigns.blocking

    def check() -> None:
        source = open_source(draft.path, name=draft.filename)
        draft.columns = tuple(source.columns)
        if campaign is None:
            draft.step = "settings"
            return
        try:
            report = campaigns.check(source, campaign, progress=draft.progressed)
            require_answers(report.questions)
            draft.report = report
        except InvalidCampaign as exc:
            draft.problems, draft.step = exc.problems, "settings"
        else:
            draft.step = "checked"

    draft.report = None
    monitor_context(request).drafts.work(draft, "checking", check)


def _draft(request: Request, operator: Signed, id: str) -> UploadDraft | None:
    return monitor_context(request).drafts.get(id, operator.api_key.scope)


def _gone(request: Request, operator: Signed) -> Response:
    return page(request, "error.html", operator, status=404, key="refused.draft", detail="")


@router.get("/campaigns/drafts/{id}")
async def show_draft(request: Request, operator: Signed, id: str) -> Response:
    """Shows a copy of the draft, because a thread may be changing it."""
    draft = _draft(request, operator, id)
    if draft is None:
        return _gone(request, operator)
    draft = copy(draft)
    if draft.step == "submitted":
        monitor_context(request).drafts.drop(draft)
        return go(f"/campaigns/{draft.campaign}?done=submit")
    wrong: dict[str, Any] = {}
    for problem in draft.problems:
        wrong.setdefault(form_field(problem), problem)
    campaign = None
    if draft.step == "checked":
        with contextlib.suppress(InvalidCampaign):
            campaign = request_of(draft.fields, app_context(request).settings, draft.filename)
    return page(
        request,
        "upload_draft.html",
        operator,
        draft=draft,
        report=draft.report,
        expected_end=iso(draft.report.expected_end) if draft.report and draft.report.expected_end else None,
        terms=terms(campaign.model_dump(mode="json"), translator_of(request)) if campaign else [],
        title=campaign.name if campaign else draft.fields["name"] or draft.filename,
        duplicate=draft.error if isinstance(draft.error, CampaignDuplicate) else None,
        bad_file=draft.error if isinstance(draft.error, BadFile) else None,
        away=isinstance(draft.error, StoreUnavailable),
        full=isinstance(draft.error, StoreFull),
        busy=draft.step in BUSY,
        form_field=form_field,
        **_form(request, draft.fields, wrong=wrong, file_columns=draft.columns),
    )


@router.get("/campaigns/drafts/{id}/progress")
async def update_progress(request: Request, operator: Signed, id: str) -> Response:
    """How far the file is read; at the end the whole page is loaded again."""
    draft = copy(_draft(request, operator, id))
    if draft is None or draft.step not in BUSY:
        return Response(status_code=200, headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
    return page(request, "upload_progress.html", operator, draft=draft)


@router.post("/campaigns/drafts/{id}")
async def check_again(request: Request, operator: Signed, id: str) -> Response:
    """Checks the same file with other settings."""
    form = await form_of(request, operator, "campaign.submit")
    draft = _draft(request, operator, id)
    if draft is None:
        return _gone(request, operator)
    if draft.step not in (*BUSY, "submitted"):
        draft.fields = fields_of(form)
        _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}/submit")
async def submit(request: Request, operator: Signed, id: str) -> Response:
    form = await form_of(request, operator, "campaign.submit")
    draft = _draft(request, operator, id)
    if draft is None:
        return _gone(request, operator)
    campaign = _read(request, draft) if draft.step in ("checked", "refused") else None
    if campaign is not None:
        campaigns = app_context(request).queue.campaigns.blocking
        again = text_of(form, "again") == "yes"

        def do_submit() -> None:
            source = open_source(draft.path, name=draft.filename)
            try:
                record = campaigns.submit(
                    source,
                    campaign,
                    actor=operator.actor,
                    again=again,
                    # A draft makes one campaign, however often it is clicked and sent again after an error.
                    idempotency_key=draft.id,
                    scope=operator.api_key.scope,
                    progress=draft.progressed,
                )
            except InvalidCampaign as exc:
                draft.problems, draft.step = exc.problems, "settings"
                return
            draft.campaign, draft.step = record.id, "submitted"
            audit(operator, "campaign.submit", campaign=record.id, again=again)

        monitor_context(request).drafts.work(draft, "submitting", do_submit)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}/drop")
async def drop(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "campaign.submit")
    draft = _draft(request, operator, id)
    if draft is not None and draft.step not in BUSY:
        monitor_context(request).drafts.drop(draft)
    return go("/campaigns")
