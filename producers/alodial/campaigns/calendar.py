"""Writes a campaign's calling hours into the store as moments, 40 days ahead, and renews them while it lives."""

from datetime import UTC, datetime

import structlog

from alodial_schemas.campaigns import NUMBER_ZONE, CallingHours, CampaignRequest, parse_hours
from alodial_schemas.hours import boundaries, day_starts

from ..settings import Settings
from ..store import campaigns
from ..store.client import Store
from ..store.server_clock import server_ms
from .stored_fields import read_request

log = structlog.get_logger("alodial.campaigns")

DAYS = 40
"""Days that a calendar covers. If no worker runs for that long, the campaign stays closed until one runs again."""

RENEW_BELOW = 20
"""A calendar that covers fewer days than this is extended."""

_DAY_MS = 86_400_000


def calling_hours(request: CampaignRequest, settings: Settings) -> CallingHours:
    """The campaign's hours, or the installation's, with the holidays of both."""
    hours = request.policy.hours or CallingHours(
        windows=parse_hours(settings.calling_hours), timezone=settings.timezone
    )
    holidays = tuple(sorted({*hours.holidays, *settings.holidays}))
    return hours.model_copy(update={"holidays": holidays})


def main_zone(request: CampaignRequest, settings: Settings) -> str:
    """The time zone of the campaign's days: the installation's where the hours follow each number."""
    zone = calling_hours(request, settings).timezone
    return settings.timezone if zone == NUMBER_ZONE else zone


def opening_moments(
    request: CampaignRequest, settings: Settings, zones: tuple[str, ...], now_ms: int, days: int = DAYS
) -> list[tuple[int, bool]]:
    """When the campaign opens and closes for numbers of these zones; see :func:`alodial_schemas.hours.boundaries`."""
    hours, start = calling_hours(request, settings), _utc(now_ms)
    courtesy = None if settings.courtesy_hours == "off" else parse_hours(settings.courtesy_hours)
    margin = round(settings.closing_margin * 1000)
    return boundaries(hours, zones, start, days, courtesy, margin_ms=margin)


def write_calendar(store: Store, settings: Settings, request: CampaignRequest, campaign: str, now_ms: int) -> None:
    """Writes the campaign's own calendar and its days. Raises StoreUnavailable."""
    zone = main_zone(request, settings)
    moments = opening_moments(request, settings, (zone,), now_ms)
    store.call(campaigns.write_calendar, campaign, "", moments, days=day_starts(zone, _utc(now_ms), DAYS))


def ensure_zone_calendar(store: Store, settings: Settings, request: CampaignRequest, campaign: str, zones: str) -> None:
    """Writes the calendar of rows with these zones, joined with "|", unless it covers 20 days. Raises StoreUnavailable."""
    now_ms = store.call(server_ms)
    (end,) = store.call(campaigns.calendar_ends, [(campaign, zones)])
    if end is None or end < now_ms + RENEW_BELOW * _DAY_MS:
        moments = opening_moments(request, settings, tuple(zones.split("|")), now_ms)
        store.call(campaigns.write_calendar, campaign, zones, moments)


def renew_calendars(store: Store, settings: Settings) -> None:
    """Extends the installation's days and the calendars of live campaigns. Two round trips when nothing is due.

    Raises StoreUnavailable.
    """
    now_ms = store.call(server_ms)
    due = now_ms + RENEW_BELOW * _DAY_MS
    end = store.call(campaigns.days_end, "@")
    if end is None or end < due:
        store.call(campaigns.write_calendar, "@", "", (), days=day_starts(settings.timezone, _utc(now_ms), DAYS))
        store.call(campaigns.forget_past, "@", now_ms - 3 * _DAY_MS)
    live = store.call(campaigns.live)
    if not live:
        return
    ends = store.call(campaigns.calendar_ends, [(campaign, "") for campaign in live])
    expiring = [campaign for campaign, end in zip(live, ends, strict=True) if end is None or end < due]
    for stored in store.call(campaigns.read, expiring) if expiring else ():
        write_calendar(store, settings, read_request(stored), stored.id, now_ms)
        store.call(campaigns.forget_past, stored.id, now_ms - 3 * _DAY_MS)
        log.debug("campaign.calendar_written", campaign=stored.id)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
