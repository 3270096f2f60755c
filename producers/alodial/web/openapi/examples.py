"""The examples of the OpenAPI document, from examples.json. A test holds each against its schema."""

import json
from importlib.resources import files
from typing import Any, Final

_DATA: Final[dict[str, dict[str, Any]]] = json.loads((files(__package__) / "examples.json").read_text("utf-8"))

REQUESTS: Final = _DATA["requests"]
"""Request bodies by kind: two-way, queue, ivr, campaign."""

SCHEMAS: Final = _DATA["schemas"]
"""Examples that stand in the schema of their name."""

PROBLEMS: Final = _DATA["problems"]
"""Code and detail of the problem document for each status."""

EVENTS: Final = _DATA["events"]
"""The envelope of an event, its data by group (call, campaign, result), and what differs for single types."""


def event_data(group: str, word: str) -> dict[str, Any]:
    """Returns the data of an example event of the type ``alodial.{group}.{word}``, with the group's state."""
    alike = "call.completed" if word == "corrected" else f"{group}.{word}"
    return {**EVENTS[group], **EVENTS["changes"].get(alike, {})}


_SUMMARY: Final = _DATA["answers"].pop("CallSummary")
_RECORD: Final = {"attempts": [_DATA["answers"].pop("Attempt")], "timeline": [_DATA["answers"].pop("Moment")]}

_COMPLETED: Final = event_data("call", "completed")
_EVENT: Final = {
    **EVENTS["event"],
    "type": "alodial.call.completed",
    "subject": _COMPLETED["call_id"],
    "data": _COMPLETED,
}

ANSWERS: Final = _DATA["answers"] | {
    "CallShown": _SUMMARY | _RECORD,
    "CallEventsShown": {"events": [_EVENT]},
    "CallPage": {"calls": [_SUMMARY], "cursor": None},
    "CampaignList": {"campaigns": [_DATA["answers"]["Campaign"]], "cursor": None},
    "AuditPage": {"acts": [_DATA["answers"]["Act"]]},
    "KeyList": {"keys": [_DATA["answers"]["Key"]]},
    "NewKey": _DATA["answers"]["Key"] | {"key": "alodial_EXAMPLE"},
    "EndpointList": {"endpoints": [_DATA["answers"]["Endpoint"]]},
}
"""Examples that stand beside the answer with the schema of their name."""
