"""The list of unconfirmed calls, whose phone may have rung: what is known of each, and the choice to wait or to redial."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import State

from ..calls.explain import reason_text
from ..i18n import Translator
from ..store.call_context import CallContext, deadlines_async
from ..store.call_filter import CallFilter
from ..store.call_listing import Count
from ..store.records import CallRecord, iso
from ..web.context import app_context
from . import call_rows, call_view
from .auth import Signed, can
from .call_filter_form import CallQuery
from .calls import count_of
from .context import translator_of
from .rendering import PeopleRoute, page

PAGE_SIZE: Final = 25
MAX_COUNT: Final = 1000

ALL: Final = CallQuery({"state": State.UNCONFIRMED.value}, CallFilter(state=State.UNCONFIRMED))

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class UnconfirmedRow:
    """``since`` is when the call became unconfirmed, ``deadline`` when its result is given up."""

    row: call_rows.CallRow
    attempt: call_view.AttemptView
    reason: str
    since: str
    deadline: str | None


def _row(
    record: CallRecord, context: CallContext, deadlines: dict[str, int], t: Translator, *, full: bool
) -> UnconfirmedRow:
    deadline = deadlines.get(record.wire_extid)
    return UnconfirmedRow(
        row=call_rows.row_of(record, full=full),
        attempt=call_view.attempt_view(record.attempts[-1], record, context, t, full=full),
        reason=reason_text(record.timeline[-1].get("note"), t),
        since=record.timeline[-1]["at"],
        deadline=None if deadline is None else iso(deadline),
    )


@router.get("/unconfirmed")
async def list_unconfirmed(request: Request, operator: Signed) -> Response:
    queue = app_context(request).queue
    cursor = request.query_params.get("cursor", "")[:64]
    calls, count = await asyncio.gather(
        # With a cursor of another list this list starts again.
        queue.calls(ALL.filter, cursor=cursor if cursor.startswith("u") else None, limit=PAGE_SIZE),
        count_of(queue, ALL, "redial", MAX_COUNT),
    )
    context, deadlines = await queue.store.call(deadlines_async, [record.wire_extid for record in calls.calls])
    t, full = translator_of(request), call_rows.in_full(operator)
    may_redial = can(operator, "redial_calls")
    live = request.query_params.get("live") != "off"
    return page(
        request,
        "unconfirmed.html",
        operator,
        calls=[_row(record, context, deadlines, t, full=full) for record in calls.calls],
        full=full,
        cursor=calls.cursor,
        here=cursor,
        count=count,
        redial=count if may_redial else Count(0, more=False),
        may_redial=may_redial,
        live=live,
        refreshed=live and not cursor,
        attended=context.attended,
    )
