"""The rows of a campaign with names and outcomes: searched, filtered, and exported as they are shown."""

from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.threads import WORK
from ..campaigns.errors import BadFile
from ..campaigns.exporting.results import csv_blocks, write_xlsx
from ..campaigns.exporting.texts import delimiter_of
from ..campaigns.importing.columns import name_place
from ..campaigns.records import CampaignRecord, ResultRow
from ..campaigns.row_search import MAX_TEXT, RowSearch
from ..web.context import app_context
from ..web.csv_download import csv_download
from ..web.xlsx_download import xlsx_download
from . import call_rows
from .auth import Signed
from .campaign_downloads import begin_export
from .campaign_figures import DISPOSITIONS, STATES
from .rendering import PeopleRoute, page

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)

PAGE_SIZE: Final = 50
MAX_NAME: Final = 120
OUTCOMES: Final = (
    *(f"d:{name}" for name in DISPOSITIONS),
    *(f"s:{name}" for name in STATES if name not in ("completed", "canceled", "rejected")),
    "s:canceled",
)


class RowView(NamedTuple):
    """A row as the page shows it; ``disposition`` is "" before its end, ``recording`` a safe address or ""."""

    number: int
    name: str
    phones: str
    state: str
    disposition: str
    attempts: int
    at: str | None
    extid: str
    recording: str


def _search(request: Request) -> RowSearch:
    outcome = request.query_params.get("outcome", "")
    return RowSearch(request.query_params.get("q", "").strip()[:MAX_TEXT], outcome if outcome in OUTCOMES else "")


def _name_place(record: CampaignRecord) -> int | None:
    try:
        return name_place(record.columns, record.request.get("columns") or {})
    except BadFile:
        return None


def row_view(row: ResultRow, name_at: int | None, *, full: bool) -> RowView:
    """A row with its phones masked unless ``full``."""
    name = row.cells[name_at] if name_at is not None and name_at < len(row.cells) else ""
    return RowView(
        row.number,
        call_rows.text(name[:MAX_NAME], full=full),
        ", ".join(call_rows.number(phone, full=full) for phone in row.phones),
        row.state,
        row.disposition or "",
        row.attempts,
        row.last_attempt_at,
        row.extid or "",
        call_rows.recording(row.record),
    )


@router.get("/campaigns/{name}/rows")
async def list_rows(request: Request, operator: Signed, name: str) -> Response:
    campaigns = app_context(request).queue.campaigns
    record = await campaigns.get(name)
    search = _search(request)
    cursor = request.query_params.get("cursor", "")[:20]
    found = await WORK.run(campaigns.blocking.find_rows, record.id, search, cursor=cursor, limit=PAGE_SIZE)
    name_at, full = _name_place(record), call_rows.in_full(operator)
    query = {"q": search.text, "outcome": search.outcome}
    variables: dict[str, Any] = {
        "record": record,
        "rows": [row_view(row, name_at, full=full) for row in found.rows],
        "full": full,
        "has_names": name_at is not None,
        "search": search,
        "outcomes": OUTCOMES,
        "scanned": found.scanned,
        "here": cursor,
        "query": urlencode(query),
        "onward": urlencode(query | {"cursor": found.cursor}) if found.cursor else "",
    }
    return page(request, "campaign_rows.html", operator, **variables)


@router.get("/campaigns/{name}/rows.csv")
async def rows_csv(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns, record = await begin_export(request, operator, name, "csv")
    rows = campaigns.matching_rows(record.id, _search(request))
    blocks = csv_blocks(rows, record.columns, delimiter=delimiter_of(t), texts=t)
    return await csv_download(blocks, record.name)


@router.get("/campaigns/{name}/rows.xlsx")
async def rows_xlsx(request: Request, operator: Signed, name: str) -> Response:
    t, campaigns, record = await begin_export(request, operator, name, "xlsx")
    rows = campaigns.matching_rows(record.id, _search(request))
    return await xlsx_download(request, record.name, write_xlsx, rows, record.columns, texts=t, zone=t.zone)
