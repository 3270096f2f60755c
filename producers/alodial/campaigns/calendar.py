"""Writes a campaign's hours into the store as moments, as far ahead as scripts will need, and keeps them going."""

from datetime import UTC, datetime

import structlog

from alodial_schemas.campaigns import NUMBER_ZONE, CallingHours, CampaignRequest, Window, parse_hours
from alodial_schemas.hours import boundaries, day_starts

from ..settings import Settings
from ..store import campaigns
from ..store.client import Store
from ..store.server_clock import server_ms

log = structlog.get_logger("alodial.campaigns")

DAYS = 40
"""Days that a calendar reaches. Should no worker run for that long, the campaign stays closed until one does."""

RENEW_BELOW = 20
"""Days that are left when it is written on."""

_DAY_MS = 86_400_000


def hours_of(request: CampaignRequest, settings: Settings) -> CallingHours:
    """The campaign's hours, or the installation's, with the installation's holidays."""
    hours = request.policy.hours or CallingHours(
        windows=parse_hours(settings.calling_hours), timezone=settings.timezone
    )
    holidays = tuple(sorted({*hours.holidays, *settings.holidays}))
    return hours.model_copy(update={"holidays": holidays})


def courtesy_of(settings: Settings) -> tuple[Window, ...] | None:
    """The hours that no campaign leaves; None when the setting lifts them."""
    return None if settings.courtesy_hours == "off" else parse_hours(settings.courtesy_hours)


def main_zone(hours: CallingHours, settings: Settings) -> str:
    """Whose midnight begins the campaign's days."""
    return settings.timezone if hours.timezone == NUMBER_ZONE else hours.timezone


def moments(
    request: CampaignRequest, settings: Settings, zones: tuple[str, ...], now_ms: int, days: int = DAYS
) -> list[tuple[int, bool]]:
    """When it may ring in these zones; see :func:`alodial_schemas.hours.boundaries`."""
    hours, start = hours_of(request, settings), datetime.fromtimestamp(now_ms / 1000, UTC)
    margin = round(settings.closing_margin * 1000)
    return boundaries(hours, zones, start, days, courtesy_of(settings), margin_ms=margin)


def write_calendar(
    store: Store, settings: Settings, request: CampaignRequest, campaign: str, now_ms: int, *, anew: bool = False
) -> None:
    """The campaign's own calendar and its days; ``anew`` after its hours were changed."""
    zone = main_zone(hours_of(request, settings), settings)
    ahead = moments(request, settings, (zone,), now_ms)
    start = datetime.fromtimestamp(now_ms / 1000, UTC)
    if anew:
        store.call(campaigns.replace_calendar, campaign, ahead)
    store.call(campaigns.write_calendar, campaign, "", ahead, days=day_starts(zone, start, DAYS))


def know_zone(store: Store, settings: Settings, request: CampaignRequest, campaign: str, zone: str) -> None:
    """Rows of this zone are about to be called: its calendar is there. ``zone`` may be several, joined with "|"."""
    now_ms = store.call(server_ms)
    (ends,) = store.call(campaigns.calendar_ends, [(campaign, zone)])
    if ends is None or ends < now_ms + RENEW_BELOW * _DAY_MS:
        ahead = moments(request, settings, tuple(zone.split("|")), now_ms)
        store.call(campaigns.write_calendar, campaign, zone, ahead)


def keep_calendars(store: Store, settings: Settings) -> None:
    """Writes on the days of the installation and the calendars of living campaigns. Cheap when nothing is due."""
    now_ms = store.call(server_ms)
    due = now_ms + RENEW_BELOW * _DAY_MS
    ends = store.call(campaigns.days_end, "@")
    if ends is None or ends < due:
        start = datetime.fromtimestamp(now_ms / 1000, UTC)
        store.call(campaigns.write_days, "@", day_starts(settings.timezone, start, DAYS))
        store.call(campaigns.forget_past, "@", "", now_ms - 3 * _DAY_MS)
    living = store.call(campaigns.live)
    if not living:
        return
    names = [(campaign, "") for campaign in living]
    for (campaign, _), end in zip(names, store.call(campaigns.calendar_ends, names), strict=True):
        if end is not None and end >= due:
            continue
        for stored in store.call(campaigns.read, [campaign]):
            request = read_request(stored.fields["req"])
            write_calendar(store, settings, request, campaign, now_ms)
            store.call(campaigns.forget_past, campaign, "", now_ms - 3 * _DAY_MS)
            log.debug("campaign.calendar_written", campaign=campaign)


def read_request(text: str) -> CampaignRequest:
    """A campaign's request as it was stored; its numbers were judged when it was submitted."""
    return CampaignRequest.model_validate_json(text, context={"allowed": ()})
