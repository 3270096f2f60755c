"""Webhook endpoints: the state and the deliveries of each, and the acts to add, enable, test and remove it."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..calls.awaitable import AsyncWebhookAdmin
from ..errors import InvalidEndpoint
from ..i18n import Translator
from ..store.webhooks import EndpointHealth
from ..web.context import app_context
from .auth import Signed, audit, can, form_of, key_given, remember_key, text_of
from .context import translator_of
from .rendering import PeopleRoute, page
from .session import Operator

HISTORY: Final = 100
"""Tries, waiting and parked events that the page of an endpoint shows."""

PERIODS: Final = {"1h": 3600, "6h": 6 * 3600, "24h": 86_400}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """``state`` is on, fresh, failing, held or off; ``means`` explains it, ``off_reason`` says why it is off.

    ``added`` is True for an endpoint that was added at run time, which can be removed here.
    """

    health: EndpointHealth
    state: str
    means: str
    off_reason: str
    added: bool


def _row(health: EndpointHealth, t: Translator, added: frozenset[str]) -> EndpointRow:
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
    off_reason = t.known("webhooks.off", health.off_reason) if health.off_reason else ""
    return EndpointRow(health, state, means, off_reason, health.id in added)


def _endpoints(request: Request) -> AsyncWebhookAdmin:
    return app_context(request).queue.endpoints


async def _added(request: Request) -> frozenset[str]:
    return frozenset(endpoint.id for endpoint in await _endpoints(request).added())


async def _screen(
    request: Request, operator: Operator, done: str = "", count: int = 0, *, status: int = 200, **more: Any
) -> Response:
    t = translator_of(request)
    endpoints, added = await asyncio.gather(_endpoints(request).list(), _added(request))
    context: dict[str, Any] = {"secret": "", "address": "", "typed": "", "problem": None, "wrong": False}
    return page(
        request,
        "webhooks.html",
        operator,
        status=status,
        endpoints=[_row(health, t, added) for health in endpoints],
        may_act=can(operator, "webhooks"),
        ask_key=operator.must_give_key(),
        periods=PERIODS,
        done=done,
        count=count,
        **context | more,
    )


@router.get("/webhooks")
async def list_endpoints(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


@router.post("/webhooks")
async def add(request: Request, operator: Signed) -> Response:
    """Adds an endpoint, and shows once the secret that signs its events."""
    form = await form_of(request, operator, "webhooks")
    typed = text_of(form, "url")
    if not key_given(request, operator, form):
        return await _screen(request, operator, status=403, wrong=True, typed=typed)
    await remember_key(request, operator)
    try:
        id, secret = await _endpoints(request).add(typed, actor=operator.actor)
    except InvalidEndpoint as exc:
        return await _screen(request, operator, status=422, problem=exc, typed=typed)
    await audit(request, operator, "webhooks.added", endpoint=id)
    health = await _endpoints(request).find(id)
    return await _screen(request, operator, secret=secret, address=health.url)


@router.get("/webhooks/{id}")
async def show(request: Request, operator: Signed, id: str) -> Response:
    """The last tries of an endpoint, and the first events that wait and that are parked."""
    endpoints, t = _endpoints(request), translator_of(request)
    health, history, added = await asyncio.gather(endpoints.find(id), endpoints.history(id, HISTORY), _added(request))
    return page(
        request,
        "webhook.html",
        operator,
        endpoint=_row(health, t, added),
        history=history,
        limit=HISTORY,
        may_act=can(operator, "webhooks"),
    )


@router.post("/webhooks/{id}/remove")
async def remove(request: Request, operator: Signed, id: str) -> Response:
    """Removes an added endpoint with all that waits for it, after a page that says so."""
    form = await form_of(request, operator, "webhooks")
    health = await _endpoints(request).find(id)
    if text_of(form, "sure") != "yes":
        return page(request, "webhook_remove.html", operator, endpoint=health)
    await _endpoints(request).remove(id)
    return await _done(request, operator, "removed", id)


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
