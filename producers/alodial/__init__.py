"""Alodial places telephone calls through AloVoice: no phone rung twice, no call forgotten.

    from alodial import CallQueue, TwoWayCall
    queue = CallQueue()
    call = queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]), reference="order-17")
    for event in queue.events(group="billing"): ...

Each name is imported at its first use, so that `alodial --version` does not wait for pydantic and redis.
"""

from importlib import import_module

TYPE_CHECKING = False  # as typing's, whose import takes half of the time of this one
if TYPE_CHECKING:
    from typing import Any

    from alodial_schemas import Disposition, Event, FieldProblem, IvrCall, Phone, Queue, RedialPolicy, State, TwoWayCall
    from alodial_schemas.campaigns import CampaignRequest

    from .calls.outcomes import QueuedCall, RefusedCall
    from .calls.queue import AsyncCallQueue, CallQueue
    from .campaigns.errors import BadFile, CampaignDuplicate, CampaignNotAllowed, InvalidCampaign
    from .campaigns.records import CampaignRecord
    from .errors import (
        AlodialError,
        ConfigurationError,
        Conflict,
        InvalidCall,
        NotCancelable,
        NotFound,
        NotRedialable,
        StoreFull,
        StoreUnavailable,
    )
    from .settings import Settings
    from .store.call_filter import CallFilter
    from .store.call_listing import Count, Page
    from .store.records import CallRecord

# One name a line would be a page.
# fmt: off
__all__ = [
    "AlodialError", "AsyncCallQueue", "BadFile", "CallFilter", "CallQueue", "CallRecord", "CampaignDuplicate",
    "CampaignNotAllowed", "CampaignRecord", "CampaignRequest", "ConfigurationError", "Conflict", "Count",
    "Disposition", "Event", "FieldProblem", "InvalidCall", "InvalidCampaign", "IvrCall", "NotCancelable", "NotFound",
    "NotRedialable", "Page", "Phone", "Queue", "QueuedCall", "RedialPolicy", "RefusedCall", "Settings", "State",
    "StoreFull", "StoreUnavailable", "TwoWayCall",
]
# fmt: on

_HOMES = {
    "alodial_schemas": "Disposition Event FieldProblem IvrCall Phone Queue RedialPolicy State TwoWayCall",
    "alodial.errors": "AlodialError ConfigurationError Conflict InvalidCall NotCancelable NotFound NotRedialable "
    "StoreFull StoreUnavailable",
    "alodial.calls.outcomes": "QueuedCall RefusedCall",
    "alodial.calls.queue": "AsyncCallQueue CallQueue",
    "alodial.campaigns.errors": "BadFile CampaignDuplicate CampaignNotAllowed InvalidCampaign",
    "alodial.campaigns.records": "CampaignRecord",
    "alodial_schemas.campaigns": "CampaignRequest",
    "alodial.settings": "Settings",
    "alodial.store.call_filter": "CallFilter",
    "alodial.store.call_listing": "Count Page",
    "alodial.store.records": "CallRecord",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> "Any":
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
