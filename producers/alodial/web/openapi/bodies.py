"""The request bodies and headers of the OpenAPI document, which FastAPI cannot see: the routes read bodies themselves."""

from collections.abc import Mapping
from typing import Any, Final

from .examples import REQUESTS

Schema = dict[str, Any]

MAX_ROWS: Final = 10_000
"""Rows, calls or numbers of a request."""


def _body(content: Mapping[str, Schema], *, required: bool | None = True) -> Schema:
    return {"requestBody": ({} if required is None else {"required": required}) | {"content": content}}


def object_body(
    properties: Schema, example: object, *, mandatory: tuple[str, ...] = (), closed: bool = False, **body: bool | None
) -> Schema:
    """Returns the description of a JSON object as request body.

    ``mandatory`` names the properties that a request needs; ``closed`` forbids others than ``properties``.
    """
    schema: Schema = {"type": "object"}
    schema |= {"required": list(mandatory)} if mandatory else {}
    schema |= {"additionalProperties": False} if closed else {}
    return _body({"application/json": {"schema": schema | {"properties": properties}, "example": example}}, **body)


def _header(name: str, description: str, **schema: Any) -> Schema:
    header = {"name": name, "in": "header", "required": False, "description": description}
    return {"parameters": [header | {"schema": {"type": "string"} | schema}]}


_TEXT: Final[Schema] = {"type": "string"}
_FILE: Final = _TEXT | {"format": "binary"}
_CALL: Final[Schema] = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("TwoWayCall", "IvrCall")]}
_KEY: Final = _header(
    "Idempotency-Key",
    "The same key with the same body is the same call, until 48 hours after its end",
    minLength=1,
    maxLength=255,
    pattern="^[!-~]+$",
)
CAMPAIGN_KEY: Final = _header(
    "Idempotency-Key",
    "The same key with the same request is the same campaign, as long as the campaign is kept",
    minLength=1,
    maxLength=255,
    pattern="^[!-~]+$",
)
_TITLES: Final = {"two-way": "Two-way call", "queue": "To a PBX queue", "ivr": "Into an IVR menu"}
_EXAMPLES: Final = {kind: {"summary": title, "value": REQUESTS[kind]} for kind, title in _TITLES.items()}
_REASON: Final = _TEXT | {"maxLength": 200}

CALL: Final = _KEY | _body({"application/json": {"schema": _CALL, "examples": _EXAMPLES}})
REDIAL: Final = object_body(
    {"attempt": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "The one you saw"}},
    {"attempt": 1},
    closed=True,
    required=False,
)
_BATCH: Final = {
    "type": "array",
    "maxItems": MAX_ROWS,
    "items": {"description": "As for `POST /v1/calls`; each judged by itself"},
}
BATCH: Final = _KEY | _body(
    {
        "application/json": {"schema": _BATCH, "example": [REQUESTS["two-way"], REQUESTS["ivr"]]},
        "application/x-ndjson": {"schema": _TEXT | {"description": "One call a line"}},
    }
)
_FORM: Final[Schema] = {"schema": {"type": "object", "additionalProperties": True}}
DROP_IN: Final = _body(
    {
        "multipart/form-data": _FORM | {"example": {"callfrom[phone]": "712037006", "callto[0][phone]": "994412860"}},
        "application/x-www-form-urlencoded": _FORM,
        "application/json": {"schema": _CALL, "example": REQUESTS["two-way"]},
    }
)
LAST_EVENT_ID: Final = _header(
    "Last-Event-ID", "Go on behind this event; `0` for all that are kept", pattern="^[0-9]{1,18}(-[0-9]{1,18})?$"
)

ROWS_OF_CAMPAIGN: Final[Schema] = {
    "rows": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ROWS,
        "items": {"type": ["object", "string", "integer"]},
        "description": "Each with the columns of a file, or a number alone",
    },
    "again": {"type": "boolean", "description": "Although these rows were submitted before"},
}
_UPLOAD: Final = {
    "file": _FILE,
    "campaign": _TEXT | {"description": "CampaignRequest as JSON"},
    "again": _TEXT | {"enum": ["true", "false"]},
}
_INLINE_ROWS: Final = {"rows": [{"phone": "994412860", "reference": "INV-17"}, {"phone": "977076909"}]}
CAMPAIGN: Final = _body(
    {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file", "campaign"], "properties": _UPLOAD},
        },
        "application/json": {
            "schema": {"$ref": "#/components/schemas/CampaignWithRows"},
            "example": REQUESTS["campaign"] | _INLINE_ROWS,
        },
    }
)
_ROWS_FORM: Final = {
    "file": _FILE,
    "again": _TEXT | {"enum": ["true", "false"]},
    "sheet": _TEXT | {"description": "Of the workbook"},
    "header_row": _TEXT | {"pattern": "^[0-9]{1,7}$", "description": "Row number of the column names, 0 without them"},
    "hidden": _TEXT | {"enum": ["keep", "skip"]},
    "columns": _TEXT | {"description": 'Our fields and the file\'s columns as JSON, such as {"phone": "B"}'},
}
ROWS: Final = _body(
    {
        "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": _ROWS_FORM}},
        "text/csv": {"schema": _TEXT},
    }
)
REASON: Final = object_body({"reason": _REASON}, {"reason": "wrong list"}, required=None)
CHANGE: Final = object_body(
    {
        "pace": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "channels": {"type": ["integer", "null"], "minimum": 1},
        "weight": {"type": "integer", "minimum": 1, "maximum": 100},
        "ends_at": {"type": ["string", "null"], "format": "date-time"},
    },
    {"pace": 5},
)
FORGET: Final = object_body(
    {
        "phone": _TEXT | {"description": "The person's number"},
        "confirm": {"type": "boolean", "default": False, "description": "Erase it; without, it is counted"},
    },
    {"phone": "994412860", "confirm": True},
    mandatory=("phone",),
)
DNC: Final = object_body(
    {
        "numbers": {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": _TEXT},
        "reason": _REASON,
        "campaign": _TEXT | {"description": "For this campaign alone, by its id"},
    },
    {"numbers": ["994412860"], "reason": "asked on the phone"},
    mandatory=("numbers",),
)
