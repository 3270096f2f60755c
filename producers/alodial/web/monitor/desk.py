"""What the monitor's screens share, made once for an app."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ...settings import Settings
from .drafts import Drafts
from .session import Sessions
from .words import LANGUAGES, Words, preferred

LANGUAGE_COOKIE = "alodial_language"


@dataclass(frozen=True, slots=True)
class Desk:
    settings: Settings
    sessions: Sessions
    drafts: Drafts
    zone: ZoneInfo


def make_desk(settings: Settings) -> Desk:
    return Desk(settings, Sessions(settings.api_keys), Drafts(), ZoneInfo(settings.timezone))


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def words_of(request: Request) -> Words:
    """In the language that was chosen by the switch, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
    return Words(language, desk_of(request).zone)
