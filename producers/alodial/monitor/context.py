"""What the monitor's screens share; made once for an app."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ..i18n import DEFAULT, LANGUAGES, Translator, preferred
from ..settings import Settings
from ..store.client import AsyncStore, Store
from ..web.key_ring import KeyRing
from ..web.rate_limit import RateLimiter
from .people import TrustedPeople
from .session import Sessions
from .upload_drafts import UploadDrafts

LANGUAGE_COOKIE = "alodial_language"

COLOURS_COOKIE = "alodial_colours"
COLOURS = ("system", "light", "dark")
"""The choices of the switch at the foot of every page; the first follows the device."""

WRONG_KEYS_PER_SECOND = 1 / 6
WRONG_KEYS_BURST = 10
"""Wrong keys that one address may try at the sign-in before the next wrong one has to wait. A right key never waits."""


@dataclass(frozen=True, slots=True)
class MonitorContext:
    """``zone`` is the installation's time zone; ``wrong_keys`` slows down the guessing of keys, by address."""

    settings: Settings
    sessions: Sessions
    people: TrustedPeople
    drafts: UploadDrafts
    zone: ZoneInfo
    wrong_keys: RateLimiter


def make_context(settings: Settings, keys: KeyRing, store: AsyncStore, thread_store: Store) -> MonitorContext:
    """For an app that keeps it as ``app.state.monitor``; its ``drafts`` are to be started, and closed at the end."""
    return MonitorContext(
        settings,
        Sessions(keys, store),
        TrustedPeople(settings),
        UploadDrafts(thread_store, settings.file_cpu_seconds),
        ZoneInfo(settings.timezone),
        RateLimiter(WRONG_KEYS_PER_SECOND, WRONG_KEYS_BURST),
    )


def monitor_context(request: Request) -> MonitorContext:
    """The context of the app that serves the request."""
    context: MonitorContext = request.app.state.monitor
    return context


def translator_of(request: Request) -> Translator:
    """A translator into the language of the switch in the head, else the browser's, else the installation's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in LANGUAGES:
        otherwise = request.app.state.context.settings.language or DEFAULT
        chosen = preferred(request.headers.get("accept-language", ""), otherwise)
    return Translator(chosen, monitor_context(request).zone)


def colours_of(request: Request) -> str:
    """The chosen colours; "system" until somebody chooses others."""
    chosen = request.cookies.get(COLOURS_COOKIE, "")
    return chosen if chosen in COLOURS else COLOURS[0]
