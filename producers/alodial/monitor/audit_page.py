"""The page of the audit: which key or person did what."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store import audit
from ..web.context import app_context
from .auth import Forbidden, Signed, can
from .rendering import PeopleRoute, page

PAGE_SIZE = 100

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@router.get("/audit")
async def show_audit(request: Request, operator: Signed) -> Response:
    """A hundred acts, the newest first; ``until`` (Unix ms) leads to those before."""
    if not can(operator, "audit"):
        raise Forbidden("refused.role")
    text = request.query_params.get("until", "")
    until = int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None
    store = app_context(request).queue.store
    lines = await store.run_steps(audit.page, until=until, limit=PAGE_SIZE)
    older = int(lines[-1].id.partition("-")[0]) if len(lines) == PAGE_SIZE else None
    return page(request, "audit.html", operator, acts=[line.to_dict() for line in lines], older=older)
