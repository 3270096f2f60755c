"""The first screen: what is wrong and what to do, rates and queues, the last hour, and the campaigns."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..errors import StoreUnavailable
from ..i18n import Translator
from ..observability.diagnosis import Diagnosis, diagnose, fill
from ..store.hour_counts import hours_steps
from ..store.overview import AccountState, MinuteCounts, Overview, read_async
from ..web.context import app_context
from ..web.responses import json_response
from . import now_charts
from .auth import Signed, operator_of
from .context import monitor_context, translator_of
from .now_charts import span_of
from .rendering import PeopleRoute, page
from .sign_in import sign_in_page

MAX_CAMPAIGNS = 20
"""The list of campaigns has the others."""

STEPS: Final = frozenset({"no_worker", "callback_secret_missing"})
"""Codes of findings that are steps of a new installation."""

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


@dataclass(frozen=True, slots=True)
class DiagnosisText:
    """A diagnosis in the reader's language: what is wrong, and what to do."""

    diagnosis: Diagnosis
    sentence: str
    todo: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """``share`` is the used part of the limit in thousandths; None without a limit."""

    label: str
    text: str
    share: int | None
    full: bool


async def overview_of(request: Request) -> Overview:
    """The state of the installation. Raises StoreUnavailable."""
    app = app_context(request)
    return await app.queue.store.call(read_async, app.settings)


def diagnosis_texts(now: Overview, t: Translator) -> list[DiagnosisText]:
    """What is wrong now, the worst first."""
    return [
        DiagnosisText(
            diagnosis,
            fill(t(f"finding.{diagnosis.text_key}"), diagnosis.values, t.number, t.span, t),
            t(f"finding.{diagnosis.text_key}.do"),
        )
        for diagnosis in diagnose(now)
    ]


def _gauge(label: str, used: float, limit: float, t: Translator) -> Gauge:
    text = t.number(round(used, 1) if isinstance(used, float) and used != int(used) else int(used))
    if not limit:
        return Gauge(label, t("now.no_limit", used=text), None, full=False)
    share = min(1000, round(1000 * used / limit))
    allowed = t.number(int(limit) if limit == int(limit) else limit)
    return Gauge(label, t("now.of", used=text, allowed=allowed), share, full=share >= 900)


def gauges_of(account: AccountState, t: Translator) -> list[Gauge]:
    """The account's calls per second and its channels, against their limits."""
    limits = account.limits
    return [
        _gauge(t("now.rate"), account.rate, limits.rate if limits else 0, t),
        _gauge(t("now.channels"), account.channels, limits.channels if limits else 0, t),
    ]


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A step to the first call: ``name`` is its text's, ``command`` does it."""

    name: str
    done: bool
    command: str = ""


def first_steps(now: Overview, *, keys: bool, callback: bool) -> list[FirstStep]:
    """What an installation without a call needs for its first one; [] once it has had calls or campaigns."""
    used = any(now.calls.values()) or now.campaigns or now.dead or any(m.created or m.ends for m in now.minutes)
    if used:
        return []
    return [
        FirstStep("key", keys, "alodial keys create"),
        FirstStep("redis", done=True),
        FirstStep("worker", bool(now.living), "alodial worker"),
        FirstStep("callback", callback, "alodial init"),
        FirstStep("call", done=False, command="alodial call two-way --from YOUR_NUMBER --to OTHER_NUMBER --wait"),
    ]


async def _counts(request: Request, now: Overview, span: str) -> tuple[MinuteCounts, ...]:
    """The counters of a range: of minutes for the last hour, of hours for longer ones."""
    if span == now_charts.SPANS[0]:
        return now.minutes
    return await app_context(request).queue.store.run_steps(hours_steps, now_charts.HOURS[span])


async def _context(request: Request, now: Overview | None) -> dict[str, Any]:
    t = translator_of(request)
    span = span_of(request.query_params)
    ranges = {"span": span, "spans": now_charts.SPANS}
    if now is None:
        return {
            "now": None,
            "diagnoses": [],
            "steps": [],
            "accounts": [],
            "totals": {},
            "hour_totals": {},
            "counts": (),
        } | ranges
    counts = await _counts(request, now, span)
    settings = app_context(request).settings
    keys = bool(monitor_context(request).sessions.keys)
    steps = first_steps(now, keys=keys, callback=bool(settings.callback_secret))
    # A new installation is not broken: what it lacks is a step.
    diagnoses = [row for row in diagnosis_texts(now, t) if not steps or row.diagnosis.code not in STEPS]
    return {
        "now": now,
        "diagnoses": diagnoses,
        "steps": steps,
        "accounts": [(account, gauges_of(account, t)) for account in now.accounts],
        "totals": now_charts.totals_of(counts),
        "hour_totals": now_charts.totals_of(now.minutes),
        "counts": counts,
    } | ranges


@router.get("/")
async def show_now(request: Request) -> Response:
    operator = operator_of(request)
    if operator is None:
        return sign_in_page(request)
    app = app_context(request)
    try:
        now, listing = await asyncio.gather(overview_of(request), app.queue.campaigns.list(limit=MAX_CAMPAIGNS))
    except StoreUnavailable:
        # This screen says what is wrong, so it says that Redis is down, where the others show an error page.
        return page(
            request, "now.html", operator, status=503, campaigns=[], more=False, **await _context(request, None)
        )
    return page(
        request,
        "now.html",
        operator,
        campaigns=listing.campaigns,
        more=listing.cursor is not None,
        **await _context(request, now),
    )


@router.get("/now")
async def update_now(request: Request, operator: Signed) -> Response:
    """Updates the live part of an open page."""
    return page(request, "now_live.html", operator, **await _context(request, await overview_of(request)))


@router.get("/now/series")
async def chart_series(request: Request, _operator: Signed) -> Response:
    """The charts' data of the chosen range as JSON."""
    t = translator_of(request)
    zone = str(monitor_context(request).zone)
    span = span_of(request.query_params)
    now = await overview_of(request)
    charts = now_charts.series_of(now, await _counts(request, now, span), span, t)
    more = {"zone": zone, "offset": t.offset(), "days": span == "7d"}
    return json_response({name: chart | more for name, chart in charts.items()}, headers={"Cache-Control": "no-store"})
