"""Checks an uploaded file with the settings and answers of its draft, in the draft's thread."""

import json
from collections.abc import Iterator
from pathlib import Path

from alodial_schemas import FieldProblem
from alodial_schemas.campaigns import CampaignRequest, parse_campaign

from ..campaigns.errors import InvalidCampaign
from ..campaigns.importing.files import RowSource, open_source
from ..campaigns.importing.row_check import CheckReport
from ..campaigns.row_codec import RowProblem
from ..campaigns.service import CampaignService
from ..errors import StoreUnavailable
from .campaign_form import request_of
from .draft_record import Step, UploadDraft
from .file_form import FileAnswers, header_hash, request_part
from .upload_drafts import DraftWork, UploadDrafts

_OF_SETTINGS = "initiator_column"
"""A question that the settings answer: without them it is not asked."""


def begin_check(drafts: UploadDrafts, draft: UploadDraft, campaigns: CampaignService) -> None:
    """Starts the check of a draft; one that is running gives way to it."""
    drafts.work(draft, "checking", lambda work: check(work, campaigns))


def check(work: DraftWork, campaigns: CampaignService) -> Step:
    """Reads the draft's file: the preview first, then all rows. Returns the step that follows.

    Raises BadFile and StoreUnavailable.
    """
    draft = work.draft
    request: CampaignRequest | None
    try:
        request = request_of(draft.fields, campaigns.settings, draft.filename, draft.answers)
    except InvalidCampaign as exc:
        draft.problems, request = exc.problems, None
    source = open_source(draft.path, name=draft.filename)
    draft.preview = _preview(draft, source, request, campaigns)
    if request is None:
        draft.preview.questions = [item for item in draft.preview.questions if item.code != _OF_SETTINGS]
        draft.fresh = True
        return "settings"
    if _remember(draft, campaigns):
        request = request_of(draft.fields, campaigns.settings, draft.filename, draft.answers)
        draft.preview = campaigns.preview(source, request)
    draft.fresh = True
    if problem := _initiator_problem(request, draft.preview):
        draft.problems = [problem]
        return "settings"
    try:
        with draft.rejected_path.open("w", encoding="utf-8", errors="replace") as file:

            def keep(problem: RowProblem) -> None:
                file.write(json.dumps(problem, ensure_ascii=False) + "\n")

            report = campaigns.check(source, request, progress=work.progressed, on_problem=keep)
    except InvalidCampaign as exc:
        draft.problems = exc.problems
        return "settings"
    draft.report = report
    return "questions" if report.questions else "checked"


def _initiator_problem(request: CampaignRequest, preview: CheckReport) -> FieldProblem | None:
    """The problem of a two-way campaign without a first phone, in its settings or a column: no row is at fault."""
    is_open = any(question.code == _OF_SETTINGS for question in preview.questions)
    if request.call.kind != "two-way" or request.call.callfrom or is_open or "initiator" in preview.understood:
        return None
    remedy = "write your number, which rings first, or choose its column"
    return FieldProblem("call.callfrom", "callfrom_missing", "is empty, and the file has no column of it", remedy)


def _preview(
    draft: UploadDraft, source: RowSource, request: CampaignRequest | None, campaigns: CampaignService
) -> CheckReport:
    """How the file is read; while the settings have problems, as for a campaign of which nothing else is known."""
    if request is None:
        body = {"name": "preview", "call": {"kind": "two-way"}, **request_part(draft.answers)}
        request = parse_campaign(body, allowed=campaigns.settings.allowed_prefixes)
    return campaigns.preview(source, request)


def _remember(draft: UploadDraft, campaigns: CampaignService) -> bool:
    """Uses the columns as in the owner's last file with this header, where nobody has said otherwise."""
    assert draft.preview is not None  # noqa: S101  # it is read first
    if draft.answers.mapping is not None or draft.remembered or draft.preview.header_row == 0:
        return False
    try:
        mapping = campaigns.mapping(draft.owner, header_hash(draft.preview.columns))
    except StoreUnavailable:
        return False
    if not mapping:
        return False
    answers = draft.answers
    draft.answers = FileAnswers(answers.sheet, answers.header_row, answers.hidden, mapping, answers.uzbek)
    draft.remembered = True
    return True


def keep_mapping(draft: UploadDraft, campaigns: CampaignService) -> None:
    """Keeps what somebody said about the columns for the next file with this header."""
    if draft.answers.mapping is not None and draft.preview is not None and draft.preview.header_row:
        campaigns.keep_mapping(draft.owner, header_hash(draft.preview.columns), dict(draft.answers.mapping))


def rejected_rows(path: Path) -> Iterator[RowProblem]:
    """The rows that a check has rejected."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            *values, cells = json.loads(line)
            yield RowProblem._make((*values, tuple(cells)))
