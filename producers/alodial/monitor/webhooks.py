"""Webhook endpoints: how each fares, on and off, a test, events sent again."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..store.webhooks import EndpointHealth
from ..web.context import app_context
from ..webhooks.admin import WebhookAdmin
from .auth import Signed, audit, can, form_of, text_of
from .context import translator_of
from .i18n import Translator
from .rendering import PeopleRoute, page

SPANS: Final = {"1h": 3600, "6h": 6 * 3600, "24h": 86_400}

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """``standing`` is a word of ours, ``means`` a sentence about it."""

    health: EndpointHealth
    standing: str
    means: str
    why: str


def _shown(one: EndpointHealth, words: Translator) -> EndpointRow:
    if not one.enabled:
        standing = "off"
    elif one.held_until:
        standing = "held"
    elif one.failing_since:
        standing = "failing"
    else:
        standing = "on" if one.seen_at else "fresh"
    means = words(
        f"webhooks.means.{standing}", since=words.moment(one.failing_since), until=words.moment(one.held_until)
    )
    return EndpointRow(one, standing, means, words.known("webhooks.off", one.off_reason) if one.off_reason else "")


def _endpoints(request: Request) -> WebhookAdmin:
    return app_context(request).queue.endpoints.blocking


async def _screen(request: Request, operator: Signed, done: str = "", count: int = 0) -> Response:
    words = translator_of(request)
    found = await asyncio.to_thread(_endpoints(request).list)
    return page(
        request,
        "webhooks.html",
        operator,
        endpoints=[_shown(one, words) for one in found],
        may_act=can(operator, "webhooks"),
        spans=SPANS,
        done=done,
        count=count,
    )


@router.get("/webhooks")
async def listed(request: Request, operator: Signed) -> Response:
    return await _screen(request, operator)


async def _act(request: Request, operator: Signed, act: str, id: str, **what: Any) -> Response:
    endpoints = _endpoints(request)
    count = 0
    if act == "enabled":
        await asyncio.to_thread(endpoints.enable, id)
    elif act == "disabled":
        await asyncio.to_thread(endpoints.disable, id)
    elif act == "test":
        await asyncio.to_thread(endpoints.test, id)
    elif "since" in what:
        count = await asyncio.to_thread(lambda: endpoints.resend(id, since=what["since"]))
    else:
        count = await asyncio.to_thread(endpoints.resend_parked, id)
    audit(operator, f"webhooks.{act}", endpoint=id, **({"events": count} if act == "resent" else {}))
    return await _screen(request, operator, act, count)


@router.post("/webhooks/{id}/enable")
async def enable(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    return await _act(request, operator, "enabled", id)


@router.post("/webhooks/{id}/disable")
async def disable(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    return await _act(request, operator, "disabled", id)


@router.post("/webhooks/{id}/test")
async def test(request: Request, operator: Signed, id: str) -> Response:
    await form_of(request, operator, "webhooks")
    return await _act(request, operator, "test", id)


@router.post("/webhooks/{id}/resend")
async def resend(request: Request, operator: Signed, id: str) -> Response:
    """What was parked; with a span of time what the stream has of it."""
    form = await form_of(request, operator, "webhooks")
    span = SPANS.get(text_of(form, "span"))
    if span is None:
        return await _act(request, operator, "resent", id)
    return await _act(request, operator, "resent", id, since=int((time.time() - span) * 1000))
