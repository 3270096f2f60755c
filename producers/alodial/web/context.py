"""The objects that all routes of an app share."""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ..calls.queue import AsyncCallQueue
from ..i18n import Translator, preferred
from ..settings import Settings
from .audit import AuditWriter
from .call_acceptor import CallAcceptor
from .callbacks.intake import CallbackIntake
from .event_follower import EventFollower
from .health import Readiness
from .metrics import MetricsText, ProcessMetrics

ABORT: Final = "alodial.abort"
"""The extension of a request's scope whose ``abort`` ends its connection at once."""


@dataclass(frozen=True, slots=True)
class AppContext:
    """One for each app; the composition root makes it and puts it at ``app.state.context``."""

    settings: Settings
    queue: AsyncCallQueue
    acceptor: CallAcceptor
    intake: CallbackIntake
    metrics: ProcessMetrics
    metrics_text: MetricsText
    readiness: Readiness
    follower: EventFollower
    audit: AuditWriter


def app_context(request: Request) -> AppContext:
    """Returns the context of the app that serves this request."""
    context: AppContext = request.app.state.context
    return context


def reader_of(request: Request) -> Translator:
    """A translator into the language of ``Accept-Language``: English without one, as programs send none."""
    zone = ZoneInfo(app_context(request).settings.timezone)
    return Translator(preferred(request.headers.get("accept-language", "")), zone)
