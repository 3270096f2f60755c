"""A campaign's request: read from a caller, written as the fields of its hash in the store, and read back from them."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alodial_schemas.campaigns import CampaignPolicy, CampaignRequest, parse_campaign
from alodial_schemas.hidden_characters import without_invisible

from ..settings import Settings
from ..store.campaign_transitions import NO_KEY, RequestKey
from ..store.campaigns import StoredCampaign
from .errors import InvalidCampaign
from .row_to_call import Expander


def read_campaign(source: CampaignRequest | Mapping[str, Any], settings: Settings) -> CampaignRequest:
    """A caller's campaign: a model is returned unchanged, anything else is parsed as its JSON shape.

    Raises InvalidCampaign that names each bad field.
    """
    if isinstance(source, CampaignRequest):
        return source
    return parse_campaign(source, allowed=settings.allowed_prefixes)


def changed_policy(policy: CampaignPolicy, changes: Mapping[str, Any]) -> CampaignPolicy:
    """The policy with these fields changed. Raises InvalidCampaign that names each bad field."""
    from pydantic import ValidationError  # noqa: PLC0415  # only a change needs it

    from alodial_schemas.campaigns import campaign_problems  # noqa: PLC0415  # as above

    try:
        fields = {name: getattr(policy, name) for name in policy.model_fields_set}
        return CampaignPolicy.model_validate({**fields, **changes})
    except ValidationError as exc:
        raise InvalidCampaign(campaign_problems(exc)) from None


def fields_of(request: CampaignRequest, owner: str = "") -> dict[str, Any]:
    """The fields of a new campaign's hash: single values for the scripts, and the whole request.

    ``owner`` is the name of the API key that may see the campaign, "" for every key.
    """
    policy, kind = request.policy, request.call.kind
    fields: dict[str, Any] = {
        "n": request.name,
        "a": request.call.account,
        "p": policy.priority[0],
        "w": policy.weight,
        "sd": secrets.token_hex(16),
        "req": request_json(request),
        "pace": policy.pace,
        "ch": policy.channels,
        "start": _ms(policy.starts_at),
        "end": _ms(policy.ends_at),
        "u": "redial" if request.call.on_unconfirmed == "redial" else None,
        "nz": 1 if policy.hours is not None and policy.hours.timezone == "number" else None,
        "pre": " ".join(policy.allowed_prefixes) if policy.allowed_prefixes else None,
        "rd": policy.redial.model_dump_json() if policy.redial else None,
        "ow": owner or None,
    }
    if policy.daily is not None:
        fields["dc"] = policy.daily.calls
        fields["dm"] = policy.daily.minutes and policy.daily.minutes * 60
        fields["rs"] = policy.daily.reserve_minutes * 60
    if policy.stop is not None:
        fields["goal"] = policy.stop.answered
        fields["fm"] = policy.stop.failures_in_row
    if policy.allowed_prefixes and kind == "two-way" and request.call.callfrom:
        # The campaign's own initiator rings too, and is checked against the installation's prefixes only.
        fields["pre"] += f" {request.call.callfrom}"
    return {name: value for name, value in fields.items() if value is not None}


def request_json(request: CampaignRequest) -> str:
    """The request as the field "req" holds it."""
    return request.model_dump_json(exclude_defaults=True)


def read_request(stored: StoredCampaign) -> CampaignRequest:
    """A stored campaign's request; its numbers were checked when it was submitted."""
    return read_stored_request(stored.fields["req"])


def read_stored_request(text: str) -> CampaignRequest:
    """A request from the field "req". Versions before took invisible characters, which are left out here."""
    from pydantic import ValidationError  # noqa: PLC0415  # as above

    try:
        return CampaignRequest.model_validate_json(text, context={"allowed": ()})
    except ValidationError:
        return CampaignRequest.model_validate_json(without_invisible(text), context={"allowed": ()})


def expander_of(stored: StoredCampaign) -> Expander:
    """What turns a stored campaign's rows into calls."""
    request = read_request(stored)
    latest = None
    if request.policy.row_ttl is not None:
        started = max(stored.number("start"), stored.number("st") or stored.number("cr"))
        latest = started + request.policy.row_ttl * 1000
    return Expander(
        request,
        seed=bytes.fromhex(stored.fields["sd"]),
        made_ms=stored.number("cr"),
        total=stored.number("tot"),
        latest_ms=latest,
        end_ms=stored.moment("end"),
    )


def hash_of(*parts: str) -> str:
    """A hash that identifies these texts, 32 characters."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def owned_hash(owner: str, *parts: str) -> str:
    """As :func:`hash_of` for what ``owner`` brought ("" for the installation): no owner meets what another has submitted."""
    return hash_of(*parts, owner) if owner else hash_of(*parts)


def request_key(idempotency_key: str, scope: str, action: str, *request: str) -> RequestKey:
    """The key of a request as the store keeps it; ``scope`` separates the keys of different callers."""
    if not idempotency_key:
        return NO_KEY
    return RequestKey(hash_of(action, scope, idempotency_key), hash_of(*request))


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
