"""``/v1/keys``: makes, lists and revokes API keys."""

import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ...api_keys import ROLES, ApiKey
from ...key_limits import LIMIT_NAMES, limits_from_text
from ...store import key_records
from ..audit import name_target
from ..auth import Authenticator, GlobalOperator
from ..context import app_context
from ..key_ring import KeyRing
from ..openapi import bodies, models
from ..openapi.models import answers, refusals
from ..problems import Refusal, invalid_fields
from ..request_bodies import read_json_body
from ..responses import json_response

router = APIRouter(prefix="/v1/keys", tags=["keys"])

Name = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,31}$", description="The key's name")]

_TEXT = {"type": "string", "maxLength": 200}
_BODY = bodies.object_body(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$", "description": "Owns what the key makes"},
        "roles": {"type": "array", "items": {"type": "string", "enum": list(ROLES)}, "minItems": 1},
        "own": {"type": "boolean", "description": "It sees and changes only what it owns"},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "limits": {
            "type": "object",
            "properties": dict.fromkeys(LIMIT_NAMES, _TEXT),
            "additionalProperties": False,
            "description": "As texts, such as `1000`, `3/1d` or `normal+bulk`",
        },
    },
    {"name": "shop", "roles": ["submit", "read"], "own": True, "limits": {"daily_calls": "1000"}},
    mandatory=("name", "roles"),
    closed=True,
)


def _ring(request: Request) -> KeyRing:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator.keys


def _moment(value: object) -> int | None:
    """Unix ms of an ISO 8601 time with a zone. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError
    return int(at.timestamp() * 1000)


def _read_body(body: Any) -> dict[str, Any]:
    """The arguments of :func:`key_records.new_record`. Raises Refusal 422, which names each bad field."""
    if not isinstance(body, dict):
        raise invalid_fields([FieldProblem("", "not_an_object", "must be an object", 'send {"name": "shop", ...}')])
    problems = [
        FieldProblem(name[:64], "unknown_field", "is not known here", "send name, roles, own, expires_at and limits")
        for name in body
        if name not in ("name", "roles", "own", "expires_at", "limits")
    ]
    name, roles, own, limits = body.get("name"), body.get("roles"), body.get("own", False), body.get("limits", {})
    if not isinstance(name, str):
        problems.append(FieldProblem("name", "bad_value", "must be a text", 'send for example "shop"'))
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        problems.append(FieldProblem("roles", "bad_value", "must be a list of roles", 'send ["submit", "read"]'))
    if not isinstance(own, bool):
        problems.append(FieldProblem("own", "bad_value", "must be true or false", "send true or leave it out"))
    if not isinstance(limits, dict) or not all(isinstance(value, str) for value in limits.values()):
        problems.append(FieldProblem("limits", "bad_value", "must be texts by name", 'send {"daily_calls": "1000"}'))
    expires = None
    try:
        expires = _moment(body.get("expires_at"))
    except (ValueError, OverflowError):
        problems.append(FieldProblem("expires_at", "bad_value", "is no time with a zone", "send 2027-01-01T00:00:00Z"))
    if problems:
        raise invalid_fields(problems)
    return {"name": name, "roles": roles, "own": own, "limits": limits, "expires": expires}


def check_grants(api_key: ApiKey, roles: list[str]) -> None:
    """Raises Refusal 403 when a key would give a role that it does not have itself."""
    if extra := sorted(set(roles) & set(ROLES) - api_key.roles):
        raise Refusal(403, "forbidden", f"This key lacks the role {extra[0]} itself, so it cannot give it to another.")


@router.post(
    "",
    status_code=201,
    summary="Make a key",
    responses=refusals(400, 401, 403, 409, 413, 422, 429, 503) | answers({201: ("Made", models.NewKey)}),
    openapi_extra=_BODY,
)
async def create(request: Request, api_key: GlobalOperator) -> Response:
    """`key` is its secret, which is shown this once; Redis keeps its hash."""
    fields = _read_body(await read_json_body(request))
    check_grants(api_key, fields["roles"])
    context, now = app_context(request), int(time.time() * 1000)
    _ring(request).check_name(fields["name"])
    base = limits_from_text(context.settings.own_key_limits if fields["own"] else "")
    record, secret = key_records.new_record(**fields, base=base, actor=api_key.actor, now=now)
    store = context.queue.store
    await store.run_steps(key_records.create, record)
    name_target(request, record.name)
    return json_response({"key": secret} | key_records.listing_of(record, {}, now).to_dict(), 201)


@router.get(
    "",
    summary="List keys",
    responses=refusals(401, 403, 429, 503) | answers({200: ("All of them, without secrets", models.KeyList)}),
)
async def listed(request: Request, _key: GlobalOperator) -> Response:
    ring = _ring(request)
    await ring.note_used()
    store, now = app_context(request).queue.store, int(time.time() * 1000)
    rows = await store.run_steps(key_records.listings, ring.of_settings, now)
    return json_response({"keys": [row.to_dict() for row in rows]})


@router.delete(
    "/{name}",
    summary="Revoke a key",
    responses=refusals(401, 403, 404, 422, 429, 503) | answers({200: ("Revoked", models.Key)}),
)
async def revoke(request: Request, name: Name, _key: GlobalOperator) -> Response:
    """It is refused within a second by every process. Keys of the settings are taken out there."""
    store, now = app_context(request).queue.store, int(time.time() * 1000)
    record = await store.run_steps(key_records.revoke, name, now=now)
    await _ring(request).refresh()
    return json_response(key_records.listing_of(record, {}, now).to_dict())
