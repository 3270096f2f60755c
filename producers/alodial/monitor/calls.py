"""The list of calls. Its address holds its filter."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import ENDS, Disposition, PhoneError, State, any_phone

from ..calls.explain import reason_text
from ..calls.merged_list import count_calls
from ..calls.queue import AsyncCallQueue
from ..calls.threads import ARCHIVE
from ..errors import ArchiveUnavailable, InvalidCall, NotFound
from ..store.call_filter import CallFilter
from ..store.call_listing import PART_SCAN, Count, Page
from ..web.context import app_context
from . import call_rows, saved_filters
from .auth import Signed, can
from .call_filter_form import CANCELABLE, CallQuery, cancelable, read_query, redialable
from .campaign_name import by_campaign_id
from .context import monitor_context
from .rendering import PeopleRoute, go, page
from .sorting import sorted_rows

PAGE_SIZE: Final = 50
MAX_COUNT: Final = 1000
"""Calls of a filter without a counter of its own are counted up to this, which reads twice as many records: about 50 ms."""

MAX_NAME: Final = 128

COLUMNS: Final[Mapping[str, Callable[[call_rows.CallRow], Any]]] = {
    "name": lambda row: row.name.casefold(),
    "to": lambda row: row.to,
    "state": lambda row: row.state,
    "outcome": lambda row: row.disposition,
    "created": lambda row: row.created_at,
    "changed": lambda row: row.updated_at,
}
"""Within a page of the list, which is in the order of creation: no other order of all calls is kept."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def query_of(request: Request, values: Mapping[str, str] | None = None) -> CallQuery:
    """The filter of the request's address, or of ``values``."""
    if values is None:
        ticked = {"calls": ",".join(request.query_params.getlist("calls"))}
        values = dict(request.query_params) | ticked
    return read_query(values, monitor_context(request).zone, app_context(request).settings.allowed_prefixes)


async def _address_of(queue: AsyncCallQueue, name: str) -> str:
    """The call with this id, extid or only reference; else the list of calls with this reference or phone, or a part of it."""
    try:
        return f"/calls/{(await queue.get(name)).id}"
    except (NotFound, ArchiveUnavailable):
        pass
    calls = (await queue.calls(CallFilter(reference=name), limit=2)).calls
    if len(calls) == 1:
        return f"/calls/{calls[0].id}"
    if calls:
        return CallQuery({"reference": name}).address()
    with contextlib.suppress(PhoneError):
        phone = any_phone(name, queue.settings.allowed_prefixes)
        if (await queue.calls(CallFilter(phone=phone), limit=1)).calls:
            return CallQuery({"phone": phone}).address()
    return CallQuery({"part": name}).address()


async def _counts(queue: AsyncCallQueue, query: CallQuery) -> dict[str, int]:
    """Calls of each state under the rest of the filter, where the store has counters for it."""
    if query.narrow or query.invalid:
        return {}
    states = list(State) if not query.filter.disposition else [State.COMPLETED]
    counts = await asyncio.gather(
        *(queue.count(replace(query.filter, state=state), limit=MAX_COUNT) for state in states)
    )
    return {state.value: count.number for state, count in zip(states, counts, strict=True)}


async def count_of(queue: AsyncCallQueue, query: CallQuery, act: str, limit: int) -> Count:
    """How many calls of a filter an act concerns, counted up to ``limit``."""
    if act == "redial":
        if not redialable(query):
            return Count(0, more=False)
        return await ARCHIVE.run(count_calls, queue.thread_store, queue.archive, query.filter, limit)
    counts = [await queue.count(replace(query.filter, state=state), limit=limit) for state in cancelable(query)]
    return Count(sum(count.number for count in counts), any(count.more for count in counts))


async def _page(queue: AsyncCallQueue, query: CallQuery, cursor: str) -> tuple[Page, bool]:
    """The page, and whether it is the first: with a cursor of another list the list starts again."""
    if query.invalid:
        return Page([], None), True
    try:
        return await queue.calls(query.filter, cursor=cursor or None, limit=PAGE_SIZE), not cursor
    except InvalidCall:
        return await queue.calls(query.filter, limit=PAGE_SIZE), True


@router.get("/calls")
async def list_calls(request: Request, operator: Signed) -> Response:
    queue = app_context(request).queue
    name = request.query_params.get("find", "").replace("\x00", "").strip()[:MAX_NAME]
    if name:
        return go(await _address_of(queue, name))
    if (answer := await by_campaign_id(request)) is not None:
        return answer
    query = query_of(request)
    may_redial = can(operator, "redial_calls")
    (calls, first), counts, cancel, redial, filters = await asyncio.gather(
        _page(queue, query, request.query_params.get("cursor", "")[:160]),
        _counts(queue, query),
        count_of(queue, query, "cancel", MAX_COUNT),
        count_of(queue, query, "redial", MAX_COUNT),
        saved_filters.filters_of(request, operator, "calls"),
    )
    live = request.query_params.get("live") != "off"
    rows, sorting = sorted_rows(request, call_rows.rows_of(calls.calls, full=call_rows.in_full(operator)), COLUMNS)
    return page(
        request,
        "calls.html",
        operator,
        status=422 if query.invalid else 200,
        query=query,
        rows=rows,
        reason_text=reason_text,
        sorting=sorting,
        filters=filters,
        keep="" if query.invalid else saved_filters.kept_query("calls", query.query_string()),
        filters_full=request.query_params.get("filters") == "full",
        cursor=calls.cursor,
        first=first,
        incomplete=calls.incomplete,
        archived=queue.archive is not None,
        live=live,
        refreshed=first and live and not query.invalid and not query.filter.part,
        counts=counts,
        states=[state.value for state in State],
        ends=ENDS,
        dispositions=[disposition.value for disposition in Disposition],
        accounts=app_context(request).settings.account_names,
        cancel=cancel if can(operator, "cancel_calls") else Count(0, more=False),
        redial=redial if may_redial else Count(0, more=False),
        may_redial=may_redial,
        may_cancel=can(operator, "cancel_calls"),
        waiting=CANCELABLE,
        part_scan=PART_SCAN,
        full=call_rows.in_full(operator),
    )
