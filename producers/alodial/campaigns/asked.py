"""A campaign as a caller asked for it."""

from collections.abc import Mapping
from typing import Any

from alodial_schemas.campaigns import CampaignError, CampaignRequest, parse_campaign

from ..settings import Settings
from .errors import InvalidCampaign


def read_campaign(source: CampaignRequest | Mapping[str, Any], settings: Settings) -> CampaignRequest:
    """A model as it is, anything else by its JSON shape. Raises InvalidCampaign that names each bad field."""
    if isinstance(source, CampaignRequest):
        return source
    try:
        return parse_campaign(source, allowed=settings.allowed_prefixes)
    except CampaignError as exc:
        raise InvalidCampaign(exc.problems) from None
