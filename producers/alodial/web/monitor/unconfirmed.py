"""Calls whose POST's outcome nobody knows: what is known of each, and the two honest choices."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import State

from ...store.filters import CallFilter
from ...store.lists import Count
from ...store.records import CallRecord, iso
from ...store.standing import Standing, deadlines_async
from ..parts import parts_of
from . import call_parts, shown
from .calls import count_of
from .calls_asked import Asked
from .clocks import Clocks
from .desk import desk_of, words_of
from .guard import Signed, may
from .session import Operator
from .show import PeopleRoute, page
from .why import reason_words

LISTED: Final = 25
COUNTED: Final = 1000

ALL: Final = Asked({"state": State.UNCONFIRMED.value}, CallFilter(state=State.UNCONFIRMED))

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class Unsure:
    """One of them: ``since`` is when it became so, ``deadline`` when its result is given up."""

    row: shown.Row
    attempt: call_parts.AttemptShown
    reason: str
    since: str
    deadline: str | None


async def _shown(
    request: Request, operator: Operator, cursor: str
) -> tuple[list[Unsure], str | None, Standing, dict[str, int]]:
    queue = parts_of(request).queue
    # A cursor of another list begins this one anew.
    found = await queue.calls(ALL.wanted, cursor=cursor if cursor.startswith("u") else None, limit=LISTED)
    around, deadlines = await queue.store.call(
        lambda client: deadlines_async(client, [record.extid for record in found.calls])
    )
    clocks = Clocks(words_of(request), desk_of(request).zone)
    full = shown.in_full(operator)
    rows = [_unsure(record, around, deadlines, clocks, full=full) for record in found.calls]
    return rows, found.cursor, around, deadlines


def _unsure(record: CallRecord, around: Standing, deadlines: dict[str, int], clocks: Clocks, *, full: bool) -> Unsure:
    deadline = deadlines.get(record.extid)
    return Unsure(
        row=shown.row_of(record, full=full),
        attempt=call_parts.attempts_of(record, around, clocks, full=full)[0],
        reason=reason_words(record.timeline[-1].get("note"), clocks.words),
        since=record.timeline[-1]["at"],
        deadline=None if deadline is None else iso(deadline),
    )


@router.get("/unconfirmed")
async def listed(request: Request, operator: Signed) -> Response:
    cursor = request.query_params.get("cursor", "")[:64]
    (rows, after, around, _), count = await asyncio.gather(
        _shown(request, operator, cursor), count_of(parts_of(request).queue, ALL, "redial", COUNTED)
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
        redial=count if may(operator, "redial_calls") else Count(0, more=False),
        may_redial=may(operator, "redial_calls"),
        live=live,
        refreshed=live and not cursor,
        attended=around.attended,
        clocks=Clocks(words_of(request), desk_of(request).zone),
    )
