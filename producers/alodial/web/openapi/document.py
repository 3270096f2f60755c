"""The OpenAPI document: FastAPI's, with the call models, the API key and the raw callback route put in."""

import copy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from alodial_schemas import IvrCall, TwoWayCall
from alodial_schemas.campaigns import CampaignRequest

from ..problems import title_of
from . import bodies, examples, models
from .models import refusals

DESCRIPTION = """Places telephone calls through AloVoice: no phone rung twice, no call forgotten.

Errors are RFC 9457 problem documents; `errors` names each bad field with its remedy.
Every answer has an `X-Request-ID`."""


_CALLBACK_PATH: dict[str, Any] = {
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


def _schemas() -> dict[str, Any]:
    """The schemas of request bodies and of the two answers that no route names."""
    used: list[type[BaseModel]] = [TwoWayCall, IvrCall, CampaignRequest, models.Problem, models.Status]
    _, definitions = models_json_schema(
        [(model, "validation") for model in used], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = definitions["$defs"]
    plain: list[dict[str, Any]] = [{"type": "string"}, {"type": "integer"}]
    phones = [*plain, {"$ref": "#/components/schemas/Phone"}]
    entries = [*phones, {"$ref": "#/components/schemas/Queue"}]
    number = {"anyOf": plain, "examples": ["712037006", "+998712037006"]}
    two_way, ivr = schemas["TwoWayCall"], schemas["IvrCall"]
    # The models take these shapes before they validate, which their own schema cannot say.
    two_way["properties"]["callfrom"] = {"anyOf": phones}
    several = {"type": "array", "minItems": 1, "maxItems": 20, "items": {"anyOf": entries}}
    two_way["properties"]["callto"] = {"anyOf": [several, *plain]}
    ivr["properties"]["callto"] = ivr["properties"]["fromline"] = number
    schemas["Phone"]["properties"]["phone"] = number
    schemas["Queue"]["properties"]["queue"] = {"anyOf": plain, "examples": ["6000"]}
    for call in (two_way, ivr):
        call["properties"]["extid"] = {
            "anyOf": [*plain, {"type": "null"}],
            "description": "1 to 15 digits, no leading zero",
        }
    windows = schemas["CallingHours"]["properties"]["windows"]
    schemas["CallingHours"]["properties"]["windows"] = {
        "anyOf": [windows, {"type": "string", "examples": ["mon-sat 09:00-18:00"]}]
    }
    with_rows = copy.deepcopy(schemas["CampaignRequest"])
    with_rows["properties"] |= bodies.ROWS_OF_CAMPAIGN
    with_rows["required"].append("rows")
    schemas["CampaignWithRows"] = with_rows | {"title": "CampaignWithRows", "description": "A campaign and its rows."}
    two_way["examples"] = [examples.REQUESTS["two-way"], examples.REQUESTS["queue"]]
    ivr["examples"] = [examples.REQUESTS["ivr"]]
    return schemas


def _add_examples(status: str, answer: dict[str, Any]) -> None:
    """Puts an example beside each schema of an answer."""
    for kind, content in answer.get("content", {}).items():
        if kind == "application/problem+json" and status in examples.PROBLEMS:
            code, detail = examples.PROBLEMS[status]
            content["example"] = {
                "type": f"urn:alodial:problem:{code}",
                "title": title_of(code),
                "status": int(status),
                "detail": detail,
                "code": code,
            } | ({"errors": [examples.SCHEMAS["FieldError"]]} if status == "422" else {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name in examples.ANSWERS:
            content["example"] = examples.ANSWERS[name]


def document(app: FastAPI) -> dict[str, Any]:
    """Returns the OpenAPI document of the app, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Alodial", version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
        )
        components = made.setdefault("components", {})
        components["schemas"] = _schemas() | components.get("schemas", {})
        components["securitySchemes"] = {
            "ApiKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "One of ALODIAL_API_KEYS, or made by `alodial keys create`",
            }
        }
        for path, methods in made["paths"].items():
            if path.startswith("/v1/"):
                for operation in methods.values():
                    operation["security"] = [{"ApiKey": []}]
        made["paths"]["/callbacks/alovoice/{secret}"] = _CALLBACK_PATH
        for methods in made["paths"].values():
            for operation in methods.values():
                if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                    # FastAPI documents its own error here; ours is a problem document everywhere.
                    operation["responses"]["422"] = refusals(422)[422]
                for status, answer in operation["responses"].items():
                    _add_examples(status, answer)
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        app.openapi_schema = made
    return app.openapi_schema
