"""A campaign's request as the fields of its hash in the store, and back as what makes its calls.

A campaign as a caller asked for it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from alodial_schemas.campaigns import CampaignPolicy, CampaignRequest, parse_campaign

from ..settings import Settings
from ..store.campaigns import StoredCampaign
from .calendar import read_request
from .errors import InvalidCampaign
from .row_to_call import Expander


def expander_of(stored: StoredCampaign) -> Expander:
    """Makes the calls of a stored campaign."""
    request = read_request(stored.fields["req"])
    latest = stored.moment("end")
    if request.policy.row_ttl is not None:
        begun = max(stored.number("start"), stored.number("st") or stored.number("cr"))
        ttl = begun + request.policy.row_ttl * 1000
        latest = ttl if latest is None else min(latest, ttl)
    return Expander(
        request,
        seed=bytes.fromhex(stored.fields["sd"]),
        made_ms=stored.number("cr"),
        total=stored.number("tot"),
        latest_ms=latest,
    )


def fields_of(request: CampaignRequest) -> dict[str, Any]:
    """The campaign's hash: what scripts look at as single values, and the whole request for whoever shows it."""
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
        "start": start_ms(policy) or None,
        "end": None if policy.ends_at is None else int(policy.ends_at.timestamp() * 1000),
        "u": "redial" if request.call.on_unconfirmed == "redial" else None,
        "nz": 1 if policy.hours is not None and policy.hours.timezone == "number" else None,
        "pre": " ".join(policy.allowed_prefixes) if policy.allowed_prefixes else None,
        "rd": policy.redial.model_dump_json() if policy.redial else None,
    }
    if policy.daily is not None:
        fields["dc"] = policy.daily.calls
        fields["dm"] = policy.daily.minutes and policy.daily.minutes * 60
        fields["rs"] = policy.daily.reserve_minutes * 60
    if policy.stop is not None:
        fields["goal"] = policy.stop.answered
        fields["fm"] = policy.stop.failures_in_row
    if policy.allowed_prefixes and kind == "two-way" and request.call.callfrom:
        # Its own initiator is rung too, and was judged by the installation's list.
        fields["pre"] += f" {request.call.callfrom}"
    return {name: value for name, value in fields.items() if value is not None}


def request_json(request: CampaignRequest) -> str:
    return request.model_dump_json(exclude_defaults=True)


def start_ms(policy: CampaignPolicy) -> int:
    return 0 if policy.starts_at is None else int(policy.starts_at.timestamp() * 1000)


def policy_of(values: dict[str, Any]) -> CampaignPolicy:
    from pydantic import ValidationError  # noqa: PLC0415  # only a change needs it

    from alodial_schemas.campaigns import campaign_problems  # noqa: PLC0415  # as above

    try:
        return CampaignPolicy.model_validate(values)
    except ValidationError as exc:
        raise InvalidCampaign(campaign_problems(exc)) from None


def hash_of(*parts: str) -> str:
    """A short name for texts that belong together."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def owned_by(owner: str) -> dict[str, str]:
    """The field that says whose campaign it is; none for everybody's."""
    return {"ow": owner} if owner else {}


def read_campaign(source: CampaignRequest | Mapping[str, Any], settings: Settings) -> CampaignRequest:
    """A model as it is, anything else by its JSON shape. Raises InvalidCampaign that names each bad field."""
    if isinstance(source, CampaignRequest):
        return source
    return parse_campaign(source, allowed=settings.allowed_prefixes)
