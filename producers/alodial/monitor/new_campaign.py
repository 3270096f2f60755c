"""A new campaign: its file comes up, is checked, is shown as it was understood, and only then submitted."""

import asyncio
import contextlib
from copy import copy
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas.campaigns import CampaignRequest

from ..campaigns.errors import BadFile, CampaignDuplicate, InvalidCampaign
from ..campaigns.importing.files import open_source
from ..errors import StoreUnavailable
from ..store.records import iso
from ..web.context import app_context
from ..web.uploads import receive_upload
from .auth import TOKEN_FIELD, Forbidden, Signed, audit, can, check_token, form_of, from_our_own_page, text_of
from .campaign_form import DEFAULTS, KINDS, fields_of, form_field, request_of
from .campaign_terms import terms
from .context import monitor_context, translator_of
from .rendering import PeopleRoute, go, page
from .upload_drafts import BUSY, UploadDraft

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _form(request: Request, fields: dict[str, str], **more: Any) -> dict[str, Any]:
    """What the form's fields need to be shown."""
    settings = app_context(request).settings
    shown: dict[str, Any] = {
        "given": fields,
        "kinds": KINDS,
        "accounts": settings.account_names,
        "hours_default": settings.calling_hours,
        "wrong": {},
        "file_columns": (),
    }
    return shown | more


@router.get("/campaigns/new")
async def new(request: Request, operator: Signed) -> Response:
    return page(request, "new.html", operator, no_file=False, **_form(request, dict(DEFAULTS)))


@router.post("/campaigns/new")
async def upload(request: Request, operator: Signed) -> Response:
    """The file goes to the disk as it comes; what it is is found out afterwards, by the draft's own page."""
    from_our_own_page(request)
    if not can(operator, "campaign.submit"):
        raise Forbidden("refused.role")
    received = await receive_upload(request)
    path = received.path
    try:
        check_token(request, operator.nonce, received.fields.get(TOKEN_FIELD))
    except Forbidden:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise
    fields = fields_of(received.fields)
    if not received.filename:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return page(request, "new.html", operator, status=422, no_file=True, **_form(request, fields))
    draft = monitor_context(request).drafts.add(path, received.filename, operator.api_key.scope, fields)
    audit(operator, "campaign.upload", draft=draft.id)
    _check(request, draft)
    return go(f"/campaigns/drafts/{draft.id}")


def _read(request: Request, draft: UploadDraft) -> CampaignRequest | None:
    """The campaign that the draft's fields make; None when they have problems, which the draft keeps."""
    try:
        asked = request_of(draft.fields, app_context(request).settings, draft.filename)
    except InvalidCampaign as exc:
        draft.problems, draft.step = exc.problems, "settings"
        return None
    draft.problems = []
    return asked


def _check(request: Request, draft: UploadDraft) -> None:
    asked = _read(request, draft)
    campaigns = app_context(request).queue.campaigns.blocking

    def todo() -> None:
        source = open_source(draft.path, name=draft.filename)
        draft.columns = tuple(source.columns)
        if asked is None:
            draft.step = "settings"
            return
        try:
            draft.report = campaigns.check(source, asked, progress=draft.progressed)
        except InvalidCampaign as exc:
            draft.problems, draft.step = exc.problems, "settings"
        else:
            draft.step = "checked"

    draft.report = None
    monitor_context(request).drafts.work(draft, "checking", todo)


def _draft(request: Request, operator: Signed, id: str) -> UploadDraft | None:
    return monitor_context(request).drafts.get(id, operator.api_key.scope)


def _gone(request: Request, operator: Signed) -> Response:
    return page(request, "refused.html", operator, status=404, key="refused.draft", detail="")


@router.get("/campaigns/drafts/{id}")
async def shown(request: Request, operator: Signed, id: str) -> Response:
    """One look at a draft that a thread may be changing, hence the copy."""
    draft = _draft(request, operator, id)
    if draft is None:
        return _gone(request, operator)
    draft = copy(draft)
    if draft.step == "submitted":
        monitor_context(request).drafts.drop(draft)
        return go(f"/campaigns/{draft.campaign}?said=submit")
    words = translator_of(request)
    wrong: dict[str, Any] = {}
    for problem in draft.problems:
        wrong.setdefault(form_field(problem), problem)
    asked = None
    if draft.step == "checked":
        with contextlib.suppress(InvalidCampaign):
            asked = request_of(draft.fields, app_context(request).settings, draft.filename)
    return page(
        request,
        "draft.html",
        operator,
        draft=draft,
        report=draft.report,
        expected_end=iso(draft.report.expected_end) if draft.report and draft.report.expected_end else None,
        terms=terms(asked.model_dump(mode="json"), words) if asked else [],
        title=asked.name if asked else draft.fields["name"] or draft.filename,
        duplicate=draft.trouble if isinstance(draft.trouble, CampaignDuplicate) else None,
        bad_file=draft.trouble if isinstance(draft.trouble, BadFile) else None,
        away=isinstance(draft.trouble, StoreUnavailable),
        busy=draft.step in BUSY,
        form_field=form_field,
        **_form(request, draft.fields, wrong=wrong, file_columns=draft.columns),
    )


@router.get("/campaigns/drafts/{id}/progress")
async def progress(request: Request, operator: Signed, id: str) -> Response:
    """How far the reading is; once it is over the page is asked for anew."""
    draft = copy(_draft(request, operator, id))
    if draft is None or draft.step not in BUSY:
        return Response(status_code=200, headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
    return page(request, "progress.html", operator, draft=draft)


@router.post("/campaigns/drafts/{id}")
async def check_again(request: Request, operator: Signed, id: str) -> Response:
    """Other settings for the same file."""
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
    asked = _read(request, draft) if draft.step in ("checked", "refused") else None
    if asked is not None:
        campaigns = app_context(request).queue.campaigns.blocking
        again = text_of(form, "again") == "yes"

        def todo() -> None:
            source = open_source(draft.path, name=draft.filename)
            try:
                record = campaigns.submit(source, asked, actor=operator.actor, again=again, progress=draft.progressed)
            except InvalidCampaign as exc:
                draft.problems, draft.step = exc.problems, "settings"
                return
            draft.campaign, draft.step = record.id, "submitted"
            audit(operator, "campaign.submit", campaign=record.id, again=again)

        monitor_context(request).drafts.work(draft, "submitting", todo)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}/drop")
async def drop(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "campaign.submit")
    draft = _draft(request, operator, id)
    if draft is not None and draft.step not in BUSY:
        monitor_context(request).drafts.drop(draft)
    return go("/campaigns")
