"""Alodial places telephone calls through AloVoice: no phone rung twice, no call forgotten.

from alodial import CallQueue, TwoWayCall
queue = CallQueue()
call = queue.enqueue(TwoWayCall(callfrom="712037006", callto=["994412860", "977076909"]), reference="order-17")
for event in queue.events(group="billing"): ...
"""

from alodial_schemas import Disposition, Event, FieldProblem, IvrCall, Phone, Queue, RedialPolicy, State, TwoWayCall

from .errors import (
    AlodialError,
    ConfigurationError,
    Conflict,
    InvalidCall,
    NotCancelable,
    NotFound,
    StoreUnavailable,
)
from .queue import AsyncCallQueue, CallQueue, QueuedCall, RefusedCall
from .settings import Settings
from .store.reads import CallFilter, Page
from .store.records import CallRecord

__all__ = [
    "AlodialError",
    "AsyncCallQueue",
    "CallFilter",
    "CallQueue",
    "CallRecord",
    "ConfigurationError",
    "Conflict",
    "Disposition",
    "Event",
    "FieldProblem",
    "InvalidCall",
    "IvrCall",
    "NotCancelable",
    "NotFound",
    "Page",
    "Phone",
    "Queue",
    "QueuedCall",
    "RedialPolicy",
    "RefusedCall",
    "Settings",
    "State",
    "StoreUnavailable",
    "TwoWayCall",
]
