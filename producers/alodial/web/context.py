"""What the routes are given, made once for an app."""

from dataclasses import dataclass

from starlette.requests import Request

from ..calls.queue import AsyncCallQueue
from ..settings import Settings
from .call_acceptor import CallAcceptor
from .callbacks.intake import CallbackIntake
from .event_follower import EventFollower
from .health import Readiness
from .metrics import ProcessMetrics


@dataclass(frozen=True, slots=True)
class AppContext:
    settings: Settings
    queue: AsyncCallQueue
    taker: CallAcceptor
    keeper: CallbackIntake
    meters: ProcessMetrics
    readiness: Readiness
    follower: EventFollower


def app_context(request: Request) -> AppContext:
    parts: AppContext = request.app.state.parts
    return parts
