"""What the monitor's screens share, made once for an app."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ..api_keys import ApiKeys
from ..settings import Settings
from ..web.rate_limit import RateLimiter
from .i18n import LANGUAGES, Translator, preferred
from .session import Sessions
from .upload_drafts import UploadDrafts

LANGUAGE_COOKIE = "alodial_language"

WRONG_A_SECOND = 1 / 6
WRONG_AT_ONCE = 10
"""Wrong keys from one address at the sign-in, before it has to wait."""


@dataclass(frozen=True, slots=True)
class MonitorContext:
    settings: Settings
    sessions: Sessions
    drafts: UploadDrafts
    zone: ZoneInfo
    wrong_keys: RateLimiter


def make_context(settings: Settings, keys: ApiKeys) -> MonitorContext:
    return MonitorContext(
        settings,
        Sessions(keys),
        UploadDrafts(),
        ZoneInfo(settings.timezone),
        RateLimiter(WRONG_A_SECOND, WRONG_AT_ONCE),
    )


def monitor_context(request: Request) -> MonitorContext:
    desk: MonitorContext = request.app.state.desk
    return desk


def translator_of(request: Request) -> Translator:
    """In the language that was chosen by the switch, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
    return Translator(language, monitor_context(request).zone)
