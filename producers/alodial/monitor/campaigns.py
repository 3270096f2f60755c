"""The campaigns' list, one campaign as it goes on, and what may be done to it."""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas.campaigns import CampaignState

from ..campaigns.records import CampaignRecord
from ..web.context import app_context
from . import campaign_figures
from .auth import Signed, audit, form_of, text_of
from .campaign_terms import terms
from .context import translator_of
from .rendering import PeopleRoute, go, page

LISTED = 25
ACTIVITY = 50
PROBLEMS = 20
"""Bad rows on a campaign's own page; the others have a page of their own."""

PROBLEMS_LISTED = 1000

ACTS = ("pause", "resume", "cancel", "clone", "retry", "pace")
MAX_TEXT = 200

router = APIRouter(include_in_schema=False, route_class=PeopleRoute)


def _campaigns(request: Request) -> Any:
    return app_context(request).queue.campaigns.blocking


async def _get(request: Request, name: str) -> CampaignRecord:
    record: CampaignRecord = await asyncio.to_thread(_campaigns(request).get, name)
    return record


@router.get("/campaigns")
async def listed(request: Request, operator: Signed) -> Response:
    state = request.query_params.get("state", "")
    if state not in [one.value for one in CampaignState]:
        state = ""
    cursor = request.query_params.get("cursor", "")
    cursor = cursor if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else ""
    found = await asyncio.to_thread(lambda: _campaigns(request).list(state=state, cursor=cursor or None, limit=LISTED))
    return page(
        request,
        "campaigns.html",
        operator,
        campaigns=found.campaigns,
        cursor=found.cursor,
        here=cursor,
        state=state,
        states=[one.value for one in CampaignState],
    )


def _problems(campaigns: Any, name: str, limit: int) -> tuple[list[Any], bool]:
    """The first bad rows, and whether there are more."""
    rows = list(islice(campaigns.problems(name), limit + 1))
    return rows[:limit], len(rows) > limit


@router.get("/campaigns/{name}")
async def one(request: Request, operator: Signed, name: str) -> Response:
    record = await _get(request, name)
    campaigns = _campaigns(request)
    activity, (problems, more) = await asyncio.gather(
        asyncio.to_thread(campaigns.activity, record.id, ACTIVITY),
        asyncio.to_thread(_problems, campaigns, record.id, PROBLEMS),
    )
    said = request.query_params.get("said", "")
    return page(
        request,
        "campaign.html",
        operator,
        record=record,
        activity=activity,
        problems=problems,
        more_problems=more,
        terms=terms(record.request, translator_of(request)),
        said=said if said in (*ACTS, "submit") else "",
    )


@router.get("/campaigns/{name}/live")
async def live(request: Request, operator: Signed, name: str) -> Response:
    """What changes by itself. Where the state is another one, the buttons are too: the page is asked for anew."""
    record = await _get(request, name)
    changed = request.query_params.get("was") not in (None, record.state)
    headers = {"HX-Redirect": f"/campaigns/{record.id}"} if changed else {}
    activity = await asyncio.to_thread(_campaigns(request).activity, record.id, ACTIVITY)
    return page(request, "live.html", operator, headers=headers, record=record, activity=activity)


@router.get("/campaigns/{name}/problems")
async def problems(request: Request, operator: Signed, name: str) -> Response:
    record = await _get(request, name)
    found, more = await asyncio.to_thread(_problems, _campaigns(request), record.id, PROBLEMS_LISTED)
    return page(request, "problems.html", operator, record=record, problems=found, more_problems=more)


def _count(record: CampaignRecord, act: str) -> int:
    """How many calls an act is about; it stands on the button."""
    return {"clone": campaign_figures.good, "retry": campaign_figures.unanswered}.get(act, campaign_figures.remaining)(
        record
    )


def _ask(request: Request, operator: Signed, record: CampaignRecord, act: str, **more: Any) -> Response:
    context: dict[str, Any] = {
        "record": record,
        "act": act,
        "count": _count(record, act),
        "problem": "",
        "given": {},
    } | more
    return page(request, "act.html", operator, status=422 if context["problem"] else 200, **context)


@router.get("/campaigns/{name}/{act}")
async def ask(request: Request, operator: Signed, name: str, act: str) -> Response:
    """Asks back, naming how many calls it is about."""
    record = await _get(request, name)
    if act not in ACTS or act not in campaign_figures.acts(record):
        return go(f"/campaigns/{record.id}")
    policy = record.request.get("policy") or {}
    given = {field: str(policy.get(field) or "") for field in ("pace", "channels", "weight")}
    return _ask(request, operator, record, act, given=given)


@router.post("/campaigns/{name}/{act}")
async def do(request: Request, operator: Signed, name: str, act: str) -> Response:
    form = await form_of(request, operator, f"campaign.{act}")
    record = await _get(request, name)
    if act not in ACTS:
        return go(f"/campaigns/{record.id}")
    campaigns = _campaigns(request)
    actor = operator.actor
    reason, new_name = text_of(form, "reason")[:MAX_TEXT], text_of(form, "new_name")[:100]
    if act == "pace":
        return await _change(
            request, operator, record, {name: text_of(form, name) for name in ("pace", "channels", "weight")}
        )
    todo: dict[str, Callable[[], CampaignRecord]] = {
        "pause": lambda: campaigns.pause(record.id, actor=actor, reason=reason),
        "resume": lambda: campaigns.resume(record.id, actor=actor),
        "cancel": lambda: campaigns.cancel(record.id, actor=actor, reason=reason),
        "clone": lambda: campaigns.clone(record.id, actor=actor, new_name=new_name),
        "retry": lambda: campaigns.retry_failed(record.id, actor=actor, new_name=new_name),
    }
    count = _count(record, act)
    changed = await asyncio.to_thread(todo[act])
    audit(
        operator,
        f"campaign.{act}",
        campaign=record.id,
        calls=count,
        made=changed.id if changed.id != record.id else None,
    )
    return go(f"/campaigns/{changed.id}?said={act}")


class _NotANumber(ValueError):
    """``args[0]`` is the field."""


def _numbers(given: dict[str, str]) -> dict[str, Any]:
    """An empty field means no limit. Raises _NotANumber."""
    found: dict[str, Any] = {}
    bounds = {"pace": (float, 0.001, 10_000), "channels": (int, 1, 1_000_000), "weight": (int, 1, 100)}
    for name, (kind, least, limit) in bounds.items():
        text = given[name].replace(",", ".")
        if not text and name != "weight":
            found[name] = None
            continue
        try:
            value = kind(text)
        except ValueError:
            raise _NotANumber(name) from None
        if not least <= value <= limit:
            raise _NotANumber(name)
        found[name] = value
    return found


async def _change(request: Request, operator: Signed, record: CampaignRecord, given: dict[str, str]) -> Response:
    try:
        numbers = _numbers(given)
    except _NotANumber as exc:
        return _ask(request, operator, record, "pace", given=given, problem=exc.args[0])
    campaigns = _campaigns(request)
    await asyncio.to_thread(lambda: campaigns.change(record.id, actor=operator.actor, **numbers))
    audit(operator, "campaign.pace", campaign=record.id, **numbers)
    return go(f"/campaigns/{record.id}?said=pace")
