"""Webhook endpoints: the state of each, and the acts to enable, disable and test it and to send events again."""

import time
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.awaitable import AsyncWebhookAdmin
from ..i18n import Translator
from ..store.webhooks import EndpointHealth
from ..web.context import app_context
from .auth import Signed, audit, can, form_of, text_of
from .context import translator_of
from .rendering import PeopleRoute, page
from .session import Operator

PERIODS: Final = {"1h": 3600, "6h": 6 * 3600, "24h": 86_400}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """``state`` is on, fresh, failing, held or off; ``means`` explains it, ``off_reason`` says why it is off."""

    health: EndpointHealth
    state: str
    means: str
    off_reason: str


def _row(health: EndpointHealth, t: Translator) -> EndpointRow:
    if not health.enabled:
        state = "off"
    elif health.held_until:
        state = "held"
    elif health.failing_since:
        state = "failing"
    else:
        state = "on" if health.seen_at else "fresh"
    since, until = t.moment(health.failing_since), t.moment(health.held_until)
    means = t(f"webhooks.means.{state}", since=since, until=until)
    return EndpointRow(health, state, means, t.known("webhooks.off", health.off_reason) if health.off_reason else "")


def _endpoints(request: Request) -> AsyncWebhookAdmin:
    return app_context(request).queue.endpoints


async def _screen(request: Request, operator: Signed, done: str = "", count: int = 0) -> Response:
    t = translator_of(request)
    endpoints = await _endpoints(request).list()
    return page(
        request,
        "webhooks.html",
        operator,
        endpoints=[_row(health, t) for health in endpoints],
        may_act=can(operator, "webhooks"),
        periods=PERIODS,
        done=done,
        count=count,
    )


@router.get("/webhooks")
async def list_endpoints(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


async def _done(request: Request, operator: Operator, act: str, id: str, count: int | None = None) -> Response:
    await audit(request, operator, f"webhooks.{act}", endpoint=id, **({} if count is None else {"events": count}))
    return await _screen(request, operator, act, count or 0)


@router.post("/webhooks/{id}/enable")
async def enable(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    await _endpoints(request).enable(id)
    return await _done(request, operator, "enabled", id)


@router.post("/webhooks/{id}/disable")
async def disable(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    await _endpoints(request).disable(id)
    return await _done(request, operator, "disabled", id)


@router.post("/webhooks/{id}/test")
async def test(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    await _endpoints(request).test(id)
    return await _done(request, operator, "test", id)


@router.post("/webhooks/{id}/resend")
async def resend(request: Request, operator: Signed, id: str) -> Response:
    """Sends the parked events again; with a period, the events of that period that the stream still has."""
    form = await form_of(request, operator, "webhooks")
    endpoints = _endpoints(request)
    seconds = PERIODS.get(text_of(form, "span"))
    if seconds is None:
        count = await endpoints.resend_parked(id)
    else:
        count = await endpoints.resend(id, since=int((time.time() - seconds) * 1000))
    return await _done(request, operator, "resent", id, count)
