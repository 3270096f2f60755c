"""Writes a campaign's calling hours into the store as moments, 40 days ahead, and writes them anew daily and after a change.

They begin a day ago: a clock that is set back must not find itself before the first moment, where everything is closed.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from alodial_schemas.campaigns import NUMBER_ZONE, CallingHours, CampaignRequest, parse_hours
from alodial_schemas.hours import boundaries, day_starts

from ..errors import StoreUnavailable
from ..settings import Settings
from ..store import campaign_transitions, campaigns
from ..store.campaigns import CalendarState
from ..store.client import Store
from ..store.logger import LibraryLogger
from .row_codec import unpack
from .stored_fields import hash_of, read_stored_request

log = LibraryLogger("alodial.campaigns")

DAYS = 40
"""Days that a calendar covers. If no worker runs for that long, the campaign stays closed until one runs again."""

STATES_AT_ONCE = 500
"""Campaigns whose calendars' states are read in one round trip."""

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


def write_calendar(
    store: Store, settings: Settings, request: CampaignRequest, campaign: str, now_ms: int, source: str = ""
) -> None:
    """Writes the campaign's own calendar and its days anew. Raises StoreUnavailable.

    ``source`` as :func:`renew_calendars` compares it; "" has the next worker write it once more with its own settings.
    """
    zone = main_zone(request, settings)
    moments = opening_moments(request, settings, (zone,), now_ms - _DAY_MS, DAYS + 1)
    days = day_starts(zone, _utc(now_ms - _DAY_MS), DAYS + 1)
    store.run(campaign_transitions.calendar(campaign, moments, source=source, days=days))


def _write_zone(
    store: Store, settings: Settings, request: CampaignRequest, campaign: str, zones: str, now_ms: int
) -> None:
    moments = opening_moments(request, settings, tuple(zones.split("|")), now_ms - _DAY_MS, DAYS + 1)
    store.run(campaign_transitions.calendar(campaign, moments, zone=zones))


def ensure_zone_calendar(store: Store, settings: Settings, request: CampaignRequest, campaign: str, zones: str) -> None:
    """Writes the calendar of rows with these zones, joined with "|", unless there is one. Raises StoreUnavailable."""
    if not store.call(campaigns.calendar_exists, campaign, zones):
        _write_zone(store, settings, request, campaign, zones, store.server_ms())


def renew_calendars(store: Store, settings: Settings, since_ms: int) -> None:
    """Writes the calendars of live campaigns, and the installation's days, anew every day and after a change.

    A change is one of a campaign's request, or of the hours, holidays, zone and courtesy hours in ``settings``. Where two
    processes differ, those of the one that started last count: ``since_ms`` is this one's start by Redis' clock. Two round
    trips when nothing is due, and one for each 500 campaigns. Raises StoreUnavailable.
    """
    now_ms = store.server_ms()
    today = now_ms // _DAY_MS
    ours = _settings_hash(settings)
    if _is_due(store.call(campaigns.days_made_from), ours, today, since_ms):
        days = day_starts(settings.timezone, _utc(now_ms - _DAY_MS), DAYS + 1)
        made = f"{ours} {today} {since_ms}"
        store.run(campaign_transitions.calendar(campaign_transitions.INSTALLATION, (), source=made, days=days))
    for state in _states(store):
        source = hash_of(ours, state.request)
        if not _is_due(state.source, source, today, since_ms):
            continue
        try:
            _renew(store, settings, state, now_ms, f"{source} {today} {since_ms}")
        except StoreUnavailable:
            raise
        except Exception:  # what is wrong with one campaign must not close the others
            log.exception("campaign.calendar_failed", campaign=state.campaign)


def _states(store: Store) -> Iterator[CalendarState]:
    """The states of all live campaigns' calendars, some at once: each holds its whole request."""
    live = store.call(campaigns.live)
    for start in range(0, len(live), STATES_AT_ONCE):
        yield from store.call(campaigns.calendar_states, live[start : start + STATES_AT_ONCE])


def _renew(store: Store, settings: Settings, state: CalendarState, now_ms: int, source: str) -> None:
    request = read_stored_request(state.request)
    for zones in _zones_of(store, state) if state.zones is not None else ():
        _write_zone(store, settings, request, state.campaign, zones, now_ms)
    write_calendar(store, settings, request, state.campaign, now_ms, source)
    log.debug("campaign.calendar_written", campaign=state.campaign)


def _settings_hash(settings: Settings) -> str:
    """What calendars take from the settings."""
    parts = (settings.calling_hours, settings.timezone, settings.courtesy_hours, settings.closing_margin)
    return hash_of(*map(str, parts), *map(str, settings.holidays))


def _is_due(made: str, source: str, today: int, since_ms: int) -> bool:
    """Whether a calendar is a day old or made from something else, and not by a process that started later than this one."""
    if not made:
        return True
    old, day, since = made.split(" ")
    if old == source:
        return int(day) != today
    return int(since) <= since_ms or int(day) < today - 1


def _zones_of(store: Store, state: CalendarState) -> Iterable[str]:
    """The zones of a campaign's calls; read from its rows once for a campaign whose zones were not kept yet."""
    if state.zones:
        return state.zones
    stored = store.call(campaigns.read, [state.campaign])
    zones: set[str] = set()
    for index in range(stored[0].number("nc") if stored and stored[0].number("cur") else 0):
        if chunk := store.call(campaigns.chunk, state.campaign, index):
            zones.update(row.spec.zone for row in unpack(chunk.blob) if row.spec.zone)
    return sorted(zones)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
