"""The shared models and rules: calls, states, dispositions, events and AloVoice's wire. No I/O."""

from .alovoice.request import FieldsError, nest, read_request
from .calls import (
    CallRequest,
    IvrCall,
    Phone,
    Queue,
    RedialPolicy,
    TwoWayCall,
    body_json,
    numbers_of,
    parse_call,
    parties_of,
    request_from_body,
)
from .dispositions import Disposition, disposition_of
from .errors import FieldProblem
from .events import EVENT_TYPES, Event, event_time, parse_event
from .ids import extid_of, make_id, new_ids
from .phones import PhoneError, any_phone, mask_numbers, mask_phone, normalise_phone
from .plain_call import plain_body
from .states import ENDS, TRANSITIONS, State

__all__ = [
    "ENDS",
    "EVENT_TYPES",
    "TRANSITIONS",
    "CallRequest",
    "Disposition",
    "Event",
    "FieldProblem",
    "FieldsError",
    "IvrCall",
    "Phone",
    "PhoneError",
    "Queue",
    "RedialPolicy",
    "State",
    "TwoWayCall",
    "any_phone",
    "body_json",
    "disposition_of",
    "event_time",
    "extid_of",
    "make_id",
    "mask_numbers",
    "mask_phone",
    "nest",
    "new_ids",
    "normalise_phone",
    "numbers_of",
    "parse_call",
    "parse_event",
    "parties_of",
    "plain_body",
    "read_request",
    "request_from_body",
]
