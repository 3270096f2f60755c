"""The list of open sessions, and signing them out: one, or all of one's own key everywhere."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store.records import iso
from .auth import Signed, audit, can, cookie_of, form_of, text_of
from .context import monitor_context
from .rendering import PeopleRoute, go, page
from .session import Operator, SessionRow

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def _visible(request: Request, operator: Operator) -> list[SessionRow]:
    """The sessions that the operator may see and end: those of the same key, with the role ``operate`` everybody's."""
    rows = await monitor_context(request).sessions.listing()
    scope = operator.api_key.scope
    return [row for row in rows if row.operator.api_key.scope == scope or can(operator, "sessions.all")]


@router.get("/sessions")
async def show_sessions(request: Request, operator: Signed) -> Response:
    rows = [
        (row.operator, iso(row.operator.opened * 1000), iso(row.seen * 1000))
        for row in await _visible(request, operator)
    ]
    return page(request, "sessions.html", operator, rows=rows)


@router.post("/sessions/end")
async def end_sessions(request: Request, operator: Signed) -> Response:
    """Signs out one session, or with ``which`` = ``everywhere`` all of the operator's key, this one as well."""
    form = await form_of(request, operator, "sessions")
    everywhere = text_of(form, "which") == "everywhere"
    scope = operator.api_key.scope
    ids = [
        row.operator.id
        for row in await _visible(request, operator)
        if (row.operator.api_key.scope == scope if everywhere else row.operator.id == text_of(form, "session"))
    ]
    await monitor_context(request).sessions.end(*ids)
    await audit(request, operator, "sessions.end", count=len(ids), everywhere=everywhere)
    if operator.id not in ids:
        return go("/sessions")
    answer = go("/")
    answer.delete_cookie(cookie_of(request, "session"), path="/", httponly=True, samesite="strict")
    return answer
