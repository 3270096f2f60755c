"""The do-not-call list as a file: imported from one, with the questions that it leaves open, and exported as one."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from ..calls.threads import UPLOADS
from ..campaigns.exporting.texts import delimiter_of
from ..campaigns.importing.files import open_source
from ..campaigns.importing.questions import NOT_USED, Question
from ..do_not_call import csv_of
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.uploads import receive_upload
from .auth import TOKEN_FIELD, Forbidden, Signed, audit, can, check_origin, check_token, form_of
from .context import monitor_context, translator_of
from .do_not_call import MAX_REASON
from .draft_record import BUSY, Step, UploadDraft
from .new_campaign import draft_of
from .rendering import PeopleRoute, go, page
from .upload_drafts import DraftWork

MAX_ANSWERS: Final = 64
"""Columns or sheets of which somebody may choose."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@router.get("/do-not-call.csv")
async def export(request: Request, operator: Signed) -> Response:
    """The whole list, which an import reads again. Takes the role operate: it is a list of phone numbers."""
    if not can(operator, "dnc.export"):
        raise Forbidden("refused.role")
    t, dnc = translator_of(request), app_context(request).queue.dnc
    await audit(request, operator, "dnc.export")
    blocks = csv_of(dnc.blocking.every(), delimiter=delimiter_of(t))
    return await csv_download(blocks, "do-not-call")


@router.post("/do-not-call/import")
async def upload(request: Request, operator: Signed) -> Response:
    """Writes the file to the disk as it arrives and begins its import; the next page shows how far it is."""
    check_origin(request)
    if not can(operator, "dnc.add"):
        raise Forbidden("refused.role")
    received = await receive_upload(request)
    try:
        check_token(operator.nonce, received.fields.get(TOKEN_FIELD))
    except Forbidden:
        await UPLOADS.run(received.path.unlink, missing_ok=True)
        raise
    if not received.filename:
        await UPLOADS.run(received.path.unlink, missing_ok=True)
        return go("/do-not-call?no_file=1")
    fields = {"reason": received.fields.get("reason", "").strip()[:MAX_REASON]}
    drafts = monitor_context(request).drafts
    owner = operator.api_key.scope
    try:
        draft = await UPLOADS.run(drafts.add, received.path, received.filename, owner, fields, "do_not_call")
    except BaseException:
        await UPLOADS.run(received.path.unlink, missing_ok=True)
        raise
    await audit(request, operator, "dnc.import", draft=draft.id)
    await _begin(request, operator, draft)
    return go(f"/do-not-call/import/{draft.id}")


async def _begin(request: Request, operator: Signed, draft: UploadDraft, **answers: Any) -> None:
    dnc, actor = app_context(request).queue.dnc.blocking, operator.actor

    def import_file(work: DraftWork) -> Step:
        source = open_source(draft.path, name=draft.filename)
        work.draft.imported = dnc.add_file(
            source, reason=draft.fields["reason"], actor=actor, progress=work.imported_rows, **answers
        )
        draft.path.unlink(missing_ok=True)
        return "submitted"

    await UPLOADS.run(monitor_context(request).drafts.work, draft, "submitting", import_file)


@router.get("/do-not-call/import/{id}")
async def show_import(request: Request, operator: Signed, id: str) -> Response:
    """How far the import is, what the file leaves open, or what became of it."""
    draft = await draft_of(request, operator, id, "do_not_call")
    return page(
        request,
        "do_not_call_import.html",
        operator,
        draft=draft,
        busy=draft.step in BUSY,
        questions=draft.error.questions if draft.error else (),
        bad_file=draft.error.bad_file if draft.error else None,
        failed=draft.error is not None,
        several=_takes_several,
        not_used=NOT_USED,
    )


def _takes_several(question: Question) -> bool:
    """Whether several choices may be ticked: every column that is chosen is imported."""
    return all(choice.field == "phone" for choice in question.choices)


@router.post("/do-not-call/import/{id}")
async def answer(request: Request, operator: Signed, id: str) -> Response:
    """Imports the file with the answers that were chosen."""
    form = await form_of(request, operator, "dnc.add")
    draft = await draft_of(request, operator, id, "do_not_call")
    if draft.step not in BUSY and draft.error is not None and draft.error.questions:
        for name, value in answers_of(form, draft.error.questions).items():
            # What was said about the sheet stays said when the next question is about its columns.
            draft.fields[f"answer.{name}"] = value
        await _begin(request, operator, draft, **_arguments(draft.fields))
    return go(f"/do-not-call/import/{id}")


def answers_of(form: FormData, questions: tuple[Question, ...]) -> dict[str, str]:
    """The chosen answers by field; further columns are phone2, phone3 and so on. A choice that was not offered counts as none."""
    answers: dict[str, str] = {}
    for at, question in enumerate(questions):
        chosen = {value for value in form.getlist(f"answer{at}")[:MAX_ANSWERS] if isinstance(value, str)}
        picked = [choice for choice in question.choices if choice.value in chosen]
        for place, choice in enumerate(picked if _takes_several(question) else picked[:1]):
            answers[f"{choice.field}{place + 1}" if place else choice.field] = choice.value
    return answers


def _arguments(fields: dict[str, str]) -> dict[str, Any]:
    """What ``add_file`` takes of the answers so far."""
    answers = {name.removeprefix("answer."): value for name, value in fields.items() if name.startswith("answer.")}
    sheet, header_row = answers.pop("sheet", None), answers.pop("header_row", None)
    return {"sheet": sheet, "header_row": int(header_row) if header_row else None, "columns": answers or None}
