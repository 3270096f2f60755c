"""What the monitor's screens share, made once for an app."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ...api_keys import ApiKeys
from ...settings import Settings
from ..throttle import Throttle
from .drafts import Drafts
from .session import Sessions
from .words import LANGUAGES, Words, preferred

LANGUAGE_COOKIE = "alodial_language"

WRONG_A_SECOND = 1 / 6
WRONG_AT_ONCE = 10
"""Wrong keys from one address at the sign-in, before it has to wait."""


@dataclass(frozen=True, slots=True)
class Desk:
    settings: Settings
    sessions: Sessions
    drafts: Drafts
    zone: ZoneInfo
    wrong_keys: Throttle


def make_desk(settings: Settings, keys: ApiKeys) -> Desk:
    return Desk(
        settings, Sessions(keys), Drafts(), ZoneInfo(settings.timezone), Throttle(WRONG_A_SECOND, WRONG_AT_ONCE)
    )


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def words_of(request: Request) -> Words:
    """In the language that was chosen by the switch, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    language = chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))
    return Words(language, desk_of(request).zone)
