"""``/v1/campaigns/{name}``: results, rejected rows and the report as files."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ...calls.threads import WORK
from ..auth import Exporter
from ..context import app_context, reader_of
from ..csv_download import csv_download
from ..openapi.models import refusals
from ..xlsx_download import XLSX_TYPE, xlsx_download
from .campaigns import visible_campaign

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])

_CSV: dict[int | str, dict[str, Any]] = {200: {"description": "A CSV file", "content": {"text/csv": {}}}}
_XLSX: dict[int | str, dict[str, Any]] = {200: {"description": "A workbook", "content": {XLSX_TYPE: {}}}}


@router.get(
    "/{name}/results.csv", summary="Export the results", responses=refusals(401, 403, 429, 404, 422, 503) | _CSV
)
async def results_csv(
    request: Request,
    api_key: Exporter,
    name: str,
    delimiter: Annotated[str, Query(pattern=r"^(,|;|\||tab)$", description="`,`, `;`, `|` or `tab`")] = ",",
) -> Response:
    """Every good row with its original columns and what became of it, in the file's order, streamed."""
    from ...campaigns.exporting.results import SEPARATORS, csv_blocks  # noqa: PLC0415  # only this route needs it

    record = await visible_campaign(request, api_key, name)
    rows = app_context(request).queue.campaigns.blocking.rows(record.id)
    blocks = csv_blocks(rows, record.columns, delimiter=SEPARATORS[delimiter])
    return await csv_download(blocks, record.name)


@router.get("/{name}/results.xlsx", summary="Export as a workbook", responses=refusals(401, 403, 429, 404, 503) | _XLSX)
async def results_xlsx(request: Request, api_key: Exporter, name: str) -> Response:
    """As results.csv. It is written to disk first, so it begins to arrive when it is whole."""
    from ...campaigns.exporting.results import write_xlsx  # noqa: PLC0415  # as above

    record = await visible_campaign(request, api_key, name)
    context = app_context(request)
    rows, zone = context.queue.campaigns.blocking.rows(record.id), ZoneInfo(context.settings.timezone)
    return await xlsx_download(request, record.name, write_xlsx, rows, record.columns, zone=zone)


@router.get(
    "/{name}/problems.csv",
    summary="The rows that were not taken",
    responses=refusals(401, 403, 429, 404, 503) | _CSV,
)
async def problems_csv(request: Request, api_key: Exporter, name: str) -> Response:
    """The bad and suppressed rows as they came, each with its reason: mend it and send it again.

    Headings and reasons are in the language of `Accept-Language`, with semicolons in Russian and Uzbek, as Excel reads them;
    in English the headings are those that programs read.
    """
    from ...campaigns.exporting.rejected_rows import problem_blocks  # noqa: PLC0415  # as above
    from ...campaigns.exporting.texts import delimiter_of, for_programs  # noqa: PLC0415  # as above

    record, t = await visible_campaign(request, api_key, name), reader_of(request)
    rows = app_context(request).queue.campaigns.blocking.problems(record.id)
    blocks = problem_blocks(rows, record.columns, delimiter=delimiter_of(t), texts=for_programs(t))
    return await csv_download(blocks, t("export.rejected_file", name=record.name))


@router.get(
    "/{name}/report",
    summary="A page to print",
    responses=refusals(401, 403, 429, 404, 503) | {200: {"description": "HTML", "content": {"text/html": {}}}},
)
async def report(request: Request, api_key: Exporter, name: str) -> Response:
    """One page with charts and figures, without scripts, in the language of `Accept-Language`."""
    from ...campaigns.exporting.report import make_report  # noqa: PLC0415  # as above

    name = (await visible_campaign(request, api_key, name)).id
    return HTMLResponse(
        await WORK.run(
            make_report, app_context(request).queue.campaigns.blocking, name, style="link", texts=reader_of(request)
        )
    )
