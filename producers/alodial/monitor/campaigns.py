"""The list of campaigns, the page of one campaign, and its acts."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas.campaigns import CampaignState

from ..calls.awaitable import AsyncCampaigns
from ..calls.threads import READS
from ..campaigns.exporting.terms import terms
from ..campaigns.records import CampaignRecord
from ..campaigns.row_codec import RowProblem
from ..store import campaign_ends
from ..store.overview import MinuteCounts
from ..web.context import app_context
from ..web.responses import json_response
from . import campaign_figures, now_charts
from .auth import Signed, audit, caller_of, form_of, text_of
from .campaign_form import DEFAULTS
from .context import monitor_context, translator_of
from .problem_kinds import kinds_of_rows
from .rendering import PeopleRoute, go, page
from .sorting import sorted_rows

PAGE_SIZE = 25
SORTED = 100
"""The newest campaigns, which another order than their own is of."""
COLUMNS: Mapping[str, Callable[[CampaignRecord], Any]] = {
    "name": lambda record: record.name.casefold(),
    "state": campaign_figures.badge,
    "progress": lambda record: record.progress,
    "rows": campaign_figures.good,
    "answered": lambda record: record.answered,
    "to_come": campaign_figures.remaining,
    "end": lambda record: record.ended_at or record.expected_end,
}
MAX_ACTIVITY = 50
MAX_PROBLEMS = 1000
"""Rows that were not taken, on the pages that group them by kind; the download has all."""

ACTS = ("pause", "resume", "cancel", "clone", "retry", "pace")
PACE_FIELDS = ("pace", "channels", "weight")
MAX_REASON = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _campaigns(request: Request) -> AsyncCampaigns:
    return app_context(request).queue.campaigns


@router.get("/campaigns")
async def list_campaigns(request: Request, operator: Signed) -> Response:
    state = request.query_params.get("state", "")
    if state not in [member.value for member in CampaignState]:
        state = ""
    cursor = request.query_params.get("cursor", "")
    cursor = cursor if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else ""
    in_order = request.query_params.get("sort", "").removeprefix("-") in COLUMNS
    listing = await _campaigns(request).list(
        state=state, cursor=None if in_order else cursor or None, limit=SORTED if in_order else PAGE_SIZE
    )
    rows, sorting = sorted_rows(request, listing.campaigns, COLUMNS, without=("cursor",) if in_order else ())
    return page(
        request,
        "campaigns.html",
        operator,
        campaigns=rows,
        sorting=sorting,
        cursor=None if in_order else listing.cursor,
        cursor_of_sorted=listing.cursor if in_order else None,
        state=state,
        states=[member.value for member in CampaignState],
    )


async def _problems(campaigns: AsyncCampaigns, name: str) -> tuple[list[RowProblem], bool]:
    """The first rows that were not taken, and whether there are more."""
    rows = await READS.run(lambda: list(islice(campaigns.blocking.problems(name), MAX_PROBLEMS + 1)))
    return rows[:MAX_PROBLEMS], len(rows) > MAX_PROBLEMS


@router.get("/campaigns/{name}")
async def show_campaign(request: Request, operator: Signed, name: str) -> Response:
    campaigns = _campaigns(request)
    record = await campaigns.get(name)
    t = translator_of(request)
    span = now_charts.span_of(request.query_params)
    activity, (problems, more), counts = await asyncio.gather(
        campaigns.activity(record.id, MAX_ACTIVITY), _problems(campaigns, record.id), _ends(request, record.id, span)
    )
    done = request.query_params.get("done", "")
    return page(
        request,
        "campaign.html",
        operator,
        record=record,
        activity=activity,
        counts=counts,
        totals=now_charts.totals_of(counts),
        span=span,
        spans=now_charts.SPANS,
        problem_kinds=kinds_of_rows(problems, t),
        more_problems=more,
        terms=terms(record.request, t),
        done=done if done in (*ACTS, "submit") else "",
    )


@router.get("/campaigns/{name}/live")
async def update_campaign(request: Request, operator: Signed, name: str) -> Response:
    """Updates an open page.

    In another state the page is loaded again, because its buttons are others, and once its first call has ended, for the chart.
    """
    record = await _campaigns(request).get(name)
    begun = request.query_params.get("ended") == "0" and campaign_figures.ended(record)
    changed = begun or request.query_params.get("was") not in (None, record.state)
    headers = {"HX-Redirect": f"/campaigns/{record.id}"} if changed else {}
    activity = await _campaigns(request).activity(record.id, MAX_ACTIVITY)
    return page(request, "campaign_live.html", operator, headers=headers, record=record, activity=activity)


async def _ends(request: Request, id: str, span: str) -> tuple[MinuteCounts, ...]:
    """How its calls ended, by minute for the last hour, by hour for longer ranges."""
    store = app_context(request).queue.store
    if span == now_charts.SPANS[0]:
        return await store.run_steps(campaign_ends.minutes_steps, id)
    return await store.run_steps(campaign_ends.hours_steps, id, now_charts.HOURS[span])


@router.get("/campaigns/{name}/series")
async def chart_series(request: Request, _operator: Signed, name: str) -> Response:
    """The chart's data of the chosen range as JSON."""
    record = await _campaigns(request).get(name)
    t, span = translator_of(request), now_charts.span_of(request.query_params)
    chart = {
        "series": now_charts.outcomes_of(await _ends(request, record.id, span), t),
        "zone": str(monitor_context(request).zone),
        "offset": t.offset(),
        "days": span == "7d",
    }
    return json_response({"outcomes": chart}, headers={"Cache-Control": "no-store"})


