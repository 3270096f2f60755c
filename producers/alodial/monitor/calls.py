"""The list of calls: its filters are its address."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import ENDS, Disposition, PhoneError, State, normalise_phone

from ..calls.queue import AsyncCallQueue
from ..errors import InvalidCall, NotFound
from ..store.call_filter import CallFilter
from ..store.call_listing import Count, Page
from ..web.context import app_context
from . import call_rows
from .auth import Signed, can
from .call_filter_form import CANCELABLE, CallQuery, cancelable, read_query, redialable
from .context import monitor_context
from .rendering import PeopleRoute, go, page

LISTED: Final = 50
COUNTED: Final = 1000
"""A filter without a figure of its own is counted so far, looking at twice as many records: about 50 ms."""

MAX_NAME: Final = 128

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def asked_of(request: Request, given: Mapping[str, str] | None = None) -> CallQuery:
    return read_query(request.query_params if given is None else given, monitor_context(request).zone)


async def _by_name(queue: AsyncCallQueue, name: str) -> str:
    """Where a name leads: to the call with this id, extid or reference, to those with this reference or number."""
    try:
        return f"/calls/{(await queue.get(name)).id}"
    except NotFound:
        pass
    named = (await queue.calls(CallFilter(reference=name), limit=2)).calls
    if len(named) == 1:
        return f"/calls/{named[0].id}"
    if not named:
        try:
            number = normalise_phone(name, allowed=())
        except PhoneError:
            pass
        else:
            return CallQuery({"phone": number}).address()
    return CallQuery({"reference": name}).address() + ("" if named else "&nothing=1")


async def _counts(queue: AsyncCallQueue, asked: CallQuery) -> dict[str, int]:
    """Calls of each state under the rest of the filter, where the store knows it without looking."""
    if asked.narrow or asked.wrong:
        return {}
    states = list(State) if not asked.wanted.disposition else [State.COMPLETED]
    found = await asyncio.gather(*(queue.count(replace(asked.wanted, state=state), limit=COUNTED) for state in states))
    return {state.value: count.number for state, count in zip(states, found, strict=True)}


async def count_of(queue: AsyncCallQueue, asked: CallQuery, act: str, limit: int) -> Count:
    """How many calls an act is about."""
    if act == "redial":
        return await queue.count(asked.wanted, limit=limit) if redialable(asked) else Count(0, more=False)
    found = [await queue.count(replace(asked.wanted, state=state), limit=limit) for state in cancelable(asked)]
    return Count(sum(one.number for one in found), any(one.more for one in found))


async def _page(queue: AsyncCallQueue, asked: CallQuery, cursor: str) -> tuple[Page, bool]:
    """The page, and whether its cursor was one of this list; with another one the list begins anew."""
    if asked.wrong:
        return Page([], None), True
    try:
        return await queue.calls(asked.wanted, cursor=cursor or None, limit=LISTED), True
    except InvalidCall:
        return await queue.calls(asked.wanted, limit=LISTED), False


@router.get("/calls")
async def listed(request: Request, operator: Signed) -> Response:
    queue = app_context(request).queue
    name = request.query_params.get("find", "").replace("\x00", "").strip()[:MAX_NAME]
    if name:
        return go(await _by_name(queue, name))
    asked = asked_of(request)
    cursor = request.query_params.get("cursor", "")[:64]
    (found, known), counts, cancel, redial = await asyncio.gather(
        _page(queue, asked, cursor),
        _counts(queue, asked),
        count_of(queue, asked, "cancel", COUNTED),
        count_of(queue, asked, "redial", COUNTED),
    )
    first = not cursor or not known
    live = request.query_params.get("live") != "off"
    return page(
        request,
        "calls.html",
        operator,
        status=422 if asked.wrong else 200,
        asked=asked,
        rows=call_rows.rows_of(found.calls, full=call_rows.in_full(operator)),
        cursor=found.cursor,
        first=first,
        live=live,
        refreshed=first and live and not asked.wrong,
        nothing=request.query_params.get("nothing") == "1" and not found.calls,
        counts=counts,
        states=[one.value for one in State],
        ends=ENDS,
        dispositions=[one.value for one in Disposition],
        accounts=app_context(request).settings.account_names,
        cancel=cancel if can(operator, "cancel_calls") else Count(0, more=False),
        redial=redial if can(operator, "redial_calls") else Count(0, more=False),
        may_redial=can(operator, "redial_calls"),
        waiting=CANCELABLE,
        full=call_rows.in_full(operator),
    )
