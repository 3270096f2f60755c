"""Addresses that name a campaign by its name: people know no ids."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ..errors import NotFound
from ..store.call_facts import NO_VALUE
from ..web.context import app_context
from .rendering import go

ID_LENGTH = 36


async def by_campaign_id(request: Request) -> Response | None:
    """Leads to the same address with the id of the campaign that it names; None where it has an id, or no such campaign."""
    name = request.query_params.get("campaign", "").strip()
    if name in ("", NO_VALUE) or len(name) == ID_LENGTH:
        return None
    try:
        campaign = await app_context(request).queue.campaigns.get(name)
    except NotFound:
        return None
    values = [(key, campaign.id if key == "campaign" else value) for key, value in request.query_params.multi_items()]
    return go(f"{request.url.path}?{urlencode(values)}")
