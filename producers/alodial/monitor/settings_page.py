"""The page of the settings in force: each value, and where it comes from. Of a secret only whether it is set."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.threads import READS
from ..settings.environment import sources, visible_settings
from ..store.retention import kept_data
from ..web.context import app_context
from .auth import Forbidden, Signed, can
from .rendering import PeopleRoute, page

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@router.get("/settings")
async def show_settings(request: Request, operator: Signed) -> Response:
    """This web process's settings by name; those that somebody set stand first."""
    if not can(operator, "settings"):
        raise Forbidden("refused.role")
    values = visible_settings(app_context(request).settings)
    origins = await READS.run(sources, values)
    rows = sorted(((name, value, origins[name]) for name, value in values.items()), key=lambda row: row[2] == "default")
    return page(request, "settings.html", operator, rows=rows, kept=kept_data(app_context(request).settings))
