"""Downloads of a campaign in the reader's language: its results, its rejected rows, its report."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..calls.threads import WORK
from ..campaigns.exporting.rejected_rows import problem_blocks
from ..campaigns.exporting.report import make_report
from ..campaigns.exporting.results import csv_blocks, write_xlsx
from ..campaigns.exporting.texts import delimiter_of
from ..campaigns.records import CampaignRecord
from ..campaigns.service import CampaignService
from ..i18n import Translator
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.xlsx_download import xlsx_download
from .auth import Signed, audit
from .context import translator_of
from .rendering import PeopleRoute
from .session import Operator

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def begin_export(
    request: Request, operator: Operator, name: str, kind: str
) -> tuple[Translator, CampaignService, CampaignRecord]:
    """The reader's texts, the campaigns for work in a thread, and the campaign, whose export is audited. Raises NotFound."""
    campaigns = app_context(request).queue.campaigns
    record = await campaigns.get(name)
    await audit(request, operator, "campaign.export", campaign=record.id, kind=kind)
    return translator_of(request), campaigns.blocking, record


@router.get("/campaigns/{name}/results.csv")
async def results_csv(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns, record = await begin_export(request, operator, name, "csv")
    rows = campaigns.rows(record.id)
    blocks = csv_blocks(rows, record.columns, delimiter=delimiter_of(t), texts=t)
    return await csv_download(blocks, record.name)


@router.get("/campaigns/{name}/results.xlsx")
async def results_xlsx(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns, record = await begin_export(request, operator, name, "xlsx")
    rows = campaigns.rows(record.id)
    return await xlsx_download(request, record.name, write_xlsx, rows, record.columns, texts=t, zone=t.zone)


@router.get("/campaigns/{name}/problems.csv")
async def problems_csv(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns, record = await begin_export(request, operator, name, "problems")
    rows = campaigns.problems(record.id)
    blocks = problem_blocks(rows, record.columns, delimiter=delimiter_of(t), texts=t)
    return await csv_download(blocks, t("export.rejected_file", name=record.name))


@router.get("/campaigns/{name}/report")
async def report(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns = translator_of(request), app_context(request).queue.campaigns
    record = await campaigns.get(name)
    page = await WORK.run(make_report, campaigns.blocking, record.id, style="link", texts=t)
    return HTMLResponse(page)
