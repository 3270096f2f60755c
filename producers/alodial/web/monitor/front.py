"""The first screen: what goes on now, in a strip, and the campaigns."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import StoreUnavailable
from ...store.gauges import Gauges, read_gauges
from ..parts import Parts, parts_of
from .guard import Signed, operator_of
from .show import PeopleRoute, page
from .sign import sign_in_page

SHOWN = 20
"""Campaigns on the first screen; the others are on their own."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


async def _gauges(parts: Parts) -> Gauges:
    return await parts.queue.store.call(lambda client: read_gauges(client, parts.settings.account_names))


@router.get("/")
async def front(request: Request) -> Response:
    operator = operator_of(request)
    if operator is None:
        return sign_in_page(request)
    parts = parts_of(request)
    try:
        gauges, listed = await asyncio.gather(
            _gauges(parts), asyncio.to_thread(lambda: parts.queue.campaigns.list(limit=SHOWN))
        )
    except StoreUnavailable:
        # The one screen that must say what is wrong while Redis is away, rather than that it cannot be shown.
        return page(request, "front.html", operator, status=503, gauges=None, campaigns=[], more=False)
    return page(
        request, "front.html", operator, gauges=gauges, campaigns=listed.campaigns, more=listed.cursor is not None
    )


@router.get("/now")
async def now(request: Request, operator: Signed) -> Response:
    """The strip alone, for the page that is open."""
    return page(request, "now.html", operator, gauges=await _gauges(parts_of(request)))