@router.get("/campaigns/{name}/problems")
async def list_problems(request: Request, operator: Signed, name: str) -> Response:
    record = await _campaigns(request).get(name)
    rows, more = await _problems(_campaigns(request), record.id)
    kinds = kinds_of_rows(rows, translator_of(request), MAX_PROBLEMS)
    return page(request, "campaign_problems.html", operator, record=record, problem_kinds=kinds, more_problems=more)


def _count(record: CampaignRecord, act: str) -> int:
    """How many calls an act concerns: the number on its button."""
    return {"clone": campaign_figures.good, "retry": campaign_figures.unanswered}.get(act, campaign_figures.remaining)(
        record
    )


def _confirm(request: Request, operator: Signed, record: CampaignRecord, act: str, **more: Any) -> Response:
    context: dict[str, Any] = {
        "record": record,
        "act": act,
        "count": _count(record, act),
        "in_progress": campaign_figures.in_progress(record),
        "problem": "",
        "form": {},
        "key": secrets.token_hex(16),
    } | more
    return page(request, "campaign_confirm.html", operator, status=422 if context["problem"] else 200, **context)


@router.get("/campaigns/{name}/{act}")
async def confirm_act(request: Request, operator: Signed, name: str, act: str) -> Response:
    """Asks for a confirmation, with the number of calls."""
    record = await _campaigns(request).get(name)
    if act not in ACTS or act not in campaign_figures.acts(record):
        return go(f"/campaigns/{record.id}")
    policy = record.request.get("policy") or {}
    form = {field: str(policy.get(field) or DEFAULTS[field]) for field in PACE_FIELDS}
    return _confirm(request, operator, record, act, form=form)


@router.post("/campaigns/{name}/{act}")
async def do_act(request: Request, operator: Signed, name: str, act: str) -> Response:
    form = await form_of(request, operator, f"campaign.{act}")
    record = await _campaigns(request).get(name)
    if act not in ACTS:
        return go(f"/campaigns/{record.id}")
    campaigns = _campaigns(request)
    actor, key = operator.actor, text_of(form, "key")[:64]
    by: dict[str, Any] = {
        "actor": actor,
        "caller": caller_of(operator),
        "idempotency_key": key,
        "scope": operator.api_key.scope,
    }
    reason, new_name = text_of(form, "reason")[:MAX_REASON], text_of(form, "new_name")[:100]
    if act == "pace":
        return await _change(request, operator, record, {name: text_of(form, name) for name in PACE_FIELDS})
    count = _count(record, act)
    match act:
        case "pause":
            changed = await campaigns.pause(record.id, actor=actor, reason=reason)
        case "resume":
            changed = await campaigns.resume(record.id, actor=actor)
        case "cancel":
            changed = await campaigns.cancel(record.id, actor=actor, reason=reason)
        case "clone":
            changed = await campaigns.clone(record.id, new_name=new_name, **by)
        case _:
            changed = await campaigns.retry_failed(
                record.id, new_name=new_name, leave_out=bool(text_of(form, "leave_out")), **by
            )
    await audit(
        request,
        operator,
        f"campaign.{act}",
        campaign=record.id,
        calls=count,
        made=changed.id if changed.id != record.id else None,
    )
    return go(f"/campaigns/{changed.id}?done={act}")


class _InvalidNumber(ValueError):
    """``args[0]`` is the field."""


def _numbers(fields: dict[str, str]) -> dict[str, Any]:
    """An empty field means no limit. Raises _InvalidNumber."""
    numbers: dict[str, Any] = {}
    bounds = {"pace": (float, 0.001, 10_000), "channels": (int, 1, 1_000_000), "weight": (int, 1, 100)}
    for name, (kind, least, limit) in bounds.items():
        text = fields[name].replace(",", ".")
        if not text and name != "weight":
            numbers[name] = None
            continue
        try:
            value = kind(text)
        except ValueError:
            raise _InvalidNumber(name) from None
        if not least <= value <= limit:
            raise _InvalidNumber(name)
        numbers[name] = value
    return numbers


async def _change(request: Request, operator: Signed, record: CampaignRecord, fields: dict[str, str]) -> Response:
    try:
        numbers = _numbers(fields)
    except _InvalidNumber as exc:
        return _confirm(request, operator, record, "pace", form=fields, problem=exc.args[0])
    await _campaigns(request).change(record.id, actor=operator.actor, **numbers)
    await audit(request, operator, "campaign.pace", campaign=record.id, **numbers)
    return go(f"/campaigns/{record.id}?done=pace")
