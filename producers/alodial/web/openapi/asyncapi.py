"""The AsyncAPI 3.0 document of the events: a message for each type, and the three channels that carry them."""

from importlib.metadata import version
from typing import Any

from alodial_schemas import ENDS, EVENT_TYPES, Disposition, State
from alodial_schemas.campaigns import CampaignState

from ...store.keys import Keys
from ...webhooks.admin import TEST_TYPE
from . import examples

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_ENDS = [state.value for state in State if state in ENDS]

_MEANINGS = {
    "queued": "It is ready to go, or its time has been noted",
    "submitted": "AloVoice took it",
    "unconfirmed": "The POST left and nobody knows whether AloVoice took it; never dialled again by itself",
    "completed": "Its result came; `disposition` says how it went",
    "rejected": "AloVoice refused it; no phone rang",
    "failed": "It could not be placed within its tries",
    "expired": "Its `expires_at` passed before it was submitted",
    "canceled": "It was canceled before it was submitted",
    "timed_out": "No result came within ALODIAL_RESULT_TIMEOUT",
    "redial_scheduled": "A further attempt will be made",
    "corrected": "A later result than the one that ended it says more",
}
_FINDINGS = {"raised": "Something is wrong", "resolved": "It is not there any more"}


# What a call or campaign is after an event that is not named for its state.
_STATES = {
    "redial_scheduled": State.SCHEDULED,
    "corrected": State.COMPLETED,
    "started": CampaignState.RUNNING,
    "resumed": CampaignState.RUNNING,
}


def _data(**more: Any) -> dict[str, Any]:
    properties = {
        "call_id": _TEXT_OR_NULL | {"description": "Ours, UUIDv7 text"},
        "extid": _TEXT_OR_NULL | {"description": "Of the attempt that it is about"},
        "reference": _TEXT_OR_NULL,
        "campaign_id": _TEXT_OR_NULL,
        "state": _TEXT_OR_NULL,
        "disposition": {"anyOf": [{"enum": sorted(Disposition)}, {"type": "null"}]},
        "attempt": {"type": ["integer", "null"]},
        "metadata": {"type": "object", "additionalProperties": _TEXT},
    } | more
    return {"type": "object", "required": list(properties), "properties": properties}


