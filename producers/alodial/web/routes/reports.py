"""``/v1/reports``: what the archive's counts say."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ...api_keys import ApiKey
from ...archive.report_query import FIGURES, Report, read_query
from ...calls.threads import ARCHIVE
from ...campaigns.formula_guard import safe_cell
from ..auth import Exporter
from ..context import app_context
from ..csv_download import csv_download
from ..openapi import models
from ..openapi.models import answers, refusals
from ..problems import Refusal, invalid_fields
from ..query_parameters import unknown_parameters
from ..query_times import TimeRange
from ..responses import json_response

router = APIRouter(prefix="/v1/reports", tags=["reports"])


@dataclass(frozen=True, slots=True)
class _Question:
    """The parameters that all reports have."""

    since: Annotated[str, Query(max_length=40, description="The first day, ISO 8601; 30 days without it")] = ""
    until: Annotated[str, Query(max_length=40, description="Before this time; today is included without it")] = ""
    by: Annotated[str, Query(max_length=64, description="One or two names, with a comma between")] = ""
    campaign: Annotated[str, Query(max_length=128, description="Only calls of this campaign, by its id")] = ""
    format: Annotated[
        Literal["json", "csv"] | None, Query(description="`csv`: the rows as a file; so is `Accept: text/csv`")
    ] = None


Question = Annotated[_Question, Depends()]
_ANSWERS = refusals(401, 403, 404, 429, 422, 503) | answers({200: ("Rows of counts", models.ReportShown)})
_ANSWERS[200]["content"] = {"text/csv": {}}


@router.get("/outcomes", summary="How calls ended", responses=_ANSWERS)
async def outcomes(request: Request, api_key: Exporter, question: Question) -> Response:
    """Calls by `outcome`, `day`, `weekday` (1 is Monday), `month`, `line`, `operator`, `campaign` or `initiator`."""
    return await _answer(request, api_key, "outcomes", question)


@router.get("/hours", summary="When people answer", responses=_ANSWERS)
async def hours(request: Request, api_key: Exporter, question: Question) -> Response:
    """Attempts by `hour`, `weekday`, `day`, `month`, `operator`, `campaign` or `outcome`; `best` is the best hour to call."""
    return await _answer(request, api_key, "hours", question)


@router.get("/campaigns", summary="Campaigns side by side", responses=_ANSWERS)
async def campaigns(request: Request, api_key: Exporter, question: Question) -> Response:
    """Calls of campaigns by `campaign`, `outcome`, `day`, `weekday`, `month`, `line` or `operator`."""
    return await _answer(request, api_key, "campaigns", question)


async def _answer(request: Request, api_key: ApiKey, name: str, question: _Question) -> Response:
    report = await _report(request, api_key, name, question)
    accepted = request.headers.get("accept", "")
    by_accept = "csv" if "text/csv" in accepted and "application/json" not in accepted else "json"
    if (question.format or by_accept) == "json":
        return json_response(report.to_dict())
    from ...campaigns.exporting.results import csv_blocks_of  # noqa: PLC0415  # only a file needs it

    query = report.query
    header = [*query.by, *(["campaign_name"] if "campaign" in query.by else []), *FIGURES]
    lines = ([_cell(row.to_dict()[name]) for name in header] for row in report.rows)
    return await csv_download(csv_blocks_of(header, lines, ","), f"{query.report} {query.since} {query.until}")


def _cell(value: Any) -> str:
    if value is None or isinstance(value, int | float):
        return "" if value is None else str(value)
    return safe_cell(str(value))


async def _report(request: Request, api_key: ApiKey, name: str, question: _Question) -> Report:
    context = app_context(request)
    zone = ZoneInfo(context.settings.timezone)
    times = TimeRange(question.since, question.until, zone)
    query, wrong = read_query(
        name,
        [part.strip() for part in question.by.split(",") if part.strip()],
        times.since,
        times.until,
        zone,
        now=datetime.now(UTC),
        owner=api_key.owner_filter,
        campaign=question.campaign,
    )
    if problems := [*unknown_parameters(request, _Question), *times.problems, *wrong]:
        raise invalid_fields(problems, "parameter")
    if context.queue.archive is None:
        raise Refusal(404, "not_found", "Reports are made from the archive, and ALODIAL_ARCHIVE_URL names none.")
    return await ARCHIVE.run(context.queue.archive.reports.make, query)
