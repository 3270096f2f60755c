"""What the OpenAPI document says about bodies and answers. Nothing here is run for a request."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from alodial_schemas import Disposition, State

ID = "0199c0de-7000-7000-8000-00c8f5b3e5d1"
EXTID = "220861354010065"
TWO_WAY = {
    "callfrom": {"phone": "712037006", "lang": "ru"},
    "callto": [{"phone": "994412860", "lang": "uz"}],
    "reference": "order-17",
}
TO_QUEUE = {"callfrom": {"phone": "712037006"}, "callto": [{"queue": "6000"}]}
IVR = {"callto": "994412860", "ivrid": 222, "fromline": 712037006}

Responses = dict[int | str, dict[str, Any]]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class PlacedCall(BaseModel):
    model_config = _example(id=ID, extid=EXTID, state="queued", reference="order-17")
    id: str = Field(description="Ours, UUIDv7 text")
    extid: str = Field(description="Digits, sent to AloVoice")
    state: State
    reference: str | None


class CanceledCall(BaseModel):
    model_config = _example(id=ID, extid=EXTID, state="canceled")
    id: str
    extid: str
    state: State


class RedialedCall(CanceledCall):
    model_config = _example(id=ID, extid=EXTID, state="queued")


class FieldError(BaseModel):
    model_config = _example(
        field="callto.0.phone",
        code="phone_short",
        problem="has too few digits",
        remedy="write 9 digits such as 712037006",
    )
    field: str = Field(description="A dotted path; empty for the body as a whole")
    code: str
    problem: str
    remedy: str


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(examples=["urn:alodial:problem:invalid_call"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["invalid_call"])
    errors: list[FieldError] | None = None


class RowError(BaseModel):
    code: str
    errors: list[FieldError]
    retry: bool | None = Field(None, description="True when the same row may succeed later")


class BatchRow(BaseModel):
    """Either the call's names and state, or its error."""

    id: str | None = None
    extid: str | None = None
    state: State | None = None
    error: RowError | None = None


class BatchResults(BaseModel):
    model_config = _example(
        results=[
            {"id": ID, "extid": EXTID, "state": "queued"},
            {
                "error": {
                    "code": "invalid_call",
                    "errors": [
                        {"field": "callto", "code": "missing", "problem": "is missing", "remedy": "give a list"}
                    ],
                }
            },
        ]
    )
    results: list[BatchRow]


class Attempt(BaseModel):
    attempt: int
    extid: str
    submitted_at: str | None
    worker: str | None
    answer: Any = Field(description="AloVoice's own answer, as it came and bounded")
    disposition: Disposition | None
    result: dict[str, Any] | None
    conflicting_result: dict[str, Any] | None


class Moment(BaseModel):
    state: str
    at: str = Field(description="ISO 8601, UTC")
    note: str | None


class CallSummary(BaseModel):
    id: str
    extid: str
    state: State
    account: str
    priority: str
    request: dict[str, Any] = Field(description="AloVoice's own part, with phones in E.164", examples=[TWO_WAY])
    reference: str | None
    campaign_id: str | None
    owner: str | None = Field(description="The name of the key that made it")
    redial_of: str | None
    disposition: Disposition | None
    reason: str | None
    attempt: int
    tries: int
    created_at: str
    updated_at: str
    not_before: str | None
    expires_at: str | None
    on_unconfirmed: str
    redial: dict[str, Any] | None
    metadata: dict[str, str]


class CallShown(CallSummary):
    attempts: list[Attempt]
    timeline: list[Moment]


class CallPage(BaseModel):
    calls: list[CallSummary]
    cursor: str | None = Field(description="For the next page; null on the last one")


class Names(BaseModel):
    id: str
    extid: str


class DropInAnswer(BaseModel):
    model_config = _example(answer={"id": ID, "extid": EXTID})
    answer: Names


class DropInError(BaseModel):
    model_config = _example(error="callto: is missing; give a list of 1 to 20 entries")
    error: str


class Status(BaseModel):
    model_config = _example(status="ok")
    status: str


class Look(BaseModel):
    name: str
    level: str
    message: str
    hint: str


class Ready(BaseModel):
    status: str
    findings: list[Look]


_MEANING = {
    400: "The body is not usable JSON",
    401: "An API key is needed",
    403: "The key lacks a role",
    404: "There is none",
    408: "The body came too slowly",
    409: "The key or extid belongs to another call, or it is too late",
    410: "What was asked for is kept no longer",
    413: "The body is too large",
    415: "A body of another kind is needed",
    422: "Fields to mend, each named in `errors`",
    429: "The key asks too often; see `Retry-After`",
    503: "The call store is away, or too much at once; see `Retry-After`",
}


def refusals(*statuses: int) -> Responses:
    """These statuses with a problem document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANING[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


def answers(models: Mapping[int, tuple[str, type[BaseModel]]]) -> Responses:
    return {status: {"description": text, "model": model} for status, (text, model) in models.items()}


_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body is the same call, for 48 hours",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_CALL: dict[str, Any] = {
    "anyOf": [{"$ref": "#/components/schemas/TwoWayCall"}, {"$ref": "#/components/schemas/IvrCall"}]
}
_EXAMPLES = {
    "two-way": {"summary": "Two-way call", "value": TWO_WAY},
    "queue": {"summary": "To a PBX queue", "value": TO_QUEUE},
    "ivr": {"summary": "Into an IVR menu", "value": IVR},
}

CALL_BODY: dict[str, Any] = {
    "parameters": [_KEY],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _CALL, "examples": _EXAMPLES}}},
}
REDIAL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "attempt": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "The one you saw"}
                    },
                },
                "example": {"attempt": 1},
            }
        },
    }
}
BATCH_BODY: dict[str, Any] = {
    "parameters": [_KEY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "maxItems": 10_000,
                    "items": {"description": "As for `POST /v1/calls`; each judged by itself"},
                },
                "example": [TWO_WAY, IVR],
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "One call a line"}},
        },
    },
}
_FORM: dict[str, Any] = {"schema": {"type": "object", "additionalProperties": True}}
DROP_IN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _FORM
            | {"example": {"callfrom[phone]": "712037006", "callto[0][phone]": "994412860"}},
            "application/x-www-form-urlencoded": _FORM,
            "application/json": {"schema": _CALL, "example": TWO_WAY},
        },
    },
}
LAST_EVENT_ID: dict[str, Any] = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "Go on behind this event; `0` for all that are kept",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}(-[0-9]{1,18})?$"},
        }
    ]
}
CALLBACK_PATH: dict[str, Any] = {
    "post": {
        "tags": ["results"],
        "summary": "Where AloVoice sends results",
        "description": "200 once the body is kept, whatever it holds. While Redis is away it is kept on disk.",
        "operationId": "callback",
        "parameters": [
            {
                "name": "secret",
                "in": "path",
                "required": True,
                "description": "One of `ALODIAL_CALLBACK_SECRET`",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {"required": False, "content": {"*/*": {"schema": {}}}},
        "responses": {
            "200": {
                "description": "Kept",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
            },
            **{str(status): body for status, body in refusals(404, 408, 413, 503).items()},
        },
    }
}