def _payload(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "specversion": {"const": "1.0"},
        "id": _TEXT
        | {"description": "The same for the same change, however often it is told; its last number only grows"},
        "owner": _TEXT | {"description": "The name of the API key that made it; absent when it had none"},
        "source": {"const": "/alodial"},
        "type": {"const": kind},
        "subject": _TEXT | {"description": "The call's or the campaign's id, or the code of a finding"},
        "time": _TEXT | {"format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    return {
        "type": "object",
        "required": [name for name in properties if name not in ("owner", "subject")],
        "properties": properties,
    }


def _result() -> dict[str, Any]:
    moment, texts = _TEXT_OR_NULL | {"format": "date-time"}, {"type": "array", "items": _TEXT}
    properties = {
        "call_ids": {"type": "array", "items": {"type": "integer"}},
        "from_numbers": texts,
        "to_numbers": texts,
        "trunk_number": _TEXT_OR_NULL,
        "begin_time": moment,
        "answer_time": moment,
        "end_time": moment,
        "duration": {"type": ["number", "null"], "description": "Seconds"},
        "dialstatus": _TEXT | {"description": "AloVoice's own word"},
        "record": _TEXT_OR_NULL | {"description": "URL of the recording"},
        "attempts": {"type": "array", "items": {"type": "object"}},
    }
    meaning = "AloVoice's result as it was understood; a redial after an unconfirmed attempt has none"
    return {"type": "object", "description": meaning, "required": list(properties), "properties": properties}


def _call_data() -> dict[str, Any]:
    return _data(call_id=_TEXT, extid=_TEXT, state={"enum": sorted(State)}, attempt={"type": "integer", "minimum": 1})


def _result_data() -> dict[str, Any]:
    data = _data(reason=_TEXT | {"description": "Why no call has it"})
    data["properties"]["size"] = _COUNT | {"description": "Bytes of a body that could not be read"}
    return data


def _campaign_data() -> dict[str, Any]:
    calls = {"type": "object", "required": _ENDS, "properties": dict.fromkeys(_ENDS, _COUNT)}
    return _data(
        campaign_id=_TEXT,
        state={"enum": sorted(CampaignState)},
        name=_TEXT,
        reason=_TEXT_OR_NULL,
        rows=_COUNT,
        calls=calls,
        answered=_COUNT,
    )


def _finding_data() -> dict[str, Any]:
    return _data(
        code=_TEXT | {"description": "The stable code, as in `alodial status --json`"},
        severity={"enum": ["problem", "warning", "info"]},
        text=_TEXT,
        remedy=_TEXT | {"description": "What to do"},
        command=_TEXT | {"description": 'The command that helps, "" for none'},
        since=_TEXT | {"format": "date-time"},
    )


def _example(kind: str) -> dict[str, Any]:
    _, group, word = kind.split(".", 2)
    data = examples.event_data(group, word)
    if group not in ("result", "finding"):
        data["state"] = _STATES.get(word, word)
    id = data["call_id"] or data["campaign_id"] or "1795413409008-0"
    named = {"id": f"result-{id}" if group == "result" else f"{id}-4-h5f2c81aa", "type": kind, "subject": id}
    if group == "finding":
        named |= {"id": f"finding-0c9f63f8a71bb3e5-{1 if word == 'raised' else 2}", "subject": data["code"]}
    return {**examples.EVENTS["event"], **named, "data": data}


def _message(kind: str) -> dict[str, Any]:
    _, group, word = kind.split(".", 2)
    data = {"call": _call_data, "campaign": _campaign_data, "result": _result_data, "finding": _finding_data}[group]()
    if "result" in examples.event_data(group, word):
        data["properties"]["result"] = _result()
    summary = {"call": _MEANINGS, "finding": _FINDINGS}.get(group, {}).get(word)
    return {
        "name": kind,
        "title": kind,
        "contentType": "application/cloudevents+json",
        **({"summary": summary} if summary else {}),
        "payload": _payload(kind, data),
        "examples": [{"payload": _example(kind)}],
    }


def document() -> dict[str, Any]:
    """Returns the AsyncAPI document. Message names are event types without ``alodial.``."""
    kinds = sorted(EVENT_TYPES)
    names = {kind: kind.removeprefix("alodial.") for kind in kinds}
    messages = {name: _message(kind) for kind, name in names.items()}
    messages["webhook.test"] = {
        "name": TEST_TYPE,
        "title": TEST_TYPE,
        "contentType": "application/cloudevents+json",
        "summary": "Sent by `alodial webhooks test`; nothing happened",
        "payload": _payload(TEST_TYPE, {"type": "object", "properties": {"endpoint": _TEXT}}),
        "examples": [
            {"payload": {**examples.EVENTS["event"], "type": TEST_TYPE, "data": {"endpoint": "5e55f6c65e0e"}}}
        ],
    }
    of_channel = {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()}
    headers = {
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": _TEXT | {"description": "The event's id"},
            "webhook-timestamp": _TEXT | {"description": "Unix seconds of this try"},
            "webhook-signature": _TEXT | {"description": "`v1,` and base64 of HMAC-SHA256 over id.timestamp.body"},
        },
    }

    def sends(channel: str, summary: str) -> dict[str, Any]:
        return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}

    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Alodial's events",
            "version": version("alodial"),
            "description": "CloudEvents 1.0 in JSON: one for each change of a call, a campaign, a finding or an odd result. Each "
            "is told at least once, with the same id; a reader leaves types and members alone that it does not know.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "stream": {
                "address": Keys().EVENTS,
                "description": "A Redis stream, the field `event`. Groups read each event once and acknowledge it.",
                "messages": of_channel,
            },
            "sse": {
                "address": "/v1/events",
                "description": "Server-sent events; `Last-Event-ID` goes on behind one.",
                "messages": of_channel,
            },
            "webhook": {
                "address": None,
                "description": "POSTed to each URL in ALODIAL_WEBHOOKS, signed as Standard Webhooks has it.",
                "messages": of_channel | {"webhook.test": {"$ref": "#/components/messages/webhook.test"}},
            },
        },
        "operations": {
            "appendToStream": sends("stream", "In the same atomic step as the change itself"),
            "tellFollowers": sends("sse", "To whoever follows with an API key"),
            "deliver": sends("webhook", "Ten tries over 75 hours to each endpoint")
            | {"traits": [{"$ref": "#/components/operationTraits/signed"}]},
        },
        "components": {
            "messages": messages,
            "operationTraits": {
                "signed": {"description": "Headers that come with each POST: see schemas.webhookHeaders"}
            },
            "schemas": {"webhookHeaders": headers},
        },
    }
