"""Checks what a key may ask for: times, accounts and priorities. Pure decisions, the same for every route."""

from datetime import UTC, datetime, timedelta

from alodial_schemas import CallRequest, FieldProblem
from alodial_schemas.campaigns import CampaignRequest

from ..api_keys import ApiKey
from ..campaigns.errors import InvalidCampaign
from ..errors import InvalidCall
from ..settings import Settings
from ..store.caller import Caller
from .problems import Refusal


def limit_refusal(name: str, detail: str) -> Refusal:
    """Returns the refusal 403 of a key whose limit ``name`` does not allow the request at any time."""
    return Refusal(403, "limit_reached", detail, limit=name)


def caller_of(api_key: ApiKey) -> Caller:
    """Returns the key as the caller of what it stores."""
    return Caller(api_key.name, api_key.own, quota_of(api_key))


def quota_of(api_key: ApiKey) -> str:
    """Returns the limits that the store counts, as a new call carries them; "" without any."""
    limits, caps = api_key.limits, _caps(api_key)
    gap = round(1_000_000 / limits.calls_per_second) if limits.calls_per_second else 0
    counted = (limits.waiting_calls, limits.stored_bytes, gap)
    store = ";{} {} {}".format(*counted) if any(counted) else ""
    if not (limits.daily_calls or caps or store):
        return ""
    return f"{api_key.name or api_key.scope} {limits.daily_calls}{caps}{store}"


def counted_limits(api_key: ApiKey) -> str:
    """Returns them as the store looks them up when rows become calls or calls are dialled again: quota, tab, caps."""
    caller = caller_of(api_key)
    return f"{caller.quota}\t{caller.caps}"


def _caps(api_key: ApiKey) -> str:
    called, first = api_key.limits.recipient_cap or (0, 0), api_key.limits.initiator_cap or (0, 0)
    return " {} {} {} {}".format(*called, *first) if any((*called, *first)) else ""


def check_call(api_key: ApiKey, call: CallRequest, settings: Settings) -> None:
    """Raises InvalidCall for a time too far ahead, Refusal 403 for an account or a priority that the key may not use."""
    if call.not_before is not None or call.expires_at is not None:
        times = {"not_before": call.not_before, "expires_at": call.expires_at}
        if problems := _too_far(times, settings):
            raise InvalidCall(problems)
    check_use(api_key, call.account, call.priority)


def check_campaign(api_key: ApiKey, request: CampaignRequest, settings: Settings) -> None:
    """As :func:`check_call`. Raises InvalidCampaign, Refusal 403."""
    times = {"policy.starts_at": request.policy.starts_at, "policy.ends_at": request.policy.ends_at}
    if problems := _too_far(times, settings):
        raise InvalidCampaign(problems)
    check_use(api_key, request.call.account, request.policy.priority)


def check_ends_at(ends_at: object, settings: Settings) -> None:
    """Raises InvalidCampaign for a campaign's new end that lies too far ahead; other faults are found by the campaign."""
    try:
        moment = datetime.fromisoformat(ends_at) if isinstance(ends_at, str) else None
    except ValueError:
        return
    if problems := _too_far({"policy.ends_at": moment}, settings):
        raise InvalidCampaign(problems)


def _too_far(times: dict[str, datetime | None], settings: Settings) -> list[FieldProblem]:
    latest = datetime.now(UTC) + timedelta(seconds=settings.schedule_ahead)
    days = settings.schedule_ahead / 86400
    remedy = f"give a time within {days:g} days, or raise ALODIAL_SCHEDULE_AHEAD"
    return [
        FieldProblem(field, "too_far_ahead", f"lies more than {days:g} days ahead", remedy)
        for field, moment in times.items()
        if moment is not None and moment.tzinfo is not None and moment > latest
    ]


def check_use(api_key: ApiKey, account: str, priority: str) -> None:
    """Raises Refusal 403 for an account or a priority that the key may not use."""
    limits = api_key.limits
    if limits.accounts and account not in limits.accounts:
        raise limit_refusal("accounts", f"This key may use the accounts {', '.join(sorted(limits.accounts))} only.")
    if limits.priorities and priority not in limits.priorities:
        raise limit_refusal(
            "priorities", f"This key may use the priorities {', '.join(sorted(limits.priorities))} only."
        )
