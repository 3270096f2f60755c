"""Calls whose POST's outcome nobody knows: what is known of each, and the two honest choices."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import State

from ..store.call_context import CallContext, deadlines_async
from ..store.call_filter import CallFilter
from ..store.call_listing import Count
from ..store.records import CallRecord, iso
from ..web.context import app_context
from . import call_rows, call_view
from .auth import Signed, can
from .call_filter_form import CallQuery
from .calls import count_of
from .context import monitor_context, translator_of
from .explain import reason_words
from .rendering import PeopleRoute, page
from .session import Operator
from .time_format import TimeFormatter

LISTED: Final = 25
COUNTED: Final = 1000

ALL: Final = CallQuery({"state": State.UNCONFIRMED.value}, CallFilter(state=State.UNCONFIRMED))

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class UnconfirmedRow:
    """One of them: ``since`` is when it became so, ``deadline`` when its result is given up."""

    row: call_rows.CallRow
    attempt: call_view.AttemptShown
    reason: str
    since: str
    deadline: str | None


async def _shown(
    request: Request, operator: Operator, cursor: str
) -> tuple[list[UnconfirmedRow], str | None, CallContext, dict[str, int]]:
    queue = app_context(request).queue
    # A cursor of another list begins this one anew.
    found = await queue.calls(ALL.wanted, cursor=cursor if cursor.startswith("u") else None, limit=LISTED)
    around, deadlines = await queue.store.call(deadlines_async, [record.extid for record in found.calls])
    clocks = TimeFormatter(translator_of(request), monitor_context(request).zone)
    full = call_rows.in_full(operator)
    rows = [_unsure(record, around, deadlines, clocks, full=full) for record in found.calls]
    return rows, found.cursor, around, deadlines


def _unsure(
    record: CallRecord, around: CallContext, deadlines: dict[str, int], clocks: TimeFormatter, *, full: bool
) -> UnconfirmedRow:
    deadline = deadlines.get(record.extid)
    return UnconfirmedRow(
        row=call_rows.row_of(record, full=full),
        attempt=call_view.attempts_of(record, around, clocks, full=full)[0],
        reason=reason_words(record.timeline[-1].get("note"), clocks.words),
        since=record.timeline[-1]["at"],
        deadline=None if deadline is None else iso(deadline),
    )


@router.get("/unconfirmed")
async def listed(request: Request, operator: Signed) -> Response:
    cursor = request.query_params.get("cursor", "")[:64]
    (rows, after, around, _), count = await asyncio.gather(
        _shown(request, operator, cursor), count_of(app_context(request).queue, ALL, "redial", COUNTED)
    )
    live = request.query_params.get("live") != "off"
    return page(
        request,
        "unconfirmed.html",
        operator,
        calls=rows,
        cursor=after,
        here=cursor,
        count=count,
        redial=count if can(operator, "redial_calls") else Count(0, more=False),
        may_redial=can(operator, "redial_calls"),
        live=live,
        refreshed=live and not cursor,
        attended=around.attended,
        clocks=TimeFormatter(translator_of(request), monitor_context(request).zone),
    )
