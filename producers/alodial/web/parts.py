"""What the routes are given, made once for an app."""

from dataclasses import dataclass

from starlette.requests import Request

from ..queue import AsyncCallQueue
from ..settings import Settings
from .follower import Follower
from .intake import Keeper
from .meters import Meters
from .readiness import Readiness
from .taker import Taker


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    queue: AsyncCallQueue
    taker: Taker
    keeper: Keeper
    meters: Meters
    readiness: Readiness
    follower: Follower


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts
