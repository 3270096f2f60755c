"""Downloads of a campaign, the same as the API's: its results, its rejected rows, its report."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..web.routes import campaigns as api
from .auth import Signed, audit
from .context import translator_of
from .rendering import PeopleRoute

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _delimiter(request: Request) -> str:
    """Spreadsheet programs set to Russian or Uzbek split at semicolons, because the comma is their decimal sign."""
    return "," if translator_of(request).language == "en" else ";"


@router.get("/campaigns/{name}/results.csv")
async def results_csv(request: Request, operator: Signed, name: str) -> Response:
    audit(operator, "campaign.export", campaign=name, kind="csv")
    return await api.results_csv(request, operator.api_key, name, _delimiter(request))


@router.get("/campaigns/{name}/results.xlsx")
async def results_xlsx(request: Request, operator: Signed, name: str) -> Response:
    audit(operator, "campaign.export", campaign=name, kind="xlsx")
    return await api.results_xlsx(request, operator.api_key, name)


@router.get("/campaigns/{name}/problems.csv")
async def problems_csv(request: Request, operator: Signed, name: str) -> Response:
    audit(operator, "campaign.export", campaign=name, kind="problems")
    return await api.problems_csv(request, operator.api_key, name)


@router.get("/campaigns/{name}/report")
async def report(request: Request, operator: Signed, name: str) -> Response:
    return await api.report(request, operator.api_key, name)
