"""The first screen: what is wrong, rates and queues, the last hour, and the campaigns."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..errors import StoreUnavailable
from ..observability.diagnosis import Diagnosis, diagnose, fill
from ..store.overview import AccountState, Overview, limits_of, read_async
from ..web.context import app_context
from ..web.responses import json_response
from .auth import Signed, operator_of
from .context import monitor_context, translator_of
from .i18n import Translator
from .rendering import PeopleRoute, page
from .sign_in import sign_in_page

SHOWN = 20
"""Campaigns on the first screen; the others are on their own."""

NOT_PLACED: Final = ("rejected", "failed", "expired", "timed_out")
DRAWN: Final = ("answered", "no_answer", "busy", "unavailable", "congestion")
"""Dispositions with a line of their own; each has a colour in the style."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class DiagnosisText:
    """A finding in the reader's words."""

    finding: Diagnosis
    sentence: str
    todo: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """``share`` of what is allowed in thousandths, None where nothing is."""

    label: str
    text: str
    share: int | None
    full: bool


async def overview_of(request: Request) -> Overview:
    parts = app_context(request)
    limits = limits_of(parts.settings)
    return await parts.queue.store.call(read_async, limits)


def diagnosis_texts(now: Overview, words: Translator) -> list[DiagnosisText]:
    return [
        DiagnosisText(
            one,
            fill(words(f"finding.{one.code}"), one.values, words.number, words.span),
            words(f"finding.{one.code}.do"),
        )
        for one in diagnose(now)
    ]


def _gauge(label: str, used: float, allowed: float, words: Translator) -> Gauge:
    shown = words.number(round(used, 1) if isinstance(used, float) and used != int(used) else int(used))
    if not allowed:
        return Gauge(label, words("now.no_limit", used=shown), None, full=False)
    share = min(1000, round(1000 * used / allowed))
    limit = words.number(int(allowed) if allowed == int(allowed) else allowed)
    return Gauge(label, words("now.of", used=shown, allowed=limit), share, full=share >= 900)


def gauges_of(account: AccountState, words: Translator) -> list[Gauge]:
    limits = account.limits
    return [
        _gauge(words("now.rate"), account.rate, limits.rate if limits else 0, words),
        _gauge(words("now.channels"), account.channels, limits.channels if limits else 0, words),
    ]


def series_of(now: Overview, words: Translator) -> dict[str, Any]:
    """What the charts draw: the last hour by the minute."""
    times = [minute.at for minute in now.minutes]
    time = {"label": words("now.chart.time"), "values": times}
    limit = sum(account.limits.rate * 60 for account in now.accounts if account.limits)
    rate = [
        time,
        {
            "label": words("now.chart.armed"),
            "values": [minute.armed for minute in now.minutes],
            "colour": "--c-under-way",
            "fill": True,
        },
    ]
    if limit and all(account.limits and account.limits.rate for account in now.accounts):
        rate.append(
            {"label": words("now.chart.limit"), "values": [limit] * len(times), "colour": "--c-rejected", "dash": True}
        )
    outcomes: list[dict[str, Any]] = [time]
    for name in DRAWN:
        values = [minute.dispositions.get(name, 0) for minute in now.minutes]
        if name == "answered" or any(values):
            outcomes.append({"label": words(f"disposition.{name}"), "values": values, "colour": f"--c-{name}"})
    missed = [sum(minute.ends.get(name, 0) for name in NOT_PLACED) for minute in now.minutes]
    if any(missed):
        outcomes.append({"label": words("now.chart.failed"), "values": missed, "colour": "--c-rejected"})
    return {"rate": {"series": rate}, "outcomes": {"series": outcomes}}


def _context(request: Request, now: Overview | None) -> dict[str, Any]:
    words = translator_of(request)
    if now is None:
        return {"now": None, "told": [], "accounts": [], "totals": {}}
    return {
        "now": now,
        "told": diagnosis_texts(now, words),
        "accounts": [(account, gauges_of(account, words)) for account in now.accounts],
        "totals": now.in_last(60, "dispositions")
        | {name: n for name, n in now.in_last(60, "ends").items() if name in NOT_PLACED},
    }


@router.get("/")
async def front(request: Request) -> Response:
    operator = operator_of(request)
    if operator is None:
        return sign_in_page(request)
    parts = app_context(request)
    try:
        now, listed = await asyncio.gather(overview_of(request), parts.queue.campaigns.list(limit=SHOWN))
    except StoreUnavailable:
        # The one screen that must say what is wrong while Redis is away, rather than that it cannot be shown.
        return page(request, "front.html", operator, status=503, campaigns=[], more=False, **_context(request, None))
    return page(
        request,
        "front.html",
        operator,
        campaigns=listed.campaigns,
        more=listed.cursor is not None,
        **_context(request, now),
    )


@router.get("/now")
async def renewed(request: Request, operator: Signed) -> Response:
    """What is live, for the page that is open."""
    return page(request, "now.html", operator, **_context(request, await overview_of(request)))


@router.get("/now/series")
async def series(request: Request, _operator: Signed) -> Response:
    words = translator_of(request)
    zone = str(monitor_context(request).zone)
    told = series_of(await overview_of(request), words)
    return json_response(
        {name: chart | {"zone": zone} for name, chart in told.items()}, headers={"Cache-Control": "no-store"}
    )
