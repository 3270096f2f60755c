"""The last page before a campaign: whom it calls, from which number, when and how many; and the submission itself."""

import asyncio
import contextlib
import secrets
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import PhoneError, normalise_phone
from alodial_schemas.campaigns import CampaignRequest

from ..calls.threads import UPLOADS, WORK
from ..campaigns.errors import InvalidCampaign
from ..campaigns.exporting.terms import hours_text, terms
from ..campaigns.importing.files import open_source
from ..campaigns.importing.row_check import CheckReport
from ..errors import StoreUnavailable
from ..i18n import Translator
from ..store.records import iso
from ..web.context import app_context
from ..web.key_rules import check_use
from .auth import Signed, audit, caller_of, form_of, text_of
from .campaign_form import request_of
from .context import monitor_context, translator_of
from .draft_check import keep_mapping
from .draft_record import BUSY, Step, UploadDraft
from .new_campaign import draft_of, error_variables
from .rendering import PeopleRoute, go, page
from .upload_drafts import DraftGone, DraftWork

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _request(request: Request, draft: UploadDraft) -> CampaignRequest:
    return request_of(draft.fields, app_context(request).settings, draft.filename, draft.answers)


def sentence(t: Translator, campaign: CampaignRequest, report: CheckReport, default_hours: str) -> str:
    """Whom the campaign calls, how many, from which number and when."""
    call, policy = campaign.call, campaign.policy
    columns = ", ".join(t.quoted(name) for field, name in report.understood.items() if field.startswith("phone"))
    start = t.moment(iso(int(policy.starts_at.timestamp() * 1000))) if policy.starts_at else t("confirm.now")
    hours = hours_text(policy.hours.model_dump(mode="json"), t) if policy.hours else default_hours
    from_number = {
        "two-way": t("confirm.from", number=call.callfrom)
        if call.callfrom and "initiator" not in report.understood
        else t("confirm.from_column", column=t.quoted(report.understood.get("initiator", "–"))),
        "queue": t("confirm.from_queue", queue=call.queue),
        "ivr": t("confirm.from_ivr", menu=call.ivrid, line=call.fromline),
    }[call.kind]
    return t.count("confirm.sentence", report.good, columns=columns, source=from_number, start=start, hours=hours)


def _confirm(request: Request, operator: Signed, draft: UploadDraft, status: int = 200, **more: Any) -> Response:
    t = translator_of(request)
    campaign, report = _request(request, draft), draft.report
    assert report is not None  # noqa: S101  # nothing is confirmed before its check
    variables = {"test_wrong": None, "test_number": "", "tested": None} | more
    return page(
        request,
        "confirm_campaign.html",
        operator,
        status=status,
        draft=draft,
        report=report,
        title=campaign.name,
        sentence=sentence(t, campaign, report, app_context(request).settings.calling_hours),
        redials=campaign.policy.redial is not None,
        terms=terms(campaign.model_dump(mode="json"), t),
        expected_end=iso(report.expected_end) if report.expected_end else None,
        key=secrets.token_hex(8),
        **error_variables(draft),
        **variables,
    )


def _is_ready(draft: UploadDraft) -> bool:
    """Whether the draft was checked, or refused by the store after its check, and may be submitted."""
    report = draft.report
    return draft.step in ("checked", "refused") and report is not None and bool(report.good) and not report.questions


@router.get("/campaigns/drafts/{id}/confirm")
async def confirm(request: Request, operator: Signed, id: str) -> Response:
    draft = await draft_of(request, operator, id)
    if not _is_ready(draft):
        return go(f"/campaigns/drafts/{id}")
    return _confirm(request, operator, draft)


@router.post("/campaigns/drafts/{id}/submit")
async def submit(request: Request, operator: Signed, id: str) -> Response:
    """Submits what the page showed; after another check the page is shown again instead."""
    form = await form_of(request, operator, "campaign.submit")
    draft = await draft_of(request, operator, id)
    if not _is_ready(draft) or not draft.version or text_of(form, "version") != draft.version:
        return go(f"/campaigns/drafts/{draft.id}")
    campaign = _request(request, draft)
    check_use(operator.api_key, campaign.call.account, campaign.policy.priority)
    campaigns = app_context(request).queue.campaigns.blocking
    again = text_of(form, "again") == "yes"
    loop = asyncio.get_running_loop()

    def do_submit(work: DraftWork) -> Step:
        source = open_source(draft.path, name=draft.filename)
        try:
            record = campaigns.submit(
                source,
                campaign,
                actor=operator.actor,
                again=again,
                caller=caller_of(operator),
                # A draft makes one campaign, however often it is clicked and sent again after an error.
                idempotency_key=draft.id,
                scope=operator.api_key.scope,
                progress=work.progressed,
            )
        except InvalidCampaign as exc:
            work.draft.problems = exc.problems
            return "settings"
        work.draft.campaign = record.id
        done = audit(request, operator, "campaign.submit", campaign=record.id, again=again)
        asyncio.run_coroutine_threadsafe(done, loop)
        with contextlib.suppress(StoreUnavailable):
            keep_mapping(work.draft, campaigns)
        return "submitted"

    await UPLOADS.run(monitor_context(request).drafts.work, draft, "submitting", do_submit)
    return go(f"/campaigns/drafts/{draft.id}")


@router.post("/campaigns/drafts/{id}/test")
async def test_call(request: Request, operator: Signed, id: str) -> Response:
    """Places the first row's call to the operator's own phone, once for each page that was shown."""
    form = await form_of(request, operator, "campaign.submit")
    draft = await draft_of(request, operator, id)
    if not _is_ready(draft):
        return go(f"/campaigns/drafts/{id}")
    queue = app_context(request).queue
    text, key = text_of(form, "number")[:64], text_of(form, "key")[:64]
    try:
        number = normalise_phone(text, allowed=queue.settings.allowed_prefixes)
    except PhoneError as exc:
        return _confirm(request, operator, draft, 422, test_wrong=exc, test_number=text)
    source = await WORK.run(open_source, draft.path, name=draft.filename)
    campaigns = queue.campaigns.blocking
    body = await WORK.run(campaigns.test_call, source, _request(request, draft), number)
    call = await queue.enqueue(body, idempotency_key=f"test {draft.id} {key}", scope=operator.api_key.scope)
    await audit(request, operator, "campaign.test", draft=draft.id, call=call.extid)
    return _confirm(request, operator, draft, tested=call, test_number=text)


@router.post("/campaigns/drafts/{id}/drop")
async def drop(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "campaign.submit")
    with contextlib.suppress(DraftGone):
        draft = await draft_of(request, operator, id)
        if draft.step not in BUSY:
            await UPLOADS.run(monitor_context(request).drafts.drop, draft)
    return go("/campaigns")
